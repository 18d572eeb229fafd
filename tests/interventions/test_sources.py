"""A source says what it needs, so a new one is a class of its own, and gets it at the right positions."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from algoscope.errors import UserError
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.needs import Need
from algoscope.interventions.run import run
from algoscope.interventions.sources import FromRun, Mean, Resample, Source, Zero
from algoscope.interventions.sweep import sweep
from algoscope.tasks.task import Examples

SITE = "blocks.0.hook_resid_post"


def places(tokens):
    """0, 1, 2 ... in every input, said aloud: reversed inputs begin with their padding."""
    return torch.arange(tokens.shape[1]).expand_as(tokens)


@dataclass(frozen=True, eq=False)
class HalfOfTheReverse(Source):
    """Half of the value on the same input with its tokens in reverse order."""

    label = "half of the reverse"

    def need(self, batch, config):
        return Need(type(batch)(batch.tokens.flip(1), places(batch.tokens)))

    def values(self, site, rows, batch, read):
        return read / 2


class FourthPower(Source):
    """The sum of fourth powers over all inputs: one that is not even a dataclass, and knows a number."""

    label = "fourth power"

    def __init__(self, factor):
        object.__setattr__(self, "factor", factor)

    def need(self, batch, config):
        return Need(batch, lambda value, rows, site: self.factor * value.pow(4).sum(0, keepdim=True))


class Neighbour(Source):
    """The value of the next input of the batch, the last one's is the first's."""

    label = "neighbour"

    def need(self, batch, config):
        partners = torch.arange(len(batch)).roll(-1)
        return Need(batch[partners], partners=partners)


@pytest.fixture
def tokens(padded_model, tokens_for):
    return tokens_for(padded_model)


def value(model, tokens, ids=None):
    return model.run_with_cache(tokens, [SITE], position_ids=ids)[1][SITE]


def put(model, tokens, source, ids=None):
    """The site as a run leaves it; a sweep, beside another source, must give the same logits."""
    found = run(model, tokens, Intervention(SITE, source), sites=[SITE], position_ids=ids)
    mask = torch.ones_like(tokens, dtype=torch.bool)
    examples = Examples(tokens, torch.zeros(tokens.numel(), dtype=torch.long), {}, mask, ids)
    swept = sweep(model, examples, [Intervention(SITE, Zero()), Intervention(SITE, source)])
    assert torch.allclose(swept.values[1], found.logits.flatten(0, 1))
    return found.cache[SITE]


def test_a_source_of_another_file_gets_what_it_needs(padded_model, tokens):
    there = value(padded_model, tokens.flip(1), places(tokens))
    assert torch.allclose(put(padded_model, tokens, HalfOfTheReverse()), there / 2)
    fourth = value(padded_model, tokens).pow(4).sum(0)
    for factor in (0.5, 2.0):
        found = put(padded_model, tokens, FourthPower(factor))
        assert torch.allclose(found, (factor * fourth).expand(3, -1, -1))
    assert torch.allclose(put(padded_model, tokens, Neighbour()), value(padded_model, tokens)[[1, 2, 0]])


def test_two_of_a_kind_that_differ_do_not_share_values(padded_model, tokens):
    examples = Examples(tokens, torch.zeros(3, dtype=torch.long), {}, torch.arange(5).expand(3, 5) == 0)
    family = [Intervention(SITE, FourthPower(factor)) for factor in (0.5, 2.0)]
    found = sweep(padded_model, examples, family)
    assert not torch.allclose(found.values[0], found.values[1])


def test_what_is_out_of_step_with_the_batch_is_refused(padded_model, tokens):
    class Two(Source):
        label = "two"

        def need(self, batch, config):
            return Need(batch[:2])

    with pytest.raises(UserError, match="patch from 2 examples into 3"):
        run(padded_model, tokens, Intervention(SITE, Two()))


@pytest.fixture
def ids():
    return torch.tensor([[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [2, 3, 4, 0, 1]])


def test_other_inputs_start_at_0_unless_they_have_positions_of_their_own(padded_model, tokens, ids):
    other, own = tokens.flip(0), ids.roll(1, 0)
    for given in (None, own):
        there = value(padded_model, other, given)
        assert torch.allclose(put(padded_model, tokens, FromRun(other, given), ids), there)
        mean = there.mean(0).expand(3, -1, -1)
        source = Mean(over=other, position_ids=given)
        assert torch.allclose(put(padded_model, tokens, source, ids), mean)
    assert not torch.allclose(value(padded_model, other), value(padded_model, other, own))


def test_the_batchs_own_values_are_those_at_its_positions(padded_model, tokens, ids):
    here = value(padded_model, tokens, ids)
    assert torch.allclose(put(padded_model, tokens, Mean(), ids), here.mean(0).expand(3, -1, -1))
    partners = (2, 0, 1)
    assert torch.allclose(put(padded_model, tokens, Resample(pairing=partners), ids), here[list(partners)])


def test_positions_without_the_inputs_that_they_belong_to_are_refused(ids):
    with pytest.raises(UserError, match="belong to a reference set"):
        Mean(position_ids=ids)


def test_positions_that_do_not_exist_are_refused(padded_model, tokens, ids):
    for wrong in (FromRun(tokens, ids + 1), Mean(over=tokens, position_ids=ids + 1)):
        with pytest.raises(UserError, match="position_ids reach from 1 to 5"):
            run(padded_model, tokens, Intervention(SITE, wrong))
