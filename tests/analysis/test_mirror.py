from __future__ import annotations

import pytest
import torch

from algoscope.analysis.circuits import masked, mean_norm_scale, position_qk
from algoscope.analysis.mirror import matching, mirrored_pairs
from algoscope.model.head import Head
from algoscope.tasks.palindromes import PAIRS, arena_sample


def test_a_pair_that_looks_at_itself_more_than_at_its_mirror_image_fails():
    pattern = torch.tensor([[1.0, 0.0, 0.0], [0.6, 0.4, 0.0], [0.2, 0.1, 0.7]])
    good, bad = mirrored_pairs(pattern, [(1, 0), (2, 0)])
    assert (good.rank, good.fails, good.even) == (1, False, 0.5)
    assert (bad.rank, bad.fails) == (2, True)
    assert bad.even == pytest.approx(1 / 3)


def test_even_attention_prefers_no_mirror_image():
    (pair,) = mirrored_pairs(torch.full((2, 2), 0.5), [(1, 0)])
    assert pair.fails
    assert pair.rank == 2


def test_attention_is_split_by_whether_the_tokens_match():
    pattern = torch.zeros(2, 4, 4)
    pattern[0, 3, 0], pattern[1, 3, 0], pattern[:, 2, 1] = 0.9, 0.1, 0.5
    mismatch = torch.tensor([[False] * 4, [True, False, False, True]])
    found = matching(pattern, mismatch, [(3, 0), (2, 1)])
    assert found.matched.tolist() == pytest.approx([0.9, 0.5])
    assert found.mismatched[0] == pytest.approx(0.1)
    assert found.mismatched[1].isnan()


def test_the_lambda_of_the_public_model_fails_where_the_published_text_says(public_palindromes):
    model = public_palindromes.model
    scale = mean_norm_scale(model, arena_sample(100).tokens[:5], 0)
    pattern = masked(position_qk(model, Head(0, 0), scale), "causal").softmax(-1)
    found = {(pair.later, pair.earlier): pair for pair in mirrored_pairs(pattern, PAIRS)}
    golden = public_palindromes.values
    assert {pair for pair, seen in found.items() if seen.fails} == {(17, 4), (19, 2)}
    for entry in golden["qk_circuit_00_pos_mirrored_pairs"]:
        pair = found[entry["later"], entry["earlier"]]
        assert pair.rank == entry["rank_of_earlier"]
        assert pair.even == pytest.approx(entry["uniform_would_be"])
        assert pair.attention == pytest.approx(entry["attention"], abs=1e-5)
        assert pair.to_itself == pytest.approx(entry["self_attention"], abs=1e-5)
