from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from algoscope.analysis.linearised import explained, fit_linear, fit_norm
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.norms import LayerNorm, NoNorm, norm


def lstsq(x: torch.Tensor, y: torch.Tensor) -> tuple[np.ndarray, np.ndarray, float]:
    """A, b and r² by numpy's own solver, on inputs with a column of ones."""
    x, y = x.double().numpy(), y.double().numpy()
    ones = np.hstack([x, np.ones((len(x), 1))])
    solution = np.linalg.lstsq(ones, y, rcond=None)[0]
    missed = ((y - ones @ solution) ** 2).sum(0)
    total = ((y - y.mean(0)) ** 2).sum(0)
    return solution[:-1].T, solution[-1], float((1 - missed / total).mean())


def test_the_fit_is_numpys_least_squares_where_that_is_unique():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 5, generator=generator) + 3
    y = torch.tanh(x @ torch.randn(5, 4, generator=generator))
    A, b, r2 = lstsq(x, y)
    fit = fit_linear(x, y)
    np.testing.assert_allclose(fit.A, A, atol=1e-9)
    np.testing.assert_allclose(fit.b, b, atol=1e-9)
    assert math.isclose(fit.r2, r2, abs_tol=1e-9)


def test_a_linear_map_is_recovered_with_r2_1():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)).double()
    A, b = torch.arange(12.0).reshape(3, 4).double(), torch.tensor([1.0, -2.0, 0.5]).double()
    fit = fit_linear(x, x @ A.T + b)
    torch.testing.assert_close(fit.A, A)
    torch.testing.assert_close(fit.b, b)
    assert math.isclose(fit.r2, 1)


def test_directions_that_the_inputs_never_take_get_no_coefficients():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    x[:, 3] = 7
    x[:, 2] = x[:, 1] * 2
    fit = fit_linear(x, x)
    assert fit.A[:, 3].abs().max() < 1e-9
    shorter = fit.A[:, 1] + 2 * fit.A[:, 2]
    torch.testing.assert_close(fit.A[:, 2], 2 * shorter / 5)


def test_outputs_that_never_vary_count_as_explained():
    x = torch.randn(20, 3, generator=torch.Generator().manual_seed(0))
    assert fit_linear(x, torch.full((20, 2), 4.2)).r2 == 1


def test_one_example_is_too_few():
    with pytest.raises(UserError, match="at least 2 examples, not 1"):
        fit_linear(torch.zeros(1, 3), torch.zeros(1, 3))


def test_a_norms_fit_is_the_fit_of_its_inputs_and_outputs(small, strings):
    _, cache = small.run_with_cache(strings.tokens)
    inputs = cache["blocks.1.hook_resid_post"]
    fit = fit_norm(small.ln_final, inputs)
    if isinstance(small.ln_final, NoNorm):
        torch.testing.assert_close(fit.A @ inputs[0, 0].double() + fit.b, inputs[0, 0].double())
        return
    expected = fit_linear(inputs, small.ln_final.normalize(inputs))
    torch.testing.assert_close(fit.A, expected.A, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(fit.b, expected.b, atol=1e-4, rtol=1e-4)
    assert math.isclose(fit.r2, expected.r2, abs_tol=1e-5)


def test_the_learnt_scale_and_shift_are_part_of_the_map():
    shape = {
        "n_layers": 1,
        "d_model": 6,
        "n_heads": 1,
        "d_head": 2,
        "n_ctx": 2,
        "d_vocab": 2,
        "d_vocab_out": 2,
    }
    norm = LayerNorm(Config.from_dict(shape | {"attention_dir": "causal"}), "ln_final")
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(0))
    before = fit_norm(norm, inputs)
    with torch.no_grad():
        norm.w.fill_(2.0)
        norm.b.fill_(1.0)
    after = fit_norm(norm, inputs)
    torch.testing.assert_close(after.A, 2 * before.A)
    torch.testing.assert_close(after.b, 2 * before.b + 1)


@pytest.mark.parametrize("kind", ["RMS", "RMSPre"])
def test_an_rms_norms_fit_is_the_fit_of_its_inputs_and_outputs(kind):
    config = Config(
        n_layers=1, d_model=6, n_heads=1, d_head=2, n_ctx=2, d_vocab=2, d_vocab_out=2, attention_dir="causal",
        normalization_type=kind,
    )  # fmt: skip
    rms = norm(config, "ln_final").double().requires_grad_(False)
    if rms.w is not None:
        rms.w.copy_(torch.arange(1.0, 7.0))
    inputs = torch.randn(40, 6, generator=torch.Generator().manual_seed(0)).double() + 1
    root = (inputs.pow(2).sum(1, keepdim=True) / 6 + config.eps).sqrt()
    expected = fit_linear(inputs, inputs / root * (1 if rms.w is None else rms.w))
    fit = fit_norm(rms, inputs)
    torch.testing.assert_close(fit.A, expected.A)
    torch.testing.assert_close(fit.b, expected.b)
    assert fit.r2 == pytest.approx(expected.r2)
    assert explained(fit, rms, inputs) == pytest.approx(fit.r2)


def test_what_a_map_explains_of_the_rows_that_it_was_fitted_to_is_its_r2(small, strings):
    _, cache = small.run_with_cache(strings.tokens)
    inputs = cache["blocks.1.hook_resid_post"][:, 0]
    fit = fit_norm(small.ln_final, inputs)
    assert explained(fit, small.ln_final, inputs) == pytest.approx(fit.r2, abs=1e-5)


def test_a_map_explains_less_where_the_norm_acts_otherwise():
    config = Config(
        n_layers=1, d_model=4, n_heads=1, d_head=2, n_ctx=2, d_vocab=2, d_vocab_out=2, attention_dir="causal"
    )
    norm = LayerNorm(config, "ln_final")
    inputs = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * 0.1 + torch.arange(4.0)
    fit = fit_norm(norm, inputs)
    assert fit.r2 > 0.9
    # Ten times as far out the norm's output is the same, and the map's is not.
    assert explained(fit, norm, 10 * inputs) < 0.0


def test_without_a_norm_everything_is_explained():
    inputs = torch.randn(5, 4)
    assert explained(fit_norm(NoNorm(), inputs), NoNorm(), inputs) == 1.0


def test_the_public_models_fit_of_the_final_norm_is_golden(public):
    assert math.isclose(public.fit.r2, public.values["ln_fit_r2_ln_final_pos0_5000"]["value"], abs_tol=1e-5)
    golden = public.tensors["ln_fit_coef_ln_final_pos0_5000"]
    scale = golden.abs().max().item()
    torch.testing.assert_close(public.fit.A.float(), golden, atol=1e-3 * scale, rtol=0)
