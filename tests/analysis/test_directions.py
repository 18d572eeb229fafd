from __future__ import annotations

import pytest
import torch

from algoscope.analysis.attribution import Direction
from algoscope.analysis.components import decompose
from algoscope.analysis.directions import attention_norm_fit, through_head
from algoscope.analysis.linearised import LinearFit
from algoscope.model.head import Head


def test_a_dot_product_before_the_head_is_one_after_it(small):
    """With an identity for a norm, moving a vector by the head and then reading it is reading it at once."""
    head, d_model = Head(1, 0), small.config.d_model
    generator = torch.Generator().manual_seed(0)
    vector, stream = torch.randn(2, d_model, generator=generator)
    identity = LinearFit(torch.eye(d_model).double(), torch.zeros(d_model).double(), 0.5, 2)
    before = through_head(Direction(vector, "yes", "after", r2=0.5), small, head, identity, "before")
    moved = stream @ small.W_V[1, 0] @ small.W_O[1, 0]
    assert (stream @ before.vector).item() == pytest.approx((moved @ vector).item(), rel=1e-4)
    assert before.r2 == 0.25


def test_the_public_direction_before_head_2_0_is_golden(public):
    fit = attention_norm_fit(public.model, public.examples, 2, 1)
    assert fit.r2 == pytest.approx(public.values["ln_fit_r2_l2_ln1_pos1_5000"]["value"], abs=1e-5)
    found = through_head(public.direction, public.model, Head(2, 0), fit, "before head 2.0")
    golden = public.tensors["pre_20_dir_5000"]
    torch.testing.assert_close(found.vector, golden, atol=1e-3 * golden.abs().max().item(), rtol=0)

    parts = decompose(public.model, public.examples, 1, before=2)
    pushed = parts.values @ found.vector
    pushed = pushed - pushed[:, public.examples.labels == 1].mean(1, keepdim=True)
    golden = public.tensors["out_by_component_in_pre_20_unbalanced_dir_5000"]
    torch.testing.assert_close(pushed, golden, atol=1e-3 * golden.abs().max().item(), rtol=0)


@pytest.mark.parametrize(
    ("layer", "name"), [(1, "ln_fit_r2_l1_ln1_all_5000"), (0, "ln_fit_r2_l0_ln1_all_5000")]
)
def test_the_public_norms_over_all_positions_fit_as_golden(public, layer, name):
    fit = attention_norm_fit(public.model, public.examples, layer, None)
    assert fit.r2 == pytest.approx(public.values[name]["value"], abs=1e-4 if layer == 0 else 1e-5)
