from __future__ import annotations

from itertools import product

import pytest
import torch

from algoscope.stories.palindromes.mean_field import Typical
from algoscope.tasks.palindromes import broken_at


def test_number_scores_are_means_over_equal_numbers_and_over_different_ones(public_palindromes):
    model = public_palindromes.model
    numbers = model.W_E[:31] - model.W_E[:31].mean(0)
    attention = model.block(0).attn
    same, other = Typical(model).number_scores(layer=0)
    for head in range(2):
        scores = {True: [], False: []}
        q, k = numbers @ attention.W_Q[head], numbers @ attention.W_K[head]
        for one, another in product(range(31), range(31)):
            scores[one == another].append((q[one] @ k[another]).item() / 14**0.5)
        assert same[head].item() == pytest.approx(sum(scores[True]) / 31, rel=1e-4)
        assert other[head].item() == pytest.approx(sum(scores[False]) / (31 * 30), rel=1e-4)


def test_the_variance_of_numbers_is_counted_in_what_norms_divide_by(public_palindromes):
    model = public_palindromes.model
    tokens = broken_at(torch.ones(2000, 10, dtype=torch.bool), seed=0).tokens
    _, cache = model.run_with_cache(tokens, ["blocks.0.ln1.hook_scale"])
    measured = cache["blocks.0.ln1.hook_scale"][..., 0].square().mean(0).sqrt()
    typical = Typical(model)
    # Not exact: a number's embedding and a position's are not quite orthogonal.
    torch.testing.assert_close(typical._scale(typical.embedded), measured.double(), rtol=0.03, atol=0)
