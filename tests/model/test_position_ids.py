from __future__ import annotations

import pytest
import torch

from algoscope.errors import UserError


def test_position_ids_from_zero_change_nothing(model, tokens_for):
    tokens = tokens_for(model)
    ids = torch.arange(tokens.shape[1]).expand_as(tokens)
    assert torch.equal(model(tokens, position_ids=ids), model(tokens))


def test_each_input_reads_the_position_embeddings_that_its_ids_name(model, tokens_for):
    tokens = tokens_for(model)[:, :2]
    ids = torch.tensor([[0, 1], [1, 2], [2, 0]])
    _, cache = model.run_with_cache(tokens, ["hook_pos_embed"], position_ids=ids)
    assert torch.equal(cache["hook_pos_embed"], model.W_pos[ids])


def test_position_ids_reach_hooked_runs(model, tokens_for):
    tokens = tokens_for(model)[:, :2]
    ids = torch.tensor([[1, 2]]).expand(len(tokens), 2)
    hooked = model.run_with_hooks(tokens, [("hook_embed", lambda value, site: None)], position_ids=ids)
    assert torch.equal(hooked, model(tokens, position_ids=ids))


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (torch.zeros(1, 2, dtype=torch.long), r"position_ids are \[1, 2\] for tokens \[3, 2\]"),
        (torch.full((3, 2), 99), "position_ids reach from 99 to 99: the model has 0 to"),
        (torch.full((3, 2), -1), "position_ids reach from -1 to -1"),
    ],
)
def test_position_ids_that_do_not_fit_are_an_error(model, tokens_for, ids, message):
    with pytest.raises(UserError, match=message):
        model(tokens_for(model)[:, :2], position_ids=ids)
