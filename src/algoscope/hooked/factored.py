"""A matrix of low rank, kept as the two factors that it is the product of."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from algoscope.errors import UserError


class FactoredMatrix:
    """`A @ B` without forming it: A `[*lead ldim mdim]`, B `[*lead mdim rdim]`, leading axes broadcast.

    Norms, singular values and eigenvalues are computed from the factors, in mdim rather than ldim or rdim.
    Raises UserError where the factors don't fit.

    >>> matrix = FactoredMatrix(torch.ones(4, 1), torch.ones(1, 4))
    >>> matrix.shape, round(matrix.norm().item(), 4), (matrix @ torch.ones(4)).tolist()
    (torch.Size([4, 4]), 4.0, [4.0, 4.0, 4.0, 4.0])
    """

    def __init__(self, A: Float[Tensor, "*lead ldim mdim"], B: Float[Tensor, "*lead mdim rdim"]) -> None:
        try:
            lead = torch.broadcast_shapes(A.shape[:-2], B.shape[:-2])
        except RuntimeError:
            lead = None
        if lead is None or A.ndim < 2 or B.ndim < 2 or A.shape[-1] != B.shape[-2]:
            raise UserError(
                f"no product of {list(A.shape)} and {list(B.shape)}: the last axis of one is the last but "
                "one of the other, and the axes before these are equal or 1"
            )
        self.A = A.broadcast_to(*lead, *A.shape[-2:])
        self.B = B.broadcast_to(*lead, *B.shape[-2:])
        self.ldim, self.mdim, self.rdim = A.shape[-2], A.shape[-1], B.shape[-1]
        self.shape = torch.Size((*lead, self.ldim, self.rdim))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def has_leading_dims(self) -> bool:
        return self.ndim > 2

    @property
    def pair(self) -> tuple[Tensor, Tensor]:
        return self.A, self.B

    @property
    def AB(self) -> Float[Tensor, "*lead ldim rdim"]:
        return self.A @ self.B

    @property
    def BA(self) -> Float[Tensor, "*lead mdim mdim"]:
        """The product the other way round, which has the same eigenvalues apart from zeros."""
        if self.ldim != self.rdim:
            raise UserError(f"B @ A needs a square matrix: this one is {list(self.shape)}")
        return self.B @ self.A

    @property
    def T(self) -> FactoredMatrix:
        return FactoredMatrix(self.B.mT, self.A.mT)

    def __matmul__(self, other: Tensor | FactoredMatrix) -> Any:
        """Factored for a matrix; a plain vector for a vector."""
        if isinstance(other, FactoredMatrix):
            return (self @ other.A) @ other.B
        if other.ndim == 1:
            return (self.A @ (self.B @ other[:, None])).squeeze(-1)
        # The narrower of the two ways to keep it in two factors.
        if self.rdim > self.mdim:
            return FactoredMatrix(self.A, self.B @ other)
        return FactoredMatrix(self.AB, other)

    def __rmatmul__(self, other: Tensor) -> Any:
        if other.ndim == 1:
            return ((other[None] @ self.A) @ self.B).squeeze(-2)
        if self.ldim > self.mdim:
            return FactoredMatrix(other @ self.A, self.B)
        return FactoredMatrix(other, self.AB)

    def __mul__(self, scalar: float | Tensor) -> FactoredMatrix:
        if isinstance(scalar, Tensor) and scalar.numel() != 1:
            raise UserError(f"* takes one number, not {list(scalar.shape)}: for a matrix product write @")
        return FactoredMatrix(self.A * scalar, self.B)

    __rmul__ = __mul__

    def __getitem__(self, index: Any) -> FactoredMatrix:
        """Along the leading axes, and then of rows and columns, of which an integer keeps the axis."""
        given = index if isinstance(index, tuple) else (index,)
        lead, within = given[: self.ndim - 2], given[self.ndim - 2 :]
        if Ellipsis in [each for each in given if each is Ellipsis] or len(within) > 2:
            raise UserError(f"{list(given)} is no index of a factored matrix {list(self.shape)}")
        rows, columns = (*map(_kept, within), slice(None), slice(None))[:2]
        A, B = self.A[lead], self.B[lead]
        return FactoredMatrix(A[..., rows, :], B[..., :, columns])

    @cached_property
    def _svd(self) -> tuple[Tensor, Tensor, Tensor]:
        """From the factors' own: of the small matrix between their orthogonal parts."""
        left, left_sizes, left_v = torch.linalg.svd(self.A, full_matrices=False)
        right_u, right_sizes, right = torch.linalg.svd(self.B, full_matrices=False)
        between = left_sizes[..., :, None] * (left_v @ right_u) * right_sizes[..., None, :]
        u, sizes, v = torch.linalg.svd(between, full_matrices=False)
        return left @ u, sizes, (v @ right).mT

    def svd(self) -> tuple[Tensor, Tensor, Tensor]:
        """`U [*lead ldim m]`, `S [*lead m]`, `Vh [*lead rdim m]` with `AB = U @ S.diag() @ Vh.T`.

        The last is what others call V: the name is the old one.
        """
        return self._svd

    @property
    def U(self) -> Float[Tensor, "*lead ldim m"]:
        return self._svd[0]

    @property
    def S(self) -> Float[Tensor, "*lead m"]:
        return self._svd[1]

    @property
    def Vh(self) -> Float[Tensor, "*lead rdim m"]:
        return self._svd[2]

    @property
    def eigenvalues(self) -> Complex[Tensor, "*lead mdim"]:
        """Those of `AB`, apart from zeros."""
        found: Tensor = torch.linalg.eigvals(self.BA)
        return found

    def norm(self) -> Float[Tensor, "*lead"]:
        """Frobenius norm."""
        return self.S.pow(2).sum(-1).sqrt()

    def collapse_l(self) -> Float[Tensor, "*lead m rdim"]:
        """`S Vᵀ`: the matrix but for a rotation on its left."""
        return self.S[..., :, None] * self.Vh.mT

    def collapse_r(self) -> Float[Tensor, "*lead ldim m"]:
        """`U S`: the matrix but for a rotation on its right."""
        return self.U * self.S[..., None, :]

    def make_even(self) -> FactoredMatrix:
        """The same matrix with factors of equal size: `U √S` and `√S Vᵀ`."""
        root = self.S.sqrt()
        return FactoredMatrix(self.U * root[..., None, :], root[..., :, None] * self.Vh.mT)

    def unsqueeze(self, dim: int) -> FactoredMatrix:
        return FactoredMatrix(self.A.unsqueeze(dim), self.B.unsqueeze(dim))

    def get_corner(self, k: int = 3) -> Float[Tensor, "*lead k k"]:
        return self.A[..., :k, :] @ self.B[..., :, :k]

    def __repr__(self) -> str:
        return f"FactoredMatrix: Shape({self.shape}), Hidden Dim({self.mdim})"


def _kept(index: Any) -> Any:
    """An integer as the slice of that one row."""
    if isinstance(index, int):
        return slice(index, index + 1 or None)
    return index
