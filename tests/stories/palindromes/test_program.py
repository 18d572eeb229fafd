from __future__ import annotations

import pytest
import torch

from algoscope.stories.palindromes import program


def test_the_program_stands_beside_the_trivial_baselines():
    """Log odds of 3 to 1 either way: the model errs on the second of three, the program on the third."""
    sure = torch.tensor(3.0).log()
    did, said, unfitted = sure * torch.tensor([[1.0, 1, -1], [1, 1, 1], [-1, 1, -1]])
    rule = torch.tensor([True, False, False])
    found = program._baselines(program.Compared(None, rule, said, did, unfitted))
    rows = {name: values for name, *values in found.rows}
    # Agreement, that on the one mistake, and how far probabilities of 3/4, 1/4, 1, 0 are from the model's.
    assert rows == {
        "the program": pytest.approx([2 / 3, 1, 0.5 / 3]),
        "the same, nothing fitted": pytest.approx([2 / 3, 1, 0.5 / 3]),
        "the task's rule": pytest.approx([2 / 3, 0, (0.25 + 0.75 + 0.25) / 3]),
        # The model's mean is 7/12.
        "always the commoner verdict": pytest.approx([2 / 3, 1, (2 / 12 + 2 / 12 + 4 / 12) / 3]),
    }


def test_without_a_mistake_nothing_is_said_of_mistakes():
    did = torch.tensor([1.0, -1.0])
    found = program._baselines(program.Compared(None, did > 0, did, did, did))
    assert {row[2] for row in found.rows} == {None}
