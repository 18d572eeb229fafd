from __future__ import annotations

import os
import signal
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from algoscope.errors import UserError
from algoscope.training.run import (
    EVALUATION,
    FINAL,
    TRAINING,
    Run,
    answers,
    derived_seed,
    one_cycle,
    score,
)


def weights(run):
    return torch.cat([parameter.flatten() for parameter in run.model.parameters()])


@pytest.mark.parametrize("name", ["First", "Reversed"])
def test_a_small_task_is_learnt(small, tiny, name):
    reports = list(Run(small(name), tiny))
    assert reports[-1].loss < reports[0].loss / 4
    assert reports[-1].accuracy == 1.0


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(small, tiny):
    first, again, other = (Run(small("First"), replace(tiny, steps=20), seed) for seed in (3, 3, 4))
    for run in (first, again, other):
        list(run)
    assert torch.equal(weights(first), weights(again))
    assert not torch.allclose(weights(first), weights(other))


def test_global_randomness_neither_matters_nor_is_touched(small, tiny):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    run = Run(small("First"), replace(tiny, steps=10))
    list(run)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    again = Run(small("First"), replace(tiny, steps=10))
    list(again)
    assert torch.equal(weights(run), weights(again))


def test_a_steps_batch_depends_on_seed_and_step_alone(small, tiny):
    run, other = Run(small("First"), tiny), Run(small("First"), tiny)
    straight = [run.batch(step).tokens for step in range(40)]
    backwards = [other.batch(step).tokens for step in reversed(range(40))][::-1]
    assert all(map(torch.equal, straight, backwards))
    assert len({tuple(tokens.flatten().tolist()) for tokens in straight}) == 40


def test_a_step_is_a_plain_step_of_clipped_adamw(small, tiny):
    run, plain = Run(small("Reversed"), tiny), Run(small("Reversed"), tiny).model.double()
    # In float32 AdamW would blow up the rounding of gradients that are zero, as those of b_K are.
    run.model.double()
    optimizer = torch.optim.AdamW(plain.parameters(), weight_decay=tiny.weight_decay, foreach=False)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, tiny.lr, tiny.steps, cycle_momentum=False)
    for step in range(12):
        batch = run.batch(step)
        logits = plain(batch.tokens)
        losses = [functional.cross_entropy(logits[:, 2 + i], batch.labels[i::2]) for i in range(2)]
        optimizer.zero_grad()
        (sum(losses) / 2).backward()
        torch.nn.utils.clip_grad_norm_(plain.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        assert run.advance().item() == pytest.approx(sum(losses).item() / 2, abs=1e-9)
    expected = torch.cat([parameter.flatten() for parameter in plain.parameters()])
    torch.testing.assert_close(weights(run), expected, atol=1e-8, rtol=1e-6)


@pytest.mark.parametrize("steps", [10, 77, 1000])
def test_the_learning_rate_is_torchs_one_cycle(steps):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)])
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, steps, cycle_momentum=False)
    rates = []
    for _ in range(steps):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        if len(rates) < steps:
            schedule.step()
    assert [one_cycle(step, steps, 4e-3) for step in range(steps)] == pytest.approx(rates)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_run_of_very_few_steps_has_a_learning_rate(steps):
    assert all(0 < one_cycle(step, steps, 1.0) <= 1 for step in range(steps))


def test_an_example_is_right_only_if_all_its_answers_are(small, tiny):
    run = Run(small("Reversed"), replace(tiny, steps=6))
    list(run)
    examples = run.task.sample(300, 5)
    logits = run.model(examples.tokens)
    loss, right = 0.0, 0
    for row in range(300):
        wrong = False
        for place in range(2):
            log_probs = logits[row, 2 + place].log_softmax(-1)
            label = int(examples.labels[2 * row + place])
            loss -= log_probs[label].item()
            wrong |= int(log_probs.argmax()) != label
        right += not wrong
    assert 0 < right < 300
    assert score(run.model, examples, batch=77) == (pytest.approx(loss / 600, rel=1e-4), right / 300)


def test_answers_are_one_row_each_in_the_order_of_the_examples(small, tiny):
    run = Run(small("Reversed"), tiny)
    examples = run.task.sample(3, 0)
    logits, labels = answers(run.model, examples)
    assert labels.tolist() == [bit for row in examples.tokens.tolist() for bit in (row[3], row[2])]
    torch.testing.assert_close(logits[3], run.model(examples.tokens)[1, 3])


def test_no_two_samples_of_a_run_share_a_seed():
    seeds = [
        derived_seed(seed, stream, index)
        for seed in range(3)
        for stream in (TRAINING, EVALUATION, FINAL)
        for index in range(500)
    ]
    assert len(set(seeds)) == len(seeds)


def test_ctrl_c_within_a_step_arrives_when_the_step_is_over(small, tiny, monkeypatch):
    run = Run(small("First"), tiny)
    step, handler = run.optimizer.step, signal.getsignal(signal.SIGINT)

    def pressed_at_step_seven():
        if run.step == 7:
            os.kill(os.getpid(), signal.SIGINT)
        step()

    monkeypatch.setattr(run.optimizer, "step", pressed_at_step_seven)
    with pytest.raises(KeyboardInterrupt):
        list(run)
    assert run.step == 8
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_loss_that_diverges_ends_the_run(small, tiny):
    run = Run(small("First"), replace(tiny, lr=1e30))
    with pytest.raises(UserError, match="try a lower --lr"):
        list(run)


@pytest.mark.parametrize(
    ("name", "message"),
    [("Mislabelled", "reach from 1 to 2"), ("Misshapen", r"\[\d+, 2\] .* with 1 answers each")],
)
def test_a_task_whose_labels_do_not_fit_is_refused_before_training(small, tiny, name, message):
    with pytest.raises(UserError, match=message):
        Run(small(name), tiny)


def test_a_device_that_is_not_there_is_named(small, tiny):
    with pytest.raises(UserError, match="can't use the device 'abacus' here"):
        Run(small("First"), tiny, device="abacus")


def test_a_negative_seed_is_refused(small, tiny):
    with pytest.raises(UserError, match="seed is -1"):
        Run(small("First"), tiny, seed=-1)
