from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from algoscope.stories.brackets.tally_writes import _predictions
from algoscope.tasks.brackets import Brackets


@pytest.mark.parametrize(
    ("strings", "spread"), [(["()", "(((", "(()"], None), (["()", "()()", "(((", "(()"], 0.0)], ids=str
)
def test_two_strings_of_as_many_as_each_other_are_enough_to_compare_and_one_is_not(strings, spread):
    """What is written is exactly the difference, divided by the length."""
    written = torch.tensor([[(s.count("(") - s.count(")")) / len(s)] for s in strings])
    opening = SimpleNamespace(tokens=Brackets().encode(strings))
    subject = SimpleNamespace(opening=opening, written=lambda head: written)
    scaled, _, same = _predictions(subject, SimpleNamespace(head=None, axis=torch.ones(1)))
    assert scaled.value == pytest.approx(1)
    assert same.value == spread
    assert same.verdict == ("open" if spread is None else "holds")
