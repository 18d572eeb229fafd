from __future__ import annotations

import pytest
import torch

from algoscope.discovery.adversarial import among, fooled, search, smallest_margin
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Examples


@pytest.fixture
def untrained() -> Transformer:
    sizes = {
        "n_layers": 1,
        "d_model": 8,
        "n_heads": 2,
        "d_head": 4,
        "n_ctx": 42,
        "d_vocab": 5,
        "d_vocab_out": 2,
    }
    config = Config.from_dict(sizes | {"attention_dir": "bidirectional", "pad_token": 1})
    return Transformer(config, seed=0).requires_grad_(False)


def test_every_hit_is_a_wrong_answer_to_a_different_input(untrained):
    task = Brackets()
    found = search(untrained, task, task.sample(10, 0), token_changes([3, 4], 2), steps=4, neighbours=5)
    assert len(found) == len(found.tokens.unique(dim=0)) > 0
    assert torch.equal(found.examples.labels, task.label(found.tokens))
    assert (untrained(found.tokens)[:, 0].argmax(-1) != found.examples.labels).all()
    assert found.probability.diff().le(0).all()
    assert found.tried == 10 * (1 + 4 * 5)


def test_a_seed_decides_the_walk(untrained):
    task = Brackets()
    start, propose = task.sample(6, 0), token_changes([3, 4])
    one, same, other = (
        search(untrained, task, start, propose, steps=3, neighbours=4, seed=seed).tokens for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_the_public_models_tallest_pairs_are_found_among_themselves(reference):
    from algoscope import checkpoints

    model = checkpoints.read(reference / "arena/brackets_model_state_dict.pt", task="brackets").model
    task = Brackets()
    strings = ["(" * a + ")" * a + ")(" + "(" * (19 - a) + ")" * (19 - a) for a in range(20)]
    found = among(model, task.examples(task.encode(strings)))
    best = task.show(found.tokens[0]).plain
    assert best == f"[start] {strings[15]} [end]"
    assert found.probability[0].item() == pytest.approx(0.99986, abs=2e-5)


def several(sets: bool) -> tuple[torch.Tensor, Examples]:
    """Two inputs with two answers each; the first has its second wrong, the other both right."""
    answered = torch.tensor([[True, True], [True, True]])
    logits = torch.tensor([[3.0, 0.0], [2.0, 1.0], [0.0, 4.0], [5.0, 0.5]])
    labels = torch.tensor([0, 1, 1, 0])
    if sets:
        logits = torch.tensor([[3.0, -2.0], [2.0, -1.0], [-1.0, 4.0], [5.0, -0.5]])
        labels = torch.tensor([[True, False], [True, True], [False, True], [True, False]])
    return logits, Examples(torch.tensor([[0, 1], [1, 1]]), labels, {}, answered)


@pytest.mark.parametrize(("sets", "margins"), [(False, [-1.0, 4.0]), (True, [-1.0, 0.5])])
def test_an_input_is_as_clear_as_its_least_clear_answer(sets, margins):
    logits, examples = several(sets)
    assert smallest_margin(logits, examples).tolist() == margins


@pytest.mark.parametrize("sets", [False, True])
def test_an_input_fools_if_one_of_its_answers_is_wrong(sets):
    found = fooled(*several(sets), tried=2)
    assert found.tokens.tolist() == [[0, 1]]
    # The wrong class's logit leads by 1; of the set, a class that belongs has a logit of -1.
    assert found.probability.tolist() == pytest.approx([0.7310586])
    assert found.tried == 2


def test_an_input_that_stands_twice_counts_once():
    examples = Examples(torch.tensor([[4], [4], [5]]), torch.tensor([0, 0, 0]), {}, torch.ones(3, 1).bool())
    found = fooled(torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]]), examples, tried=3)
    assert found.tokens.tolist() == [[5], [4]]


def test_walkers_keep_their_position_ids(untrained):
    task = Brackets()
    tokens = task.encode(["()", "(("])
    ids = torch.arange(42).flip(0).expand(2, 42)
    seen = []

    def propose(tokens, generator):
        return token_changes([3, 4])(tokens, generator)

    original = task.examples

    def examples(tokens, position_ids=None):
        seen.append(position_ids)
        return original(tokens, position_ids)

    task.examples = examples
    search(untrained, task, original(tokens, ids), propose, steps=2, neighbours=3)
    assert all(torch.equal(each[:1], ids[:1]) for each in seen)


def test_a_task_without_neighbours_cannot_be_searched(untrained):
    task = Brackets()
    with pytest.raises(UserError, match="define `neighbours`"):
        search(untrained, task, task.sample(3, 0), lambda tokens, generator: None, steps=1, neighbours=2)
