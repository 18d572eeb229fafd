from __future__ import annotations

import pytest
import torch

from algoscope.model.config import Config
from algoscope.model.head import Head, every_head
from algoscope.model.processing import process
from algoscope.model.transformer import Transformer
from algoscope.questions.reads import MOST, circuits_of, processed, reads, reads_of
from algoscope.questions.seen import see
from algoscope.tasks import registry

BOTH = (Head(0, 0), Head(0, 1))


def test_a_head_that_matches_and_copies_is_found_beside_one_that_does_not(seen_echo, found, verdicts):
    section = reads_of(seen_echo, BOTH)
    assert verdicts(section)["same-token-head"] == verdicts(section)["copying-head"] == "holds"
    assert found(section)["copying-head"].value == [1.0, pytest.approx(0.25)]
    assert found(section)["same-token-head"].value == [1.0, pytest.approx(0.25)]
    assert found(section)["same-token-head"].said == "head 0.0: 1.00; head 0.1: 0.25"


def test_a_head_that_looks_for_other_tokens_matches_none(seen_echo, verdicts):
    seen_echo.model.block(0).attn.W_Q[0] *= -1
    assert verdicts(reads_of(seen_echo, BOTH))["same-token-head"] == "refuted"


def test_a_head_that_writes_the_next_letter_is_no_copy(seen_echo, found):
    W_O = seen_echo.model.block(0).attn.W_O
    W_O[0] = W_O[0].roll(1, 0)
    finding = found(reads_of(seen_echo, BOTH))["copying-head"]
    assert (finding.verdict, finding.value[0]) == ("refuted", 0.0)


def test_a_head_that_goes_by_position_is_explained_by_positions_and_one_that_goes_by_token_not(
    seen_echo, found
):
    assert found(reads_of(seen_echo, BOTH[1:]))["positions-say-where"].verdict == "holds"
    both = found(reads_of(seen_echo, BOTH))["positions-say-where"]
    assert both.verdict == "refuted"
    assert both.value == [pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01)]


def test_heads_that_look_evenly_leave_where_they_look_open(seen_echo, found):
    seen_echo.model.block(0).attn.W_Q.zero_()
    finding = found(reads_of(seen_echo, BOTH))["positions-say-where"]
    assert (finding.verdict, finding.note) == ("open", "on average, every needed head looks evenly")


def test_where_no_class_is_called_like_a_token_nothing_is_said_of_copying(seen_majority, found):
    section = reads_of(seen_majority, [Head(0, 1)])
    assert "copying-head" not in found(section)
    assert section.tables[0].rows[0][4] is None


def test_without_a_needed_head_one_finding_says_so(seen_echo, found):
    section = reads_of(seen_echo, ())
    assert {name: finding.note for name, finding in found(section).items()} == {
        "same-token-head": "no head is needed"
    }


def test_each_head_has_a_row_and_each_kind_of_circuit_its_maps(seen_echo):
    section = reads_of(seen_echo, BOTH)
    (table,) = section.tables
    assert [row[0] for row in table.rows] == ["0.0", "0.1"]
    first = table.rows[0]
    # 60 to itself and 0 to three others, halved by the root of d_head; nothing by position.
    assert first[1] == pytest.approx(30 * 3**0.5 / 4, rel=1e-4)
    assert first[2] == pytest.approx(0, abs=1e-5)
    assert [each.caption.split(":")[0] for each in section.illustrations] == [
        "Token QK", "Position QK", "Token OV", "Position OV",
    ]  # fmt: skip
    token_qk, _, token_ov, _ = (each.figure for each in section.illustrations)
    assert list(token_qk.data[0].x) == ["a", "b", "c", "d"]
    assert token_qk.data[0].z == pytest.approx(30 * torch.eye(4).numpy() - 7.5, abs=1e-3)
    # 8 logits to its own class, less a quarter over classes; each class is written by one of four sources.
    assert token_ov.data[0].z[0] == pytest.approx([6.0, -2.0, -2.0, -2.0], abs=1e-4)


def test_by_itself_it_asks_about_the_heads_that_are_needed(seen_echo):
    assert [row[0] for row in reads(seen_echo).tables[0].rows] == ["0.0"]


def test_many_heads_and_tokens_are_drawn_a_few_at_a_time_and_the_caption_says_so():
    task = registry.get("modular-addition")
    config = Config(
        n_layers=1, d_model=8, n_heads=4, d_head=4, n_ctx=task.n_ctx, d_vocab=len(task.vocabulary),
        d_vocab_out=len(task.classes), attention_dir="bidirectional",
    )  # fmt: skip
    seen = see(Transformer(config).requires_grad_(False), task, task.sample(200, seed=0))
    drawn = reads_of(seen, every_head(config)).illustrations
    assert [len(each.figure.data) for each in drawn] == [3, 1] * 4
    token_qk = drawn[0]
    assert len(token_qk.figure.data[0].x) == MOST
    assert f"the {MOST} rows and columns of largest norm" in token_qk.caption


@pytest.mark.parametrize("layers", [1, 2])
def test_the_caption_names_the_layer_where_heads_of_several_are_drawn(echo, layers):
    config = Config(
        n_layers=2, d_model=8, n_heads=1, d_head=4, n_ctx=4, d_vocab=4, d_vocab_out=4, attention_dir="causal"
    )  # fmt: skip
    seen = see(Transformer(config).requires_grad_(False), echo, echo.sample(50, seed=0))
    drawn = reads_of(seen, every_head(config)[:layers]).illustrations[:layers]
    named = [["Token QK"], ["Token QK, layer 0", "Token QK, layer 1"]][layers - 1]
    assert [each.caption.split(":")[0] for each in drawn] == named


def test_heads_of_the_last_layer_are_looked_at_from_the_answers(seen_majority):
    # Head 0.1 attends evenly from everywhere; only the last place is answered.
    (circuits,) = circuits_of(seen_majority, [Head(0, 1)])
    assert circuits.look.places.tolist() == [5]


def test_weights_are_processed_but_logits_of_sets_keep_their_mean(seen_echo):
    torch.testing.assert_close(processed(seen_echo).W_U, process(seen_echo.model).W_U)
    task = registry.get("nesting")
    config = Config(
        n_layers=1, d_model=8, n_heads=1, d_head=4, n_ctx=task.n_ctx, d_vocab=len(task.vocabulary),
        d_vocab_out=len(task.classes), attention_dir="causal", pad_token=task.pad,
    )  # fmt: skip
    examples = task.sample(20, seed=0)
    model = Transformer(config, seed=1).double().requires_grad_(False)
    seen = see(model, task, examples)
    plain = processed(seen)
    assert plain.config.normalization_type == "LNPre"
    torch.testing.assert_close(plain(examples.tokens), model(examples.tokens))


def test_what_a_head_writes_is_divided_by_what_the_final_norm_divides_by_on_average(majority):
    config = Config(
        n_layers=1, d_model=4, n_heads=1, d_head=2, n_ctx=6, d_vocab=3, d_vocab_out=2,
        attention_dir="causal", normalization_type="LNPre", eps=0.5,
    )  # fmt: skip
    seen = see(Transformer(config, seed=0).requires_grad_(False), majority, majority.sample(50, seed=0))
    (found,) = circuits_of(seen, [Head(0, 0)])
    tokens, answered = seen.kept.tokens, seen.kept.answered
    before, after = (
        seen.model.run_with_cache(tokens, [f"{norm}.hook_scale"])[1][f"{norm}.hook_scale"][..., 0]
        for norm in ("blocks.0.ln1", "ln_final")
    )
    plain = processed(seen)
    attention = plain.block(0).attn
    written = plain.W_E @ attention.W_V[0] @ attention.W_O[0] @ plain.W_U
    expected = (written - written.mean(0)) / before.mean() / after[answered].mean()
    torch.testing.assert_close(found.token_ov, expected)
