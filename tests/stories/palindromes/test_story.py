"""The palindromes study: golden values on the public model, and the same questions to any model."""

from __future__ import annotations

import json

import pytest
import torch

from algoscope import checkpoints
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.stories.run import run_study
from algoscope.tasks.palindromes import PAIRS, Palindromes

TASK = Palindromes()


def study_of(checkpoint, count=600):
    found = run_study(checkpoint, TASK, TASK.sample(count, seed=0))
    return found, {finding.id: finding for finding in found.findings}


@pytest.fixture(scope="module")
def public(reference):
    return study_of(checkpoints.read(reference / "arena/palindrome_classifier.pt", task="palindromes"), 3000)


@pytest.fixture(scope="module")
def shipped():
    return study_of(checkpoints.read("palindromes"))


def untrained(**changes) -> Checkpoint:
    make = {
        "n_layers": 2, "d_model": 12, "n_heads": 2, "d_head": 6, "n_ctx": 22, "d_vocab": 33, "d_vocab_out": 2,
        "attention_dir": "causal",
    }  # fmt: skip
    model = Transformer(Config.from_dict(make | changes), seed=3).requires_grad_(False)
    return Checkpoint(model, "palindromes", {}, (), "untrained")


OTHERS = {
    "one layer, one head": {"n_layers": 1, "n_heads": 1},
    "three layers with MLP, bidirectional": {
        "n_layers": 3, "n_heads": 3, "d_mlp": 8, "act_fn": "relu", "attention_dir": "bidirectional",
    },
    "no norm, longer context": {"normalization_type": "none", "n_ctx": 30},
}  # fmt: skip


def test_single_numbers_of_the_public_model_are_the_golden_ones(public, public_palindromes):
    _, found = public
    golden = public_palindromes.values
    for identity, name, tolerance in (
        ("loss", "loss_500", 1e-5),
        ("accuracy", "accuracy_500", 0),
        ("token-qk-diagonal-share", "qk_circuit_00_embed_top1_fraction", 0),
        ("composition-q", "composition_q_h00_h10", 1e-6),
        ("composition-k", "composition_k_h00_h10", 1e-6),
        ("composition-v", "composition_v_h00_h10", 1e-6),
        ("composition-baseline-mean", "composition_random_baseline_mean", 1e-5),
        ("composition-baseline-std", "composition_random_baseline_std", 1e-5),
        ("query-mean-ablation", "ablation_mean_q_h10_delta_loss_first100", 1e-5),
        ("query-zero-ablation", "ablation_zero_q_h10_delta_loss_first100", 1e-5),
    ):
        assert found[identity].value == pytest.approx(golden[name], abs=tolerance), identity
    assert found["matching-head"].value == "0.0"
    assert found["reading-head"].value == "1.0"
    assert found["lambda-failures"].value == golden["qk_circuit_00_pos_pairs_below_self"]
    assert found["lambda-not-largest"].value == golden["qk_circuit_00_pos_pairs_not_top"]
    spread = golden["q_10_end_spread_100"]["min_cosine_with_mean"]
    assert found["query-alike"].value == pytest.approx(spread, abs=1e-5)
    signs = golden["v_composition_circuit_sign_exceptions"]
    wrong = signs["first_half_not_negative"] + signs["second_half_not_positive"]
    assert found["v-circuit-exceptions"].value == wrong
    gap = golden["contribution_nonpal_dir_class_gap_100"]
    assert found["second-reader-gap"].value == pytest.approx(gap["h1.1"], abs=1e-3)


def test_grids_of_the_public_model_are_the_golden_ones(public, public_palindromes):
    _, found = public
    golden = public_palindromes.tensors
    for identity, name in (
        ("head-ablation-zero", "head_ablation_zero_delta_loss_500"),
        ("head-ablation-mean", "head_ablation_mean_delta_loss_500"),
        ("qkv-ablation-zero", "qkv_ablation_zero_delta_loss_first200"),
        ("qkv-ablation-mean", "qkv_ablation_mean_delta_loss_first200"),
    ):
        torch.testing.assert_close(torch.tensor(found[identity].value), golden[name], atol=1e-5, rtol=0)
    noise = golden["head_ablation_random_delta_loss_500_draws"][..., :5].mean(-1)
    torch.testing.assert_close(torch.tensor(found["head-ablation-random"].value), noise, atol=1e-4, rtol=0)
    probability = golden["adversarial_logits_end"].softmax(-1)[:, 1].tolist()
    assert found["published-adversarial"].value == pytest.approx(probability, abs=2e-5)


def test_the_published_numbers_beside_the_tables_are_what_is_measured(public):
    study, _ = public
    (table,) = next(section for section in study.sections if section.id == "qkv-ablations").tables
    for what, zero, printed_zero, mean, printed_mean in table.rows:
        assert mean == pytest.approx(printed_mean, abs=1e-5), what
        if printed_zero is not None:
            assert zero == pytest.approx(printed_zero, abs=1e-5), what


def test_what_the_text_says_and_the_public_model_does_not_do_is_refuted(public):
    study, found = public
    refuted = {finding.id for finding in study.quoted if finding.holds is False}
    assert {"composition-q", "idle-head", "idle-head-by-pair", "mean-ablation-no-impact"} <= refuted
    assert {"query-alike", "query-position", "wrong-sign-pairs", "constant-head-share"} <= refuted
    assert found["pair-readers"].value[0] == "1.1"
    assert found["wrong-sign-pairs"].value == [[20, 1]]
    assert found["composition-others"].value == []


def test_the_public_models_constant_head_serves_the_reading_heads_keys(public):
    _, found = public
    assert found["constant-head"].value == "0.1"
    assert found["constant-head-role"].value == "keys of head 1.0"
    assert found["constant-head-learnt"].holds


def test_the_public_model_overlooks_two_pairs_and_the_program_knows(public):
    _, found = public
    assert found["weak-pairs"].value == [[17, 4], [19, 2]]
    assert found["program-agreement"].value >= 0.995
    assert found["program-agreement-unfitted"].value >= 0.99
    assert found["program-agreement-on-mistakes"].value >= 0.7
    assert found["adversarial-best"].value > 0.99


def test_the_shipped_model_has_roles_at_other_addresses_and_no_weak_pair(shipped):
    _, found = shipped
    assert found["reading-head"].value == "1.1"
    assert found["other-matching-heads"].value
    assert found["weak-pairs"].value == []
    assert found["weak-pairs-rank-correlation"].value is None
    assert found["adversarial-best"].value is None
    assert found["adversarial-best"].holds
    assert found["program-agreement"].value >= 0.999


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_of_another_make_is_asked_the_same_and_nothing_crashes(name, shipped):
    _, found = study_of(untrained(**OTHERS[name]), 60)
    assert list(found) == list(shipped[1])
    assert found["accuracy"].holds is False
    assert found["decomposition-max-error"].holds


@pytest.mark.parametrize("label", [0, 1])
def test_examples_of_one_class_leave_the_roles_open_and_nothing_crashes(label, shipped):
    examples = TASK.sample(60, seed=0)
    study = run_study(checkpoints.read("palindromes"), TASK, examples[examples.labels == label])
    found = {finding.id: finding for finding in study.findings}
    assert list(found) == list(shipped[1])
    assert found["reading-head"].value is None
    assert found["accuracy"].value == 1


def test_a_reading_head_in_the_first_layer_leaves_no_room_for_a_matching_head():
    checkpoint = untrained(n_layers=1)
    checkpoint.model.unembed.W_U.mul_(300)
    _, found = study_of(checkpoint, 60)
    assert found["reading-head"].value == "0.0"
    assert found["matching-head"].reason == "no layer comes before the reading head 0.0"
    assert found["composition-k"].value is None


def test_an_untrained_model_has_no_roles_and_later_questions_say_so():
    study, found = study_of(untrained(), 100)
    for role in ("matching-head", "reading-head"):
        assert found[role].value is None
        assert found[role].reason
    for later in ("composition-k", "lambda-failures", "query-mean-ablation", "circuit-only-accuracy"):
        assert found[later].value is None
        assert "head was found" in found[later].reason
    assert json.dumps(study.to_dict(), allow_nan=False)


def test_pairs_are_named_later_first_and_cover_all_numbers():
    assert sorted(position for pair in PAIRS for position in pair) == list(range(1, 21))
    assert all(later > earlier for later, earlier in PAIRS)
