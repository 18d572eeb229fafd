"""On the public weights the study finds what was published about them, to the digit, and what was not."""

from __future__ import annotations

from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs/brackets.md"


@pytest.mark.parametrize(
    ("finding", "golden", "tolerance"),
    [
        ("accuracy", "accuracy_5000", 0),
        ("loss", "loss_5000", 1e-5),
        ("ln-final-r2", "ln_fit_r2_ln_final_pos0_5000", 1e-5),
        ("ln-elevation-input-r2", "ln_fit_r2_l2_ln1_pos1_5000", 1e-5),
        ("elevation-head-attention", "attn_20_query0_to_pos1_mean_starts_open_5000", 1e-5),
        ("elevation-head-attention-starts-closed", "attn_20_query0_to_pos1_mean_starts_closed_5000", 1e-5),
        ("tally-cosine", "v_l_v_r_cosine_5000", 2e-5),
        ("mlp-alignment-0", "mean_squared_cos_sim_v_r_mlp_in_layer0_5000", 2e-5),
        ("mlp-alignment-1", "mean_squared_cos_sim_v_r_mlp_in_layer1_5000", 2e-5),
        ("mlp-alignment-random", "expected_squared_cosine_random", 1e-9),
    ],
)
def test_a_number_of_the_text_is_met(studied, finding, golden, tolerance):
    assert studied.found[finding].value == pytest.approx(studied.values[golden]["value"], abs=tolerance)


@pytest.mark.parametrize(
    ("finding", "head"),
    [
        ("elevation-head", "2.0"),
        ("negative-head", "2.1"),
        ("tally-head", "0.0"),
        ("first-bracket-head", "1.0"),
    ],
)
def test_each_part_is_played_by_a_head(studied, finding, head):
    assert studied.found[finding].value == head


def test_attention_elsewhere_is_golden(studied):
    golden = studied.values["attn_20_query0_largest_other_starts_open_5000"]["value"]
    found = studied.found
    assert found["elevation-head-attention-elsewhere"].value == pytest.approx(golden["attention"], abs=1e-5)
    assert found["elevation-head-attention-rest"].value == pytest.approx(
        golden["sum_of_all_others"], abs=1e-4
    )
    assert f"to position {golden['position']}." in found["elevation-head-attention-elsewhere"].claim


def test_the_tally_heads_attention_before_and_after_is_golden(studied):
    sides = [
        studied.values[f"attn_h00_{side}_queries_before_self_after"]["value"] for side in ("left", "right")
    ]
    golden = [side["mean_total_after"] for side in sides]
    assert studied.found["tally-less-pronounced-for-close"].value == pytest.approx(golden, abs=1e-5)
    summary = studied.values["attn_h00_query1_open_patched_summary_5000"]["value"]
    assert studied.found["query-uniformity"].value == pytest.approx(summary["entropy_over_log42"], abs=1e-5)
    ratio = summary["max_over_min_positions_1_to_40"]
    assert studied.found["query-exactly-uniform"].value == pytest.approx(ratio, abs=1e-3)


def test_alignment_and_strength_correlate_as_golden(studied):
    golden = [
        studied.values[f"squared_cos_vs_neuron_effect_layer{layer}_5000"]["value"]["spearman"]
        for layer in (0, 1)
    ]
    assert studied.found["mlp-alignment-predicts-strength"].value == pytest.approx(golden, abs=5e-3)


def test_what_the_embedding_contributes_is_golden(studied):
    golden = studied.values["embed_contribution_pre_20_by_first_bracket_5000"]["value"]["starts_closed"]
    assert studied.found["embedding-before-elevation"].value == pytest.approx(golden, abs=1e-3)


def test_the_known_family_is_found_again(studied):
    """A of length 30 and B of 8: 99.986 %."""
    found = studied.found["adversarial-family"]
    assert found.value == pytest.approx(0.99986, abs=2e-5)
    assert "(" * 15 + ")" * 15 + ")(" + "(" * 4 + ")" * 4 in found.claim
    assert studied.found["adversarial-best"].value >= found.value


def test_named_neurons_are_of_the_kinds_that_the_page_says(studied):
    lines = [line for line in PAGE.read_text().splitlines() if line[:3] in ("| 0", "| 1")]
    kinds = {layer: found.kinds for layer, found in studied.subject.kinds.items()}
    named = {}
    for neurons, _, measured in (line.strip("| ").split(" | ") for line in lines):
        named |= dict.fromkeys(neurons.split(", "), measured)
    golden = studied.values["named_neurons_mean_by_open_proportion_5000"]["value"]
    assert set(named) == set(golden)
    for neuron, measured in named.items():
        layer, index = map(int, neuron.split("."))
        assert kinds[layer][index] == measured, neuron


REFUTED = {
    "elevation-head-attention-elsewhere", "elevation-head-attention-rest", "elevation-head-ablation",
    "first-mlp-important", "embedding-before-elevation", "neurons-above-more-common-later",
    "neurons-below-rarer-later", "neurons-exactly-half-last", "query-exactly-uniform",
    "tally-before-almost-zero", "tally-after-uniform", "tally-uneven-later",
    "tally-less-pronounced-for-close", "tally-without-length-r2", "mlp-alignment-predicts-strength",
    "elevation-circuit-accuracy-strict", "elevation-circuit-complete", "adversarial-where-uneven",
}  # fmt: skip


def test_these_claims_of_the_text_do_not_survive_and_all_others_do(studied):
    quoted = {name: finding for name, finding in studied.found.items() if finding.quote}
    assert {name for name, finding in quoted.items() if finding.holds is False} == REFUTED
    assert all(finding.holds is not None for finding in quoted.values())


@pytest.mark.parametrize(
    ("finding", "shown"),
    [
        ("elevation-head-attention", "0.573"), ("elevation-head-attention-rest", "0.427"),
        ("elevation-head-attention-elsewhere", "0.077"), ("elevation-circuit-accuracy-strict", "0.929"),
        ("elevation-circuit-accuracy", "0.996"), ("query-exactly-uniform", "1.41"),
        ("tally-without-length-r2", "0.65"), ("embedding-before-elevation", "0.19"),
    ],
)  # fmt: skip
def test_the_page_says_what_is_measured(studied, finding, shown):
    digits = len(shown.split(".")[1])
    assert f"{studied.found[finding].value:.{digits}f}" == shown
    assert shown in PAGE.read_text()
