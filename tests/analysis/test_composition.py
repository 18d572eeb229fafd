from __future__ import annotations

import pytest
import torch

from algoscope.analysis.composition import composition, composition_score, random_baseline
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer


@pytest.fixture
def wired() -> Transformer:
    """Head 0.0 writes into dimension 2, which head 1.0 reads as its key and head 1.1 not at all."""
    config = Config(
        n_layers=2, d_model=6, n_heads=2, d_head=1, n_ctx=3, d_vocab=3, d_vocab_out=2, attention_dir="causal"
    )
    model = Transformer(config).requires_grad_(False)
    for block in model.blocks:
        for name in "QKVO":
            getattr(block.attn, f"W_{name}").zero_()
    model.block(0).attn.W_V[0, 0, 0] = model.block(0).attn.W_O[0, 0, 2] = 1.0
    reader = model.block(1).attn
    reader.W_K[0, 2, 0] = reader.W_Q[0, 3, 0] = reader.W_V[0, 4, 0] = reader.W_O[0, 0, 5] = 1.0
    return model


def test_a_head_wired_to_the_keys_of_another_composes_with_them_alone(wired):
    found = composition(wired)
    assert found.score("K", Head(0, 0), Head(1, 0)) == pytest.approx(1.0)
    assert found.composing(least_z=3) == (("K", Head(0, 0), Head(1, 0)),)


def test_a_score_is_the_norm_of_the_product_over_the_product_of_norms():
    left, right = torch.tensor([[1.0, 2.0], [0.0, 1.0]]), torch.tensor([[3.0], [4.0]])
    # By hand: the product is (11, 4), the norms √6 and 5.
    assert composition_score(left, right) == pytest.approx((137 / (6 * 25)) ** 0.5)
    assert composition_score(7 * left, -right) == pytest.approx(composition_score(left, right))
    assert composition_score(torch.zeros(2, 2), right) == 0.0


def test_pairs_come_with_the_highest_score_first_and_say_how_far_above_chance_they_lie(wired):
    found = composition(wired)
    scores = [found.score(*pair) for pair in found.pairs]
    assert len(scores) == 3 * 2 * 2
    assert scores == sorted(scores, reverse=True)
    first, baseline = found.pairs[0], found.baseline
    assert found.z(first) == pytest.approx((scores[0] - baseline.mean) / baseline.std)


def test_a_head_without_weights_composes_with_nothing(wired):
    assert composition(wired).score("V", Head(0, 1), Head(1, 1)) == 0.0


def test_a_pair_in_the_wrong_order_is_an_error(wired):
    with pytest.raises(UserError, match=r"head 0\.0 can't read head 1\.0"):
        composition(wired).score("Q", Head(1, 0), Head(0, 0))
    with pytest.raises(UserError, match="choose from Q, K, V"):
        composition(wired).score("O", Head(0, 0), Head(1, 0))


def test_a_model_of_one_layer_has_no_pairs():
    config = Config(
        n_layers=1, d_model=6, n_heads=2, d_head=2, n_ctx=3, d_vocab=3, d_vocab_out=2, attention_dir="causal"
    )
    assert composition(Transformer(config)).composing(least_z=-99) == ()


def test_scores_of_the_public_palindrome_model_are_the_golden_ones(public_palindromes):
    found = composition(public_palindromes.model)
    for index, kind in enumerate("qkv"):
        golden = public_palindromes.tensors[f"composition_{kind}"]
        torch.testing.assert_close(found.scores[index, :2, 2:], golden, atol=1e-6, rtol=0)


def test_the_baseline_is_the_golden_one_with_the_same_draws(public_palindromes):
    baseline = random_baseline(public_palindromes.model.config)
    values = public_palindromes.values
    assert baseline.mean == pytest.approx(values["composition_random_baseline_mean"], abs=1e-6)
    assert baseline.std == pytest.approx(values["composition_random_baseline_std"], abs=1e-6)
    other = random_baseline(public_palindromes.model.config, seed=1)
    assert other.mean == pytest.approx(0.18844, abs=0.004)
