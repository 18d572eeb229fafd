"""The true graph is put to the test: with nothing but what its wires carry a model still answers."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algoscope.compiled.compiler import Compiled
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component, heads_and_mlps
from algoscope.model.head import Head

Outputs = dict[Component, Tensor]
"""What each component writes, a head without the bias that is no one head's: [batch seq d_model]."""


VOTING = [name for name in PROGRAMS if name.endswith("-by-vote")]


def on_wires(compiled: Compiled, tokens: Tensor, elsewhere: Outputs, cut=None, wires=None) -> Tensor:
    """Logits of a run in which every input gets what was sent along these wires, by default all, and for the
    rest what was sent `elsewhere`. `cut` is an edge (sender, receiver, input) whose wires are taken away."""
    model, sent, shared = compiled.model, {}, torch.zeros(compiled.model.config.d_model)
    wired = {}
    for wire in wires or compiled.graph.wires:
        edge = wire.sender, wire.receiver, wire.input
        if edge != cut:
            wired.setdefault(edge, torch.zeros(tokens.shape[1], 1))[list(wire.positions)] = 1

    def read(receiver: Component, letter: str) -> Tensor:
        total = shared.clone()
        for sender, written in sent.items():
            here = wired.get((sender, receiver, letter), torch.zeros(1, 1))
            total = total + here * written + (1 - here) * elsewhere[sender]
        return total

    sent[TOKEN] = model.W_E[tokens]
    sent[POSITION] = model.W_pos[: tokens.shape[1]].expand(len(tokens), -1, -1)
    bias = model.attention_bias(tokens)
    for layer in range(model.config.n_layers):
        attention, mlp = model.block(layer).attn, model.block(layer).mlp
        written = {}
        for index in range(model.config.n_heads):
            head = Component.of(Head(layer, index))
            q = read(head, "q") @ attention.W_Q[index] + attention.b_Q[index]
            k = read(head, "k") @ attention.W_K[index] + attention.b_K[index]
            v = read(head, "v") @ attention.W_V[index] + attention.b_V[index]
            scores = q @ k.mT / attention.d_head**0.5
            pattern = (scores if bias is None else scores + bias[:, 0]).softmax(-1)
            written[head] = pattern @ v @ attention.W_O[index]
        sent |= written
        shared = shared + attention.b_O
        if mlp is not None:
            inside = read(Component.mlp(layer), "in") @ mlp.W_in + mlp.b_in
            sent[Component.mlp(layer)] = inside.relu() @ mlp.W_out + mlp.b_out
    return read(ANSWER, "in") @ model.W_U + model.b_U


def outputs(compiled: Compiled, tokens: Tensor) -> Outputs:
    """What each component writes in an ordinary run."""
    model = compiled.model
    _, cache = model.run_with_cache(tokens)
    found = {TOKEN: cache[TOKEN.site], POSITION: cache[POSITION.site].expand(len(tokens), -1, -1)}
    for part in heads_and_mlps(model.config):
        found[part] = cache[part.site]
        if part.head is not None:
            found[part] = found[part][:, :, part.index] @ model.W_O[part.layer, part.index]
    return found


def others(compiled: Compiled, tokens: Tensor, seed: int) -> Tensor:
    """For each input another one, as long."""
    order = torch.randperm(len(tokens), generator=torch.Generator().manual_seed(seed))
    lengths = (tokens < len(compiled.program.alphabet)).sum(1)
    found = torch.empty_like(tokens)
    for length in lengths.unique():
        found[lengths == length] = tokens[order[lengths[order] == length]]
    return found


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("noise", [None, Noise()], ids=["plain", "hidden"])
def test_what_the_wires_carry_is_enough_to_answer(name, noise, compiled):
    each = compiled(name, noise)
    examples = each.task.sample(60, seed=0)
    swapped = outputs(each, others(each, examples.tokens, seed=1))
    silent = {part: torch.zeros_like(value) for part, value in swapped.items()}
    for elsewhere in (swapped, silent) if noise is None else (swapped,):
        logits = on_wires(each, examples.tokens, elsewhere)
        assert torch.equal(examples.at_answers(logits).argmax(-1), examples.labels)


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_edge_that_varies_is_needed_by_its_way(name, compiled):
    each = compiled(name)
    examples = each.task.sample(100, seed=0)
    # Of any length: how long inputs are is all that some edges carry.
    swapped = outputs(each, examples.tokens.flip(0))
    clean = each.model(examples.tokens)
    for way in each.graph.ways:
        for edge in {(wire.sender, wire.receiver, wire.input) for wire in way if wire.varies}:
            change = examples.at_answers(on_wires(each, examples.tokens, swapped, edge, way) - clean)
            assert change.abs().max() > 1, edge


@pytest.mark.parametrize("name", VOTING)
@pytest.mark.parametrize("noise", [None, Noise()], ids=["plain", "hidden"])
def test_each_way_is_enough_to_answer(name, noise, compiled):
    each = compiled(name, noise)
    examples = each.task.sample(60, seed=0)
    swapped = outputs(each, others(each, examples.tokens, seed=1))
    for way in each.graph.ways:
        logits = on_wires(each, examples.tokens, swapped, wires=way)
        assert torch.equal(examples.at_answers(logits).argmax(-1), examples.labels)


def test_there_is_one_way_but_where_heads_vote(compiled):
    for name in PROGRAMS:
        graph = compiled(name).graph
        if name not in VOTING:
            assert graph.ways == (graph.wires,)
    # Two of three, and that twice over.
    assert [len(compiled(name).graph.ways) for name in VOTING] == [3, 9, 3, 3, 3, 3]


def test_a_way_lacks_one_of_three_heads_and_what_only_that_one_reads(compiled):
    graph = compiled("previous-token-by-vote").graph
    lacking = [set(map(str, graph.wires)) - set(map(str, way)) for way in graph.ways]
    for index, missing in zip((2, 1, 0), lacking, strict=True):
        assert len(missing) == 5
        assert f"previous letter ({index + 1}): 0.{index} to MLP 0 at 1, 2, 3, 4" in missing
        assert all(f"0.{index}" in each for each in missing)


def test_the_wires_of_a_histogram(compiled):
    """Letters are keys and queries, <bos> is counted beside them, and the MLP makes a count of its share."""
    assert [str(wire) for wire in compiled("histogram").graph.wires] == [
        "tokens: token embedding to the keys of 0.0 at 0, 1, 2, 3, 4, 5",
        "tokens: token embedding to the queries of 0.0 at 1, 2, 3, 4, 5",
        "tokens: token embedding to the values of 0.0 at 0",
        "share of <bos>: 0.0 to MLP 0 at 1, 2, 3, 4, 5",
        "count: MLP 0 to answer at 1, 2, 3, 4, 5",
    ]


def test_what_no_input_changes_does_not_vary(compiled):
    wires = compiled("previous-token").graph.wires
    assert {(str(wire.sender), wire.input): wire.varies for wire in wires if wire.receiver != ANSWER} == {
        ("position embedding", "q"): False,
        ("position embedding", "k"): False,
        ("token embedding", "k"): False,
        ("token embedding", "v"): True,
    }


def test_nodes_are_where_something_is_read(compiled):
    nodes = compiled("all-the-same").graph.nodes
    at = {}
    for node in nodes:
        at.setdefault(str(node.component), []).append(node.position)
    assert at["0.0"] == at["MLP 0"] == [1, 2, 3, 4, 5, 6]
    assert at["1.0"] == at["MLP 1"] == [6]
