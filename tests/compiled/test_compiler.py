from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
import torch

import algoscope.compiled
from algoscope.compiled.compiler import compile
from algoscope.compiled.language import aggregate, everything, tokens
from algoscope.compiled.noise import Noise
from algoscope.compiled.program import program
from algoscope.errors import UserError
from algoscope.model.component import Kind

MODULES = [each.name for each in pkgutil.walk_packages(algoscope.compiled.__path__, "algoscope.compiled.")]


NODES = (
    ("balanced", None),
    ("induction", None),
    ("majority", None),
    ("most-frequent", None),
    ("balanced", Noise()),
    ("majority", Noise()),
)


@pytest.mark.parametrize(("name", "noise"), NODES, ids=lambda value: value if isinstance(value, str) else "")
def test_values_that_matter_alike_and_no_others_may_be_swapped(name, noise, compiled):
    """A node's output on another input leaves the logits as they are if the two agree on what matters."""
    each = compiled(name, noise)
    examples = each.task.sample(120, seed=1)
    inputs = examples.tokens
    generator = torch.Generator().manual_seed(0)
    sites = {node.component.site for node in computing(each)}
    clean, cache = each.model.run_with_cache(inputs, sorted(sites))

    def moved(node, other):
        """How far logits of each input's answers move with the node's output on the other input."""
        head = node.component.index if node.component.head else slice(None)

        def swap(value, _):
            value[:, node.position, head] = cache[node.component.site][other][:, node.position, head]

        logits = each.model.run_with_hooks(inputs, [(node.component.site, swap)])
        return torch.where(examples.answered[..., None], logits - clean, 0).abs().amax((1, 2))

    # Every third node is enough: there are up to 44.
    for node in computing(each)[::3]:
        classes = each.matters(node)(inputs)
        order = classes.argsort(stable=True)
        alike = torch.empty_like(order)
        alike[order] = order.roll(1)
        agree = (classes == classes[alike]) & (classes >= 0)
        assert moved(node, alike)[agree].max() < (0.01 if noise is None else 2)
        there = (classes >= 0).nonzero()[:, 0]
        differ = torch.arange(len(inputs))
        differ[there] = there[torch.randperm(len(there), generator=generator)]
        if len(classes[there].unique()) > 1:
            assert moved(node, differ)[classes != classes[differ]].max() > 2


def computing(each):
    return [node for node in each.graph.nodes if node.component.kind in (Kind.HEAD, Kind.MLP)]


def test_what_matters_may_be_less_than_what_is_computed(compiled):
    """A majority of six needs no more of the a than which of 0 to 3 there are, or more."""
    each = compiled("majority")
    node = next(node for node in each.graph.nodes if node.variables[0].name == "share of a")
    inputs = each.task.encode(["cccccc", "aaaacc", "aaaaac", "aaaaaa", "aaaccc"])
    assert len(each.computes(node)(inputs).unique()) == 5
    assert len(each.matters(node)(inputs).unique()) == 3


def test_a_node_behind_the_end_of_an_input_is_in_no_class(compiled):
    each = compiled("reverse-any-length")
    inputs = each.task.encode(["abc", "abca"])
    nodes = [node for node in each.graph.nodes if node.position == 4]
    assert nodes
    for node in nodes:
        assert (each.computes(node)(inputs) < 0).tolist() == [True, False]
        assert (each.matters(node)(inputs) < 0).tolist() == [True, False]


def test_a_program_that_copies_from_places_that_differ_is_refused():
    @program("ab", length=4)
    def ambiguous():
        return aggregate(everything, tokens)

    for noise in (None, Noise()):
        with pytest.raises(UserError, match="aggregate finds 'a' and 'b'"):
            compile(ambiguous, noise)


def test_values_are_classes_and_none_at_padding(compiled):
    each = compiled("balanced")
    values = {str(key): value for key, value in each.values(each.task.encode(["(())", "())"])).items()}
    below = values["(mean step < 0) (MLP 0)"]
    assert below[0, 1:].tolist() == [0, 0, 0, 0, -1, -1, -1, -1]
    assert below[1, 1:].tolist() == [0, 0, 1, -1, -1, -1, -1, -1]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    assert doctest.testmod(importlib.import_module(name)).failed == 0
