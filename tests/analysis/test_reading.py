from __future__ import annotations

import pytest
import torch

from algoscope.analysis.accuracy import answer_logits
from algoscope.analysis.attention import attention_patterns
from algoscope.analysis.batching import batches
from algoscope.analysis.reading import values_at
from algoscope.errors import UserError
from algoscope.model.head import Head


@pytest.mark.parametrize("site", ["hook_resid_pre", "attn.hook_z", "hook_resid_post"])
@pytest.mark.parametrize("position", [None, 0, 3])
def test_a_value_read_is_the_one_in_the_models_cache(small, strings, site, position):
    _, cache = small.run_with_cache(strings.tokens)
    golden = cache[f"blocks.1.{site}"] if position is None else cache[f"blocks.1.{site}"][:, position]
    torch.testing.assert_close(
        values_at(small, strings, f"blocks.1.{site}", position), golden, atol=1e-5, rtol=1e-5
    )


def test_a_patterns_position_is_the_querys(small, strings):
    _, cache = small.run_with_cache(strings.tokens)
    found = values_at(small, strings, "blocks.0.attn.hook_pattern")
    torch.testing.assert_close(found, cache["blocks.0.attn.hook_pattern"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(
        attention_patterns(small, strings, Head(1, 0)), cache["blocks.1.attn.hook_pattern"][:, 0]
    )


def test_a_site_that_is_not_there_is_an_error(small, strings):
    with pytest.raises(UserError, match="did you mean"):
        values_at(small, strings, "blocks.0.hook_resid_pr")


def test_every_marked_place_is_in_one_batch_and_knows_its_row(padded_model, strings):
    mask = strings.tokens == 3
    found = torch.full((int(mask.sum()), 2), -1)
    for batch in batches(padded_model, strings, mask):
        example, position = batch.at.nonzero().T
        found[batch.rows] = torch.stack([batch.examples[example], position], 1)
        assert torch.equal(batch.tokens, strings.tokens[batch.examples, : batch.tokens.shape[1]])
        assert batch.tokens[batch.at].eq(3).all()
    assert torch.equal(found, mask.nonzero())


def test_values_at_marked_places_are_those_of_the_whole_in_order(small, strings):
    mask = strings.tokens == 4
    for site in ("hook_resid_pre", "attn.hook_q", "attn.hook_z", "hook_resid_post"):
        whole = values_at(small, strings, f"blocks.1.{site}")
        torch.testing.assert_close(
            values_at(small, strings, f"blocks.1.{site}", mask), whole[mask], atol=1e-5, rtol=1e-5
        )


def test_no_examples_give_no_logits(small, strings):
    assert answer_logits(small, strings[:0]).shape == (0, 2)
