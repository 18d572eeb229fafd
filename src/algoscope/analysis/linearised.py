"""Which linear map does a norm act like, on these inputs?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.errors import UserError
from algoscope.model.norms import LayerNorm, NoNorm, Norm, RMSNorm

CUT = 1e-5
"""Singular values of the inputs below this share of the largest are rounding noise, and are left out."""


@dataclass(frozen=True)
class LinearFit:
    """`output ≈ A input + b`, fitted to data."""

    A: Float[Tensor, "d_out d_in"]
    b: Float[Tensor, "d_out"]
    r2: float
    """Share of variance explained, averaged over outputs with equal weight; 1 is a perfect fit."""
    rows: int
    """How many examples it was fitted to."""


def fit_linear(x: Float[Tensor, "*row d_in"], y: Float[Tensor, "*row d_out"]) -> LinearFit:
    """The affine map with the least squared error, and of those the one of least norm. In float64.

    Raises UserError for fewer than two rows, which determine nothing.
    """
    x, y = x.flatten(0, -2).double(), y.flatten(0, -2).double()
    if len(x) < 2:
        raise UserError(f"a linear fit needs at least 2 examples, not {len(x)}: give more examples")
    x_mean, y_mean = x.mean(0), y.mean(0)
    x, y = x - x_mean, y - y_mean
    # From the eigenvectors of x.T @ x, not by torch.linalg.lstsq: only a driver that GPUs lack has a cut.
    squared, v = torch.linalg.eigh(x.T @ x)
    kept = squared > CUT**2 * squared[-1]
    A = (y.T @ x @ v[:, kept]) / squared[kept] @ v[:, kept].T
    return LinearFit(A, y_mean - A @ x_mean, _r2(y, y - x @ A.T, y_mean), len(x))


def fit_norm(norm: Norm, inputs: Float[Tensor, "*row d_model"]) -> LinearFit:
    """The linear map that this norm acts like on these inputs.

    Method: ARENA 1.5.1. A direction `d` after the norm is the direction `A.T @ d` before it, up to what
    the fit misses (`r2`). Take inputs from one position for that position's map, or from all.
    """
    x = inputs.detach().flatten(0, -2).double()
    width = x.shape[-1]
    if isinstance(norm, NoNorm):
        return LinearFit(torch.eye(width).double(), torch.zeros(width).double(), 1.0, len(x))
    fit = fit_linear(x, norm.plain(x))
    # The learnt scale is put on afterwards: where it is almost zero, the output is mostly rounding.
    w, b = _learnt(norm, fit.b)
    return LinearFit(w[:, None] * fit.A, w * fit.b + b, fit.r2, fit.rows)


def explained(fit: LinearFit, norm: Norm, inputs: Float[Tensor, "row d_model"]) -> float:
    """The share of variance that a map explains of what the norm makes of other inputs than it was fitted to.

    Averaged over outputs with equal weight; below 0 where their mean would do better.
    """
    if isinstance(norm, NoNorm):
        return 1.0
    x = inputs.detach().double()
    w, b = _learnt(norm, x[0])
    y = norm.plain(x) * w + b
    return _r2(y - y.mean(0), y - (x @ fit.A.T + fit.b), y.mean(0))


def _learnt(
    norm: LayerNorm | RMSNorm, like: Float[Tensor, "d_model"]
) -> tuple[Float[Tensor, "d_model"], Float[Tensor, "d_model"]]:
    """The norm's learnt scale and shift; ones and zeros where it has none."""
    w, b = norm.w, getattr(norm, "b", None)
    scale = torch.ones_like(like) if w is None else w.detach().to(like)
    return scale, torch.zeros_like(like) if b is None else b.detach().to(like)


def _r2(
    centred: Float[Tensor, "row d_out"], missed: Float[Tensor, "row d_out"], mean: Float[Tensor, "d_out"]
) -> float:
    """An output that varies by no more than rounding is met by its mean, and counts as explained."""
    total, left = centred.pow(2).mean(0), missed.pow(2).mean(0)
    varies = total > 1e-20 * mean.pow(2)
    return torch.where(varies, 1 - left / total, torch.ones_like(total)).mean().item()
