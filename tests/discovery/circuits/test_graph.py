from __future__ import annotations

import pytest

from algoscope.discovery.circuits.graph import Edge, Graph, useful
from algoscope.errors import UserError
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component
from algoscope.model.config import Config

from .conftest import random_model

HEAD, LATER, MLP = (Component.parse(name) for name in ("0.0", "1.1", "MLP 0"))


def graph(**changes) -> Graph:
    return Graph(random_model(0, **changes).config)


def test_a_sender_reaches_whatever_reads_after_it_has_written():
    for found in (graph(), graph(d_mlp=None, act_fn=None)):
        expected = {
            (str(sender), str(receiver), letter)
            for sender in found.senders
            for receiver in (*found.senders[2:], ANSWER)
            for letter in ("qkv" if receiver.head else ["in"])
            if sender < receiver and not (receiver.head and sender.head and sender.layer == receiver.layer)
        }
        assert {(str(e.sender), str(e.receiver), e.input) for e in found.edges} == expected
        assert len(set(found.edges)) == len(found.edges)


def test_the_edges_into_an_input_stand_together_in_the_order_of_their_senders():
    found = graph()
    for (receiver, letter), place in found.inputs.items():
        edges = found.edges[place]
        assert [edge.sender for edge in edges] == list(found.senders[: len(edges)])
        assert {(edge.receiver, edge.input) for edge in edges} == {(receiver, letter)}


def test_masks_and_edges_are_the_same_thing():
    found = graph()
    some = (Edge(TOKEN, HEAD, "v"), Edge(HEAD, ANSWER))
    assert found.of(found.mask(some)) == some
    with pytest.raises(UserError, match=r"no edge 0.0 to the keys of 0.0"):
        found.mask([Edge(HEAD, HEAD, "k")])


def test_only_what_gets_from_an_embedding_to_the_answer_is_useful():
    path = [Edge(TOKEN, HEAD, "v"), Edge(POSITION, HEAD, "k"), Edge(HEAD, ANSWER)]
    unheard = [Edge(HEAD, MLP)]
    unfed = [Edge(LATER, ANSWER), Edge(HEAD, LATER, "q")]
    assert useful(path + unheard + unfed) == frozenset(path)
    assert useful(unheard + unfed) == frozenset()


def test_a_bigger_model_has_the_edges_that_counting_gives():
    config = Config(
        n_layers=2, d_model=4, n_heads=3, d_head=2, n_ctx=3, d_vocab=3, d_vocab_out=2,
        attention_dir="causal", d_mlp=2, act_fn="relu",
    )  # fmt: skip
    # Layer 0: 3 heads x 3 inputs x 2 senders, MLP 5; layer 1: 9 x 6, MLP 9; answer 10.
    assert len(Graph(config).edges) == 18 + 5 + 54 + 9 + 10
