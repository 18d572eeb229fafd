from __future__ import annotations

import pytest
import torch

from algoscope.analysis.accuracy import answer_logits
from algoscope.errors import UserError
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.run import run
from algoscope.interventions.sources import FromRun
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


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


@pytest.fixture(params=["causal", "bidirectional"])
def padded(request):
    config = Config(
        n_layers=2, d_model=8, n_heads=2, d_head=4, n_ctx=6, d_vocab=5, d_vocab_out=3, d_mlp=7, act_fn="relu",
        pad_token=0, attention_dir=request.param,
    )  # fmt: skip
    return Transformer(config, seed=1).requires_grad_(False)


LEFT = torch.tensor([[0, 0, 0, 1, 2, 3], [4, 3, 2, 1, 0, 0]])


def test_padding_on_the_left_without_position_ids_is_refused_wherever_a_model_runs(padded):
    answered = torch.zeros_like(LEFT, dtype=torch.bool)
    answered[:, -1] = True
    examples = Examples(LEFT, torch.zeros(2, dtype=torch.long), {}, answered)
    for runs in (
        lambda: padded(LEFT),
        lambda: padded(LEFT.to(torch.int8)),
        lambda: padded.run_with_cache(LEFT),
        lambda: padded.run_with_hooks(LEFT, []),
        lambda: answer_logits(padded, examples),
        lambda: run(padded, LEFT.flip(1).flip(0), Intervention("hook_embed", FromRun(LEFT))),
    ):
        with pytest.raises(UserError, match=r"1 of 2 inputs begin with padding \(token 0\).*position_ids"):
            runs()


def test_padding_on_the_left_with_position_ids_changes_nothing(padded):
    ids = torch.tensor([[0, 0, 0, 0, 1, 2]])
    torch.testing.assert_close(padded(LEFT[:1], position_ids=ids)[:, 3:], padded(LEFT[:1, 3:]))


def test_padding_on_the_left_means_its_places_if_position_ids_say_so(padded):
    ids = torch.arange(6)[None]
    elsewhere = padded(LEFT[:1, 3:], position_ids=ids[:, 3:])
    torch.testing.assert_close(padded(LEFT[:1], position_ids=ids)[:, 3:], elsewhere)


@pytest.mark.parametrize("tokens", [[1, 0, 2, 3], [1, 0, 0, 0], [0, 0, 0, 0]])
def test_padding_inside_at_the_end_or_alone_is_taken_as_it_is(padded, tokens):
    assert padded(torch.tensor([tokens])).isfinite().all()


def test_a_token_that_begins_inputs_is_no_padding_to_a_model_without(padded):
    config = Config.from_dict(padded.config.to_dict() | {"pad_token": None})
    assert Transformer(config, seed=1)(LEFT).isfinite().all()


def test_in_a_byte_an_id_beyond_it_pads_nothing():
    config = Config(
        n_layers=1, d_model=4, n_heads=1, d_head=4, n_ctx=3, d_vocab=301, d_vocab_out=2, pad_token=300,
        attention_dir="causal",
    )  # fmt: skip
    model, tokens = Transformer(config, seed=0), torch.tensor([[1, 44, 2]])
    assert torch.equal(model(tokens.to(torch.uint8)), model(tokens))
