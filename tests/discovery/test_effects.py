from __future__ import annotations

import math

import pytest
import torch

from algoscope.discovery.effects import LIMIT, Effect, Interval, Verdict, drawn, effects, intervals
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Zero
from algoscope.tasks.task import Examples


def some(answered: list[list[bool]], labels: list[int]) -> Examples:
    mask = torch.tensor(answered)
    return Examples(torch.zeros_like(mask, dtype=torch.long), torch.tensor(labels), {}, mask)


def effect(mean: float, low: float, high: float) -> Effect:
    return Effect(Interval(mean, low, high), Interval(1, 1, 1), (mean,))


@pytest.mark.parametrize(
    ("mean", "low", "high", "verdict"),
    [
        (LIMIT, 0.001, 0.1, Verdict.NEEDED),
        (LIMIT, 0.0, 0.1, Verdict.UNDECIDED),
        (0.049, 0.03, 0.06, Verdict.UNDECIDED),
        (0.049, 0.03, LIMIT, Verdict.UNDECIDED),
        (0.01, 0.0, 0.049, Verdict.UNNEEDED),
        (-3.0, -4.0, -2.0, Verdict.UNNEEDED),
    ],
)
def test_needed_is_a_rise_of_the_limit_that_is_surely_one_and_unneeded_is_surely_less(
    mean, low, high, verdict
):
    found = effect(mean, low, high)
    assert (found.verdict, found.needed, found.unneeded) == (
        verdict,
        verdict is Verdict.NEEDED,
        verdict is Verdict.UNNEEDED,
    )


def test_with_one_answer_to_each_input_the_interval_is_the_usual_one_of_a_mean():
    values = torch.tensor([[0.0, 1.0, 5.0, 2.0]], dtype=torch.float64)
    (found,) = intervals(values, some([[True]] * 4, [0] * 4))
    reach = 1.96 * values[0].std().item() / math.sqrt(4)
    assert (found.mean, found.low, found.high) == pytest.approx((2, 2 - reach, 2 + reach))


def test_an_input_that_is_counted_twice_is_no_more_certain():
    once = some([[True, False]] * 3, [0] * 3)
    twice = some([[True, True]] * 3, [0] * 6)
    values = torch.tensor([[1.0, 4.0, 2.0]], dtype=torch.float64)
    assert intervals(values.repeat_interleave(2, 1), twice) == intervals(values, once)


def test_inputs_weigh_by_their_answers():
    examples = some([[True, True], [True, False], [False, False]], [0] * 3)
    (found,) = intervals(torch.tensor([[1.0, 3.0, 8.0]], dtype=torch.float64), examples)
    # The mean is 4; the first input is 4 below it in all, the second 4 above; the third asks for nothing.
    reach = 1.96 * math.sqrt((16 + 16) * 2) / 3
    assert (found.mean, found.low, found.high) == pytest.approx((4, 4 - reach, 4 + reach))


def test_a_single_input_leaves_everything_open():
    (found,) = intervals(torch.tensor([[1.0, 3.0]]).double(), some([[True, True]], [0, 0]))
    assert (found.mean, found.low, found.high) == (2, -math.inf, math.inf)


def test_an_effect_is_what_a_run_with_hooks_loses_row_by_row(model, tokens_for):
    tokens = tokens_for(model, batch=9)
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[:, 0] = True
    answered[::2, 1] = True
    classes = model.config.d_vocab_out
    examples = Examples(tokens, torch.arange(int(answered.sum())) % classes, {}, answered)

    def silenced(value, site):
        value[:, :, 0] = 0

    logits = [model(tokens), model.run_with_hooks(tokens, [("blocks.0.attn.hook_z", silenced)])]
    rises, rights, first = [], [], []
    for row, label in enumerate(examples.labels.tolist()):
        at = int(examples.row_example[row]), int(examples.row_position[row])
        losses = [-each[at].log_softmax(-1)[label].item() / math.log(classes) for each in logits]
        rises.append(losses[1] - losses[0])
        rights.append(logits[1][at].argmax().item() == label)
        first.append(at[1] == 0)
    (found,) = effects(model, examples, [Intervention("blocks.0.attn.hook_z", Zero(), head=0)])
    assert found.rise.mean == pytest.approx(sum(rises) / len(rises), abs=1e-9)
    assert found.right.mean == pytest.approx(sum(rights) / len(rights))
    assert 0 <= found.right.low <= found.right.high <= 1
    by_first = [rise for rise, is_first in zip(rises, first, strict=True) if is_first]
    by_second = [rise for rise, is_first in zip(rises, first, strict=True) if not is_first]
    assert found.by_number == pytest.approx(
        (sum(by_first) / len(by_first), sum(by_second) / len(by_second)), abs=1e-9
    )


def test_changes_are_the_same_however_many_are_held_at_a_time(model, tokens_for, monkeypatch):
    tokens = tokens_for(model)
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[:, 0] = True
    examples = Examples(tokens, torch.zeros(len(tokens), dtype=torch.long), {}, answered)
    changes = [Intervention("blocks.0.attn.hook_z", Zero(), position=at) for at in range(tokens.shape[1])]
    at_once = effects(model, examples, changes)
    monkeypatch.setattr("algoscope.discovery.effects.HELD", 1)
    assert [each.rise.mean for each in effects(model, examples, changes)] == pytest.approx(
        [each.rise.mean for each in at_once], abs=1e-9
    )


def test_fewer_examples_are_drawn_from_everywhere_and_keep_their_order():
    examples = some([[True]] * 100, list(range(100)))
    found = drawn(examples, 20, seed=0).labels.tolist()
    assert len(set(found)) == 20
    assert found == sorted(found)
    assert found[-1] > 50
    assert found != drawn(examples, 20, seed=1).labels.tolist()
    assert drawn(examples, 100, seed=0) is examples
