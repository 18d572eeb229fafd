from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Generator

from algoscope.explanation.partners import partners

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@given(ROWS, st.integers(0, 5))
def test_a_partner_agrees_on_one_thing_and_differs_in_another(rows: list[tuple[int, int]], seed: int):
    agree, apart = torch.tensor(rows).T
    found = partners(agree, apart, torch.arange(len(rows)), Generator().manual_seed(seed))
    for (same, own), other in zip(rows, found.tolist(), strict=True):
        could = [each for each, row in enumerate(rows) if row[0] == same and row[1] != own]
        assert other in could if could else other == -1


def test_every_partner_is_as_likely():
    agree, apart = torch.tensor([0, 0, 0, 0, 1]), torch.tensor([0, 1, 1, 2, 3])
    found = partners(agree, apart, torch.zeros(3000, dtype=torch.long), Generator().manual_seed(0))
    shares = found.bincount(minlength=5) / 3000
    assert shares[[0, 4]].tolist() == [0, 0]
    assert (shares[1:4] - 1 / 3).abs().max() < 0.05
