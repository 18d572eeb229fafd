from __future__ import annotations

import pytest
import torch

from algoscope.analysis.directions import attention_norm_fit
from algoscope.analysis.linearised import LinearFit
from algoscope.analysis.tally import Tally, input_cosines, predicts, tally
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer


def test_the_cosine_and_the_axis_of_opposite_vectors():
    found = Tally(Head(0, 0), torch.tensor([2.0, 0.0]), torch.tensor([-4.0, 0.0]), 1.0)
    assert found.cosine == pytest.approx(-1)
    assert found.axis.tolist() == [1, 0]


def test_what_is_written_for_a_token_is_its_embedding_through_the_head(small):
    width = small.config.d_model
    identity = LinearFit(torch.eye(width).double(), torch.zeros(width).double(), 0.9, 10)
    found = tally(small, Head(1, 0), identity, (3, 4))
    torch.testing.assert_close(found.other, small.W_E[4] @ small.W_V[1, 0] @ small.W_O[1, 0])
    assert found.r2 == 0.9


def test_a_projection_that_is_the_quantity_predicts_all_of_it_and_noise_none():
    quantity = torch.arange(200.0)
    noise = torch.randn(200, 3, generator=torch.Generator().manual_seed(0))
    axis = torch.tensor([0.0, 1.0, 0.0])
    assert predicts(
        torch.stack([0 * quantity, 3 * quantity - 1, quantity], 1), axis, quantity
    ) == pytest.approx(1)
    assert predicts(noise, axis, quantity) < 0.05


def test_a_vector_has_cosine_one_with_its_own_input_direction_and_1_over_d_model_on_average():
    config = Config(
        n_layers=1, d_model=16, n_heads=1, d_head=4, n_ctx=4, d_vocab=5, d_vocab_out=2, d_mlp=4000,
        act_fn="relu", attention_dir="causal",
    )  # fmt: skip
    model = Transformer(config, seed=0).requires_grad_(False)
    cosines = input_cosines(model, 0, 5 * model.W_in[0, :, 7])
    assert cosines[7].item() == pytest.approx(1)
    others = torch.cat([cosines[:7], cosines[8:]])
    assert others.pow(2).mean().item() == pytest.approx(1 / 16, rel=0.1)
    with pytest.raises(UserError, match="layer 1 does not exist"):
        input_cosines(model, 1, torch.ones(16))


def test_a_gated_neurons_input_direction_is_its_gates():
    config = Config(
        n_layers=1, d_model=16, n_heads=1, d_head=4, n_ctx=4, d_vocab=5, d_vocab_out=2, d_mlp=9,
        act_fn="silu", attention_dir="causal", gated_mlp=True,
    )  # fmt: skip
    model = Transformer(config, seed=0).requires_grad_(False)
    assert input_cosines(model, 0, 5 * model.W_gate[0, :, 7])[7].item() == pytest.approx(1)


def test_the_public_tally_is_golden(public):
    fit = attention_norm_fit(public.model, public.examples, 0, None)
    found = tally(public.model, Head(0, 0), fit, (3, 4))
    for vector, name in ((found.one, "v_l"), (found.other, "v_r")):
        golden = public.tensors[f"{name}_5000"]
        torch.testing.assert_close(vector, golden, atol=1e-3 * golden.abs().max().item(), rtol=0)
    assert found.cosine == pytest.approx(public.values["v_l_v_r_cosine_5000"]["value"], abs=2e-5)
    for layer in (0, 1):
        squared = input_cosines(public.model, layer, found.other).pow(2).mean().item()
        name = f"mean_squared_cos_sim_v_r_mlp_in_layer{layer}_5000"
        assert squared == pytest.approx(public.values[name]["value"], abs=2e-5)
