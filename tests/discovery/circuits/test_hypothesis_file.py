from __future__ import annotations

import json

import pytest

from algoscope.discovery.circuits.graph import Edge, Graph
from algoscope.discovery.circuits.hypothesis_file import read_hypothesis
from algoscope.errors import UserError
from algoscope.model.component import ANSWER, TOKEN, Component
from algoscope.model.config import Config

HEAD, MLP = Component.parse("1.1"), Component.mlp(1)
INTO = {"from": "token embedding", "to": "1.1", "input": "v"}
OUT = {"from": "1.1", "to": "answer"}


@pytest.fixture(scope="module")
def graph():
    return Graph(
        Config(
            n_layers=2, n_heads=2, d_model=8, d_head=4, n_ctx=5, d_vocab=4, d_vocab_out=2, d_mlp=8,
            act_fn="relu", attention_dir="causal",
        )
    )  # fmt: skip


@pytest.fixture
def read(tmp_path, graph):
    def read(text):
        (tmp_path / "stated.json").write_text(text if isinstance(text, str) else json.dumps(text))
        return read_hypothesis(tmp_path / "stated.json", graph, ("depth", "length"))

    return read


def test_edges_and_concepts_are_read(read):
    found = read({"edges": [INTO, OUT], "concepts": {"1.1": "depth"}})
    assert found.edges == {Edge(TOKEN, HEAD, "v"), Edge(HEAD, ANSWER)}
    assert found.concepts == {HEAD: "depth"}


def test_edges_of_a_found_circuit_will_do_and_concepts_may_be_left_out(read):
    given = {"from": "1.0", "to": "MLP 1", "input": "in", "position": None, "effect": 0.25}
    assert read({"edges": [given]}).edges == {Edge(Component.parse("1.0"), MLP)}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ([], 'an object with "edges"'),
        ({"edges": {}}, 'an object with "edges"'),
        ({"edges": []}, "at least one edge"),
        ({"edges": [OUT], "concept": {}}, 'the hypothesis has "concept"'),
        ({"edges": [OUT, "1.1"]}, 'edge 2 is "1.1": give an object'),
        ({"edges": [OUT | {"weight": 1}]}, 'edge 1 has "weight"'),
        ({"edges": [OUT | {"from": "1.2"}]}, 'edge 1, "from" is "1.2": the model has token embedding'),
        ({"edges": [OUT | {"from": 1.1}]}, 'edge 1, "from" is 1.1'),
        ({"edges": [{"to": "answer"}]}, 'edge 1, "from" is null'),
        ({"edges": [OUT | {"from": ["1.1"]}]}, r'edge 1, "from" is \["1.1"\]'),
        ({"edges": [INTO | {"input": "in"}]}, 'edge 1, "input" is "in": for 1.1 give q, k or v'),
        ({"edges": [OUT | {"input": "q"}]}, 'edge 1, "input" is "q": for answer give in'),
        ({"edges": [OUT | {"input": ["q"]}]}, '"input" is'),
        ({"edges": [OUT | {"position": "3"}]}, "edge 1 has a position"),
        ({"edges": [INTO | {"from": "1.0"}]}, "no edge 1.0 to the values of 1.1, since 1.1 does"),
        ({"edges": [INTO | {"from": "answer"}]}, "1.1 does not come after answer"),
        ({"edges": [OUT], "concepts": ["depth"]}, '"concepts" is'),
        ({"edges": [OUT], "concepts": {"1.0": "depth"}}, 'speaks of "1.0", .* the edges lead from 1.1'),
        ({"edges": [OUT], "concepts": {"1.1": "colour"}}, '"colour": the task.s concepts are depth, length'),
        ({"edges": [OUT], "concepts": {"1.1": None}}, "depend on null"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_one_line_with_what_would_fit(read, given, message):
    with pytest.raises(UserError, match=message) as raised:
        read(given)
    assert "stated.json" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_or_no_text_is_told(tmp_path, graph):
    with pytest.raises(UserError, match="can't read"):
        read_hypothesis(tmp_path / "none.json", graph, ())
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(UserError, match="is no JSON"):
        read_hypothesis(tmp_path / "bytes.json", graph, ())
