"""The simplest concept that a node carries: found where it is there, and not where it is not."""

from __future__ import annotations

from dataclasses import replace

import torch
from tests.explanation.asked import INPUTS, a_compiled, asked, shuffled

from algoscope.explanation.subject import first_numbered


def test_what_a_head_fetches_is_found():
    here = asked(a_compiled("first-token"), "first letter")
    found = here.found()
    assert found.enough
    assert here.name(found) in ("the token at place 1", "the token 4 places back")


def test_what_an_mlp_computes_is_found():
    here = asked(a_compiled("count-a-modulo-3"), "count of a")
    found = here.found()
    assert found.enough
    assert here.name(found) == "how many a so far, modulo 3"


def test_two_facts_together_are_found():
    here = asked(a_compiled("sort"), "number and position")
    found = here.found()
    assert found.enough
    assert here.name(found) == "the token here, with the place"


def test_shuffled_concepts_carry_nothing():
    compiled = a_compiled("count-a-modulo-3")
    concepts = asked(compiled, "count of a").shop.lexicon.concepts
    here = asked(compiled, "count of a", only=[shuffled(each, seed) for seed, each in enumerate(concepts)])
    found = here.found()
    assert not found.passes
    assert found.carried < 0.3


def test_a_cheaper_concept_that_mostly_agrees_with_the_true_one_is_not_chosen():
    compiled = a_compiled("first-token")
    examples = compiled.task.sample(2 * INPUTS, seed=1)
    tokens = examples.tokens.clone()
    same = torch.rand(len(tokens), generator=torch.Generator().manual_seed(0)) < 0.96
    tokens[same, 5] = tokens[same, 1]
    assert 0.96 < (tokens[:, 5] == tokens[:, 1]).double().mean() < 0.98
    offered = {each.name: each for each in asked(compiled, "first letter").shop.lexicon.concepts}
    true = offered["the token at place 1"]
    decoy = replace(offered["the token here"], price=0)
    here = asked(compiled, "first letter", compiled.task.examples(tokens), [decoy, true])
    costs = {here.shop.lexicon.concept(each.factors).name: each.cost for each in here.subject.singles}
    assert costs[decoy.name] < costs[true.name]
    assert here.name(here.found()) == true.name
    assert (
        here.name(asked(compiled, "first letter", compiled.task.examples(tokens), [decoy]).found())
        == decoy.name
    )
    assert not asked(compiled, "first letter", compiled.task.examples(tokens), [decoy]).found().passes


def test_partitions_are_numbered_by_where_they_first_occur():
    assert first_numbered(torch.tensor([2, 2, 0, 1, 0])).tolist() == [0, 0, 1, 2, 1]
    assert torch.equal(first_numbered(torch.tensor([1, 0, 1])), first_numbered(torch.tensor([0, 1, 0])))
