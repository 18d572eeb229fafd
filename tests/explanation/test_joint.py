"""The joint tests, on a program whose nodes' concepts are known, and against slow versions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algoscope.compiled.compiler import Compiled
from algoscope.explanation.concepts import Concept
from algoscope.explanation.flat import flat
from algoscope.explanation.inputs import Inputs
from algoscope.explanation.joint import Swaps, replay
from algoscope.explanation.places import Node, everywhere, positions
from algoscope.explanation.pool import Pool
from algoscope.explanation.program import heads, tables
from algoscope.explanation.rows import rows
from algoscope.explanation.trial import Bench, same_inputs
from algoscope.model.component import Component, heads_and_mlps


def known(compiled: Compiled, pool: Pool) -> dict[Node, Tensor]:
    """What the program says that each part carries, position by position; nothing where it has no node."""
    truth = {(node.component, node.position): compiled.computes(node) for node in compiled.graph.nodes}
    codes = {}
    for component in heads_and_mlps(compiled.model.config):
        for position in range(pool.inputs.tokens.shape[1]):
            node = Node(component, positions([position]))
            where = node.place.of(pool.inputs)
            if not where.any():
                continue
            partition = truth.get((component, position))
            codes[node] = (
                torch.zeros(int(where.sum()), dtype=torch.long)
                if partition is None
                else partition(pool.inputs.tokens)[where[:, position]].long()
            )
    return codes


def said(node: Node, code: Tensor) -> Concept:
    """These numbers as a concept, on the inputs that they belong to."""

    def of(inputs: Inputs) -> Tensor:
        return torch.zeros_like(inputs.tokens).masked_scatter(node.place.of(inputs), code)

    return Concept(str(node), of)


def kept(pool: Pool, logits: Tensor) -> float:
    return float(same_inputs(logits, pool.logits, pool.examples).double().mean())


def test_the_true_concepts_keep_every_answer_in_all_four_tests(histogram, histogram_pool) -> None:
    codes = known(histogram, histogram_pool)
    swaps = Swaps.drawn(histogram_pool, codes, seed=1)
    for replaced in (swaps.flat, swaps.recursive):
        assert kept(histogram_pool, replay(histogram_pool, replaced)) == 1
    carried = {node: (said(node, code),) for node, code in codes.items()}
    for made in (tables(histogram_pool, carried), heads(histogram_pool, carried)):
        assert made is not None
        assert kept(histogram_pool, made(histogram_pool.examples)) == 1


def test_without_concepts_hardly_an_answer_is_kept(histogram, histogram_pool) -> None:
    nothing = {node: torch.zeros_like(code) for node, code in known(histogram, histogram_pool).items()}
    swaps = Swaps.drawn(histogram_pool, nothing, seed=1)
    assert kept(histogram_pool, replay(histogram_pool, swaps.flat)) < 0.3
    assert kept(histogram_pool, replay(histogram_pool, swaps.recursive)) < 0.3


def test_a_wrong_concept_early_shows_in_the_recursive_test_alone(histogram, histogram_pool) -> None:
    codes = known(histogram, histogram_pool)
    early = {
        node: torch.zeros_like(code) if node.component.head is not None else code
        for node, code in codes.items()
    }
    swaps = Swaps.drawn(histogram_pool, early, seed=1)
    assert kept(histogram_pool, replay(histogram_pool, swaps.flat)) == 1
    assert kept(histogram_pool, replay(histogram_pool, swaps.recursive)) < 0.5


def test_a_node_that_is_left_alone_keeps_what_it_computes(histogram, histogram_pool) -> None:
    codes = known(histogram, histogram_pool)
    wrong = next(node for node, code in codes.items() if node.component.head is not None and code.any())
    swaps = Swaps.drawn(histogram_pool, {**codes, wrong: torch.zeros_like(codes[wrong])}, seed=1)
    assert kept(histogram_pool, replay(histogram_pool, swaps.recursive)) < 1
    assert kept(histogram_pool, replay(histogram_pool, swaps.leaving(wrong).recursive)) == 1


def test_the_flat_sum_is_the_flat_run(untrained_pool) -> None:
    pool = untrained_pool
    bench = Bench.of(pool, len(pool.examples))
    nodes = [Node(each, everywhere(0)) for each in heads_and_mlps(pool.model.config)]
    own = {node: rows(pool, node.place, len(bench)) for node in nodes}
    now = flat(bench, own)
    assert now.change().kl < 1e-6
    codes = {node: torch.zeros_like(each.identity) for node, each in own.items()}
    for node, each in own.items():
        now = now.with_node(node, now.swapped(node, each, codes[node], seed=2))
    # The draws differ, not what they are drawn from.
    whole = bench.change(replay(pool, Swaps.drawn(pool, codes, seed=2).flat))
    assert now.change().kl == pytest.approx(whole.kl, rel=0.5, abs=0.02)


def test_a_component_that_no_node_covers_is_left_as_it_is(untrained_pool) -> None:
    pool = untrained_pool
    nothing = Swaps.drawn(pool, {}, seed=0)
    assert kept(pool, replay(pool, nothing.recursive)) == 1
    assert Component.parse("0.0") not in nothing.sources
