"""Tables hold means; what they have not seen falls back; the better of two kinds is taken."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algoscope.explanation.tables import Additive, Joint, _additive, _joint, fitted


def drawn(seed, rows=40, factors=2, kinds=4, d=3):
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randint(-kinds, kinds, (rows, factors), generator=generator) * 1_000_003
    return codes, torch.randn(rows, d, generator=generator, dtype=torch.float64)


def by_dictionary(codes, values):
    """For every beginning of every combination, the mean of its rows."""
    cells = {}
    for code, value in zip(codes.tolist(), values, strict=True):
        for end in range(len(code) + 1):
            cells.setdefault(tuple(code[:end]), []).append(value)
    return {key: torch.stack(each).mean(0) for key, each in cells.items()}


def longest_known(cells, code):
    return next(cells[tuple(code[:end])] for end in range(len(code), -1, -1) if tuple(code[:end]) in cells)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(0, 3))
def test_a_joint_table_says_what_a_dictionary_of_means_says_and_falls_back_as_it_does(seed, factors):
    codes, values = drawn(seed, factors=factors)
    table, _ = _joint(codes, values)
    others, _ = drawn(seed + 1, factors=factors, kinds=6)
    asked = torch.cat([codes, others])
    cells = by_dictionary(codes, values)
    found, known = table(asked)
    for code, value, seen in zip(asked.tolist(), found, known.tolist(), strict=True):
        torch.testing.assert_close(value, longest_known(cells, code))
        assert seen == (tuple(code) in cells)


def test_the_joint_error_is_that_of_tables_made_without_each_row():
    codes, values = drawn(5, rows=25)
    errors = []
    for row in range(len(codes)):
        rest = torch.arange(len(codes)) != row
        other = longest_known(by_dictionary(codes[rest], values[rest]), codes[row].tolist())
        errors.append((values[row] - other).square().sum())
    torch.testing.assert_close(_joint(codes, values)[1], float(torch.stack(errors).mean()))


def test_a_sum_of_tables_is_the_least_squares_of_ones_in_a_matrix():
    codes, values = drawn(3)
    table, error = _additive(codes, values, [codes[:, 0].unique(), codes[:, 1].unique()])
    ones = torch.cat([(codes[:, [i]] == codes[:, i].unique()).double() for i in range(2)], 1)
    inverse = torch.linalg.inv(ones.T @ ones + 0.1 * torch.eye(ones.shape[1]).double())
    fit = values.mean(0) + ones @ inverse @ ones.T @ (values - values.mean(0))
    torch.testing.assert_close(table(codes)[0], fit)
    leverage = (ones @ inverse @ ones.T).diagonal() + 1 / len(codes)
    left = ((values - fit) / (1 - leverage)[:, None]).square().sum(1).mean()
    torch.testing.assert_close(error, float(left))


def test_a_value_that_was_not_seen_adds_nothing_to_a_sum():
    codes, values = drawn(3)
    table, _ = _additive(codes, values, [codes[:, 0].unique(), codes[:, 1].unique()])
    new = codes[:1].clone()
    new[0, 1] = 77
    found, known = table(new)
    cell = (table.values[0] == new[0, 0]).nonzero()[0, 0]
    torch.testing.assert_close(found[0], table.mean + table.added[0][cell])
    assert known.tolist() == [False]


def test_what_adds_up_gets_a_sum_and_what_does_not_gets_a_joint_table():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(30, (1500, 2), generator=generator)
    each = torch.randn(2, 30, 4, generator=generator)
    noise = 0.1 * torch.randn(1500, 4, generator=generator)
    added = fitted(codes, each[0, codes[:, 0]] + each[1, codes[:, 1]] + noise)
    assert isinstance(added, Additive)
    assert added.size == 60
    few = codes % 4
    joint = fitted(few, each[0, few[:, 0]] * each[1, few[:, 1]] + noise)
    assert isinstance(joint, Joint)
    assert joint.size == 16


def test_one_factor_and_none_are_joint_tables():
    codes, values = drawn(1, factors=1)
    assert isinstance(fitted(codes, values), Joint)
    mean = fitted(codes[:, :0], values)
    torch.testing.assert_close(mean(codes[:2, :0])[0], values.mean(0).expand(2, -1))
    assert mean.size == 1
