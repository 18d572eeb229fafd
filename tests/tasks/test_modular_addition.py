"""Labels of all 53² inputs, and how they are drawn."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from algoscope.errors import UserError
from algoscope.tasks.modular_addition import ModularAddition

TASK = ModularAddition()


def test_labels_and_concepts_of_all_inputs_are_those_of_counting_on():
    pairs = list(product(range(53), repeat=2))
    examples = TASK.examples(TASK.encode(pairs))
    concepts = examples.concepts
    assert examples.tokens.tolist() == [[first, second, 53] for first, second in pairs]
    for row, (first, second) in enumerate(pairs):
        total = first
        for _ in range(second):
            total = 0 if total == 52 else total + 1
        assert examples.labels[row] == total
        assert concepts["sum"][row] == len(range(first)) + len(range(second))
        assert bool(concepts["wraps"][row]) == (total < first)
        assert (concepts["first"][row], concepts["second"][row]) == (first, second)
    groups = TASK.groups(examples)
    assert torch.equal(groups["sum of 53 or more"], concepts["wraps"])
    assert torch.equal(groups["sum below 53"], ~concepts["wraps"])


def test_all_inputs_are_as_likely():
    tokens = TASK.sample(280_900, seed=0).tokens
    counts = (53 * tokens[:, 0] + tokens[:, 1]).bincount(minlength=53**2)
    # Mean and standard deviation of chi-square with 2808 degrees of freedom: 2808 and 75.
    assert ((counts - 100.0) ** 2 / 100).sum() < 2808 + 5 * 75


def test_pairs_are_written_as_lists_or_text():
    assert TASK.encode(["50 10", "50,10", (50, 10)]).tolist() == [[50, 10, 53]] * 3
    assert TASK.show(TASK.encode(["50 10"])[0]).plain == "50 10 ="
    assert TASK.encode([]).shape == (0, 3)


@pytest.mark.parametrize(
    ("pair", "message"),
    [("53 0", "has '53'"), ((0, -1), "has -1"), ((1, 2, 3), "has 3 numbers: give 2"), ((1, 0.5), "has 0.5")],
)
def test_what_is_no_pair_is_named(pair: object, message: str):
    with pytest.raises(UserError, match=message):
        TASK.encode([pair])
