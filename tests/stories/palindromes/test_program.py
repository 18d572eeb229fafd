from __future__ import annotations

import pytest
import torch

from algoscope.model.head import Head
from algoscope.stories.palindromes import program
from algoscope.stories.palindromes.mirror_program import Program, Tables


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


def test_the_tables_say_of_each_reader_what_a_match_scores_and_pushes_and_then_a_mismatch():
    """Scores are 1000 by state, 100 by reader and 1 by position, and pushes are their negatives."""
    score = 1000 * torch.arange(2)[:, None, None] + 100 * torch.arange(2)[:, None] + torch.arange(22)
    tables = Tables((Head(1, 0), Head(1, 1)), score, -score)
    found = program._tables(Program(tables, sharpness=1.0, gain=1.0, bias=0.0))
    assert found.columns[1:5] == ("1.0 score: match", "mismatch", "1.0 push: match", "mismatch")
    assert found.rows[0] == ("20–1", 20, 1020, -20, -1020, 120, 1120, -120, -1120)
    assert [row[1] for row in found.rows] == list(range(20, 10, -1))
