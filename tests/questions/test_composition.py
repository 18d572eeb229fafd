from __future__ import annotations

import pytest
import torch

from algoscope.model.config import Config
from algoscope.model.head import Head, every_head
from algoscope.model.transformer import Transformer
from algoscope.questions.composition import composition, composition_of
from algoscope.questions.seen import Seen, see


@pytest.fixture
def wired(majority) -> Seen:
    """Three layers of two heads; 1.0 reads as its key what 0.0 writes, and 2.0 reads nothing."""
    config = Config(
        n_layers=3, d_model=16, n_heads=2, d_head=4, n_ctx=6, d_vocab=3, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    for block in model.blocks:
        for name in "QKVO":
            getattr(block.attn, f"W_{name}").zero_()
    model.block(0).attn.W_V[0, 0, 0] = model.block(0).attn.W_O[0, 0, 2] = 1.0
    reader = model.block(1).attn
    reader.W_K[0, 2, 0] = reader.W_Q[0, 3, 0] = reader.W_V[0, 4, 0] = reader.W_O[0, 0, 5] = 1.0
    return see(model, majority, majority.sample(20, seed=0))


def test_a_head_wired_to_the_keys_of_another_is_named(wired, found):
    section = composition_of(wired, [Head(0, 0), Head(1, 0)])
    both = found(section)
    assert {name: finding.verdict for name, finding in both.items()} == {
        "composition-any": "holds", "composition-needed": "holds",
    }  # fmt: skip
    assert both["composition-any"].said.startswith("the K of head 1.0 with head 0.0: 1.000")
    assert [row[:4] + row[5:] for row in section.tables[0].rows] == [("K", "0.0", "1.0", 1.0, "yes")]
    assert both["composition-needed"].value == [both["composition-any"].value]
    assert section.tables[0].rows[0][4] == both["composition-any"].value
    assert "1 of 36." in section.tables[0].caption


def test_a_needed_head_that_reads_no_other_needed_one_refutes(wired, found):
    needed = found(composition_of(wired, [Head(0, 0), Head(1, 0), Head(2, 0)]))["composition-needed"]
    assert needed.verdict == "refuted"
    assert needed.value[0] > 5 > needed.value[1]
    assert "of head 2.0 with" in needed.said


def test_reading_a_head_that_is_not_needed_does_not_count(wired, found):
    section = composition_of(wired, [Head(0, 1), Head(1, 0)])
    assert found(section)["composition-any"].verdict == "holds"
    assert found(section)["composition-needed"].verdict == "refuted"
    assert section.tables[0].rows[0][5] == "no"


def test_needed_heads_of_one_layer_leave_it_open(wired, found):
    finding = found(composition_of(wired, [Head(1, 0), Head(1, 1)]))["composition-needed"]
    assert (finding.verdict, finding.note) == ("open", "no two needed heads stand in different layers")


def test_random_weights_compose_with_nothing(majority, found):
    config = Config(
        n_layers=2, d_model=24, n_heads=1, d_head=6, n_ctx=6, d_vocab=3, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config, seed=0).requires_grad_(False)
    seen = see(model, majority, majority.sample(20, seed=0))
    section = composition_of(seen, every_head(config))
    assert [finding.verdict for finding in section.findings] == ["refuted", "refuted"]
    assert section.tables[0].rows == ()


def test_by_itself_it_asks_about_the_heads_that_are_needed(wired, found):
    # Nothing that is wired reaches the logits, so no head is needed.
    assert wired.needed_heads == ()
    by_itself = found(composition(wired))
    assert by_itself["composition-any"].verdict == "holds"
    assert by_itself["composition-needed"].note == "no two needed heads stand in different layers"


def test_one_layer_is_open_once_with_the_reason(seen_echo, found):
    section = composition_of(seen_echo, [Head(0, 0)])
    assert {name: finding.note for name, finding in found(section).items()} == {
        "composition-any": "the model has one layer: no head reads another"
    }


def test_the_map_has_writers_down_and_readers_across_and_is_blank_where_none_can_read(wired):
    (illustration,) = composition_of(wired, ()).illustrations
    q, k, v = illustration.figure.data
    assert (list(k.y), list(k.x)) == (["0.0", "0.1", "1.0", "1.1"], ["1.0", "1.1", "2.0", "2.1"])
    grid = torch.tensor(k.z)
    assert grid[0, 0] == 1.0
    assert grid[:2].nansum() == 1.0
    assert grid[2:, :2].isnan().all()
    assert torch.tensor(q.z).nansum() == torch.tensor(v.z).nansum() == 0.0
