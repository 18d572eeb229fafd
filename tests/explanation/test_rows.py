from __future__ import annotations

import torch
from torch import Generator

from algoscope.explanation.places import everywhere
from algoscope.explanation.rows import Rows


def test_another_row_agrees_and_sees_something_else_or_is_the_row_itself():
    own = Rows(everywhere(0), torch.ones(1, 5, dtype=torch.bool), torch.tensor([0, 1, 1, 2, 3]), 5)
    found = own.others(torch.tensor([0, 0, 0, 5, 5]), Generator().manual_seed(0)).tolist()
    assert found[0] in (1, 2)
    assert found[1] == found[2] == 0
    assert found[3:] == [4, 3]
    alone = own.others(torch.tensor([0, 1, 1, 2, 3]), Generator().manual_seed(0))
    assert alone.tolist() == [0, 1, 2, 3, 4]
