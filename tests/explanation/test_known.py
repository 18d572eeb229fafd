"""Each node of a known program gets its concept. All programs: benchmarks/explain_known.py."""

from __future__ import annotations

import pytest
import torch
from tests.explanation.asked import a_compiled
from tests.explanation.known import between, judged, lines

from algoscope.explanation.explain import explain
from algoscope.explanation.inputs import read_inputs, read_language
from algoscope.explanation.library.places import places
from algoscope.explanation.library.scope import read_scope
from algoscope.explanation.library.shares import shares
from algoscope.explanation.library.tokens import tokens
from algoscope.model.transformer import Transformer


@pytest.mark.parametrize("name", ["count-a-modulo-3", "all-the-same", "ascending", "first-token"])
def test_each_node_of_a_known_program_gets_its_concept(name: str):
    compiled = a_compiled(name)
    explanation = explain(compiled.model, compiled.task, compiled.task.sample(1500, seed=5))
    known = judged(compiled, explanation)
    assert known.nodes
    assert all(each.right for each in (*known.nodes, *known.idle)), "\n".join(lines(known))
    assert explanation.explained > 0.99


def test_a_concept_is_right_from_what_matters_to_what_is_computed():
    matters, computes = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 2, 2])
    assert between(matters, matters, computes)
    assert between(computes, matters, computes)
    assert not between(torch.tensor([0, 0, 0, 0]), matters, computes)
    assert not between(torch.tensor([0, 0, 1, 2]), matters, computes)
    assert not between(torch.tensor([0, 1, 1, 1]), matters, computes)


@pytest.mark.parametrize("seed", [0, 1])
def test_of_an_untrained_model_nothing_is_claimed_but_tokens_places_and_shares(seed: int):
    compiled = a_compiled("balanced")
    task = compiled.task
    examples = task.sample(1000, seed=5)
    model = Transformer(compiled.model.config, seed).requires_grad_(False)
    explanation = explain(model, task, examples)
    language = read_language(task, examples, causal=True)
    scope = read_scope(language, read_inputs(examples, language))
    simple = {concept.name for family in (tokens, places, shares) for concept in family(scope)}
    claimed = {factor.name for each in explanation.nodes if each.explained for factor in each.factors}
    assert claimed <= simple
