from __future__ import annotations

import pytest
import torch

from algoscope.discovery.adversarial import among, search, token_changes
from algoscope.discovery.error_rates import ErrorRate, error_rates
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.palindromes import Palindromes


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
    found = search(
        untrained, task, task.sample(10, 0).tokens, token_changes([3, 4], 2), steps=4, neighbours=5
    )
    assert len(found) == len(found.tokens.unique(dim=0)) > 0
    assert torch.equal(found.labels, task.label(found.tokens))
    assert (untrained(found.tokens)[:, 0].argmax(-1) != found.labels).all()
    assert found.probability.diff().le(0).all()
    assert found.tried == 10 * (1 + 4 * 5)


def test_a_seed_decides_the_walk(untrained):
    task = Brackets()
    start, propose = task.sample(6, 0).tokens, token_changes([3, 4])
    one, same, other = (
        search(untrained, task, start, propose, steps=3, neighbours=4, seed=seed).tokens for seed in (1, 1, 2)
    )
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


@pytest.mark.parametrize("changes", [1, 3])
def test_a_proposal_changes_at_least_one_and_at_most_so_many_tokens_among_the_choices(changes):
    tokens = Brackets().sample(200, 0).tokens
    new = token_changes([3, 4], changes)(tokens, torch.Generator().manual_seed(0))
    different = (new != tokens).sum(1)
    assert (different <= changes).all()
    assert (different >= (1 if changes == 1 else 0)).all()
    assert torch.equal(torch.isin(new, torch.tensor([3, 4])), torch.isin(tokens, torch.tensor([3, 4])))


def test_numbers_are_changed_to_other_numbers():
    tokens = Palindromes().sample(50, 0).tokens
    new = token_changes(range(31))(tokens, torch.Generator().manual_seed(0))
    assert ((new != tokens).sum(1) == 1).all()
    assert (new[:, 0] == tokens[:, 0]).all()
    assert (new[:, 1:-1] < 31).all()


def test_nothing_to_change_to_is_an_error():
    with pytest.raises(UserError, match="at least two"):
        token_changes([3])


def test_the_public_models_tallest_pairs_are_found_among_themselves(reference):
    from algoscope import checkpoints

    model = checkpoints.read(reference / "arena/brackets_model_state_dict.pt", task="brackets").model
    task = Brackets()
    strings = ["(" * a + ")" * a + ")(" + "(" * (19 - a) + ")" * (19 - a) for a in range(20)]
    found = among(model, task, task.encode(strings))
    best = task.show(found.tokens[0]).plain
    assert best == f"[start] {strings[15]} [end]"
    assert found.probability[0].item() == pytest.approx(0.99986, abs=2e-5)


def test_rates_are_counted_by_kind(untrained):
    task = Brackets()
    rates = error_rates(untrained, task, 100, seed=3)
    examples = task.sample(100, seed=3)
    wrong = untrained(examples.tokens)[:, 0].argmax(-1) != examples.labels
    for name, mask in task.groups(examples).items():
        assert (rates[name].wrong, rates[name].count) == (int(wrong[mask].sum()), int(mask.sum()))


def test_no_error_among_a_thousand_still_allows_thousands_in_a_million():
    rate = ErrorRate(0, 1000)
    assert rate.per_million == 0
    # Exactly: the rate at which 1000 draws have no error one time in twenty is 1 - 0.05^(1/1000).
    assert rate.at_most == pytest.approx(1e6 * (1 - 0.05 ** (1 / 1000)), rel=0.12)
