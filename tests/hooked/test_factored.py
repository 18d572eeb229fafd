from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.hooked import FactoredMatrix

size = st.integers(1, 4)


def draw(data, *lead, square=False):
    left, middle = data.draw(size), data.draw(size)
    right = left if square else data.draw(size)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    return FactoredMatrix(
        torch.randn(*lead, left, middle, generator=generator, dtype=torch.float64),
        torch.randn(*lead, middle, right, generator=generator, dtype=torch.float64),
    )


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_it_is_the_product_of_its_factors(data):
    matrix = draw(data, 2, 3)
    whole = matrix.A @ matrix.B
    torch.testing.assert_close(matrix.AB, whole)
    torch.testing.assert_close(matrix.T.AB, whole.mT)
    torch.testing.assert_close((2 * matrix).AB, 2 * whole)
    torch.testing.assert_close(matrix.norm(), torch.linalg.matrix_norm(whole))
    torch.testing.assert_close(matrix.make_even().AB, whole)
    torch.testing.assert_close(matrix[1, 2].AB, whole[1, 2])
    torch.testing.assert_close(matrix[:, 0].AB, whole[:, 0])
    torch.testing.assert_close(matrix[0, 1, -1].AB, whole[0, 1, -1:])
    torch.testing.assert_close(matrix[0, 1, :, 0].AB, whole[0, 1, :, :1])
    torch.testing.assert_close(matrix.get_corner(2), whole[..., :2, :2])
    assert matrix.shape == whole.shape


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_singular_values_and_vectors_give_it_back(data):
    matrix = draw(data, 2)
    u, s, v = matrix.svd()
    torch.testing.assert_close(u * s[:, None] @ v.mT, matrix.AB)
    torch.testing.assert_close(matrix.collapse_r() @ v.mT, matrix.AB)
    torch.testing.assert_close(u @ matrix.collapse_l(), matrix.AB)
    full = torch.linalg.svdvals(matrix.AB)
    torch.testing.assert_close(s[:, : full.shape[1]], full[:, : s.shape[1]], atol=1e-9, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_products_are_those_of_the_whole_matrix(data):
    matrix = draw(data)
    left, right = matrix.shape
    other = torch.randn(right, 3, dtype=torch.float64)
    torch.testing.assert_close((matrix @ other).AB, matrix.AB @ other)
    torch.testing.assert_close((other.T @ matrix.T).AB, other.T @ matrix.AB.T)
    torch.testing.assert_close(matrix @ other[:, 0], matrix.AB @ other[:, 0])
    torch.testing.assert_close(torch.ones(left).double() @ matrix, torch.ones(left).double() @ matrix.AB)
    torch.testing.assert_close((matrix @ matrix.T).AB, matrix.AB @ matrix.AB.T)


def test_eigenvalues_are_those_of_the_product():
    matrix = FactoredMatrix(torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0]]))
    assert matrix.eigenvalues.real.tolist() == pytest.approx([11.0])


@pytest.mark.parametrize("shapes", [((2, 3), (2, 3)), ((2, 4, 3), (5, 3, 1)), ((3,), (3, 2))])
def test_factors_that_do_not_fit_are_refused(shapes):
    with pytest.raises(UserError, match="no product of"):
        FactoredMatrix(*map(torch.ones, shapes))


def test_what_has_no_meaning_is_refused():
    matrix = FactoredMatrix(torch.ones(2, 1), torch.ones(1, 3))
    with pytest.raises(UserError, match="square"):
        _ = matrix.BA
    with pytest.raises(UserError, match="write @"):
        _ = matrix * torch.ones(2)
    with pytest.raises(UserError, match="no index"):
        _ = matrix[0, 0, 0]


def test_a_product_stays_in_narrow_factors():
    matrix = FactoredMatrix(torch.ones(5, 2), torch.ones(2, 6))
    assert (matrix.ldim, matrix.mdim, matrix.rdim) == (5, 2, 6)
    assert [part.shape for part in (matrix @ torch.ones(6, 7)).pair] == [(5, 2), (2, 7)]
    assert [part.shape for part in (torch.ones(7, 5) @ matrix).pair] == [(7, 2), (2, 6)]
    wide = FactoredMatrix(torch.ones(2, 5), torch.ones(5, 2))
    assert [part.shape for part in (wide @ torch.ones(2, 3)).pair] == [(2, 2), (2, 3)]
    assert [part.shape for part in (torch.ones(3, 2) @ wide).pair] == [(3, 2), (2, 2)]
