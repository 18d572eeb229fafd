from __future__ import annotations

import pytest

from algoscope.errors import UserError
from algoscope.model.component import ANSWER, EMBEDDING, POSITION, TOKEN, Component, heads_and_mlps
from algoscope.model.config import Config
from algoscope.model.head import Head

SIZES = {"n_layers": 2, "d_model": 4, "n_heads": 2, "d_head": 2, "n_ctx": 3, "d_vocab": 3, "d_vocab_out": 2}
WITH_MLPS = Config.from_dict(SIZES | {"attention_dir": "causal", "d_mlp": 3, "act_fn": "relu"})
ATTENTION_ONLY = Config.from_dict(SIZES | {"attention_dir": "causal"})
ALL = (EMBEDDING, TOKEN, POSITION, *heads_and_mlps(WITH_MLPS), ANSWER)


@pytest.mark.parametrize("part", ALL, ids=str)
def test_a_component_prints_as_the_text_that_it_is_read_from(part):
    assert Component.parse(str(part)) == part


def test_components_sort_in_the_order_of_the_computation():
    assert tuple(sorted(reversed(ALL))) == ALL
    assert [str(part) for part in heads_and_mlps(WITH_MLPS)] == ["0.0", "0.1", "MLP 0", "1.0", "1.1", "MLP 1"]


def test_a_model_without_mlps_has_heads_alone_and_the_first_layers_may_be_asked_for():
    assert [str(part) for part in heads_and_mlps(ATTENTION_ONLY)] == ["0.0", "0.1", "1.0", "1.1"]
    assert [str(part) for part in heads_and_mlps(WITH_MLPS, layers=1)] == ["0.0", "0.1", "MLP 0"]
    assert heads_and_mlps(WITH_MLPS, layers=0) == ()


def test_only_a_head_is_a_head():
    assert Component.of(Head(1, 0)).head == Head(1, 0)
    assert [part.head for part in (EMBEDDING, Component.mlp(1), ANSWER)] == [None, None, None]


def test_a_sentence_names_each_as_one_would_say_it():
    assert [part.words for part in (EMBEDDING, Component.parse("1.0"), Component.mlp(0), ANSWER)] == [
        "the embedding", "head 1.0", "MLP 0", "the answer",
    ]  # fmt: skip


def test_its_own_output_stands_at_its_site(padded_model, tokens_for):
    parts = (TOKEN, POSITION, *heads_and_mlps(padded_model.config))
    _, cache = padded_model.run_with_cache(tokens_for(padded_model), [part.site for part in parts])
    assert set(cache) == {part.site for part in parts}


def test_the_embeddings_together_and_the_answer_stand_alone_nowhere():
    for part in (EMBEDDING, ANSWER):
        with pytest.raises(AssertionError, match="no site of its own"):
            _ = part.site


@pytest.mark.parametrize("text", ["", "MLP", "mlp 0", "-1.0", "head 1.0", "1.0 ", "embeddings", "MLP 0.1"])
def test_other_text_is_told_how_to_write_a_component(text):
    with pytest.raises(UserError, match="write a head as 2.0, an MLP as 'MLP 2', or 'embedding'"):
        Component.parse(text)


def test_what_the_model_does_not_have_is_named_with_what_it_has():
    assert Component.mlp(1).check(WITH_MLPS) == Component.mlp(1)
    with pytest.raises(UserError, match="MLP 2 does not exist: the model's MLPs are MLP 0 to MLP 1"):
        Component.mlp(2).check(WITH_MLPS)
    with pytest.raises(UserError, match="MLP 0 does not exist: .* none: it is attention-only"):
        Component.mlp(0).check(ATTENTION_ONLY)
    with pytest.raises(UserError, match=r"head 2\.0 does not exist"):
        Component.parse("2.0").check(WITH_MLPS)
