from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from algoscope.model.component import Component
from algoscope.stories.brackets.before import _sharp

BALANCED = [4.0, 6.0]
"""What the MLP contributes to them: 5 on average, with a standard deviation of the root of 2."""


def sharp(below: float, above: float):
    """A string that starts closed, two balanced ones, and two on each side of one half, with these means."""
    values = torch.tensor([-99.0, *BALANCED, below - 1, below + 1, above - 1, above + 1])
    subject = SimpleNamespace(
        mlps=(0,),
        opens=torch.tensor([False] + 6 * [True]),
        opening=SimpleNamespace(labels=torch.tensor([1, 1, 0, 0, 0, 0])),
        share=torch.tensor([0.5, 0.5, 0.4, 0.2, 0.6, 0.8]),
    )
    return _sharp(subject, SimpleNamespace(pushed={Component.mlp(0): values}))


@pytest.mark.parametrize(("below", "above", "said"), [(5, 7, "0.0 below one half, 1.4 above"),
                                                      (8, 5, "2.1 below one half, 0.0 above")])  # fmt: skip
def test_how_sharp_a_dip_is_is_counted_in_balanced_strings_deviations_on_the_flatter_side(below, above, said):
    found = sharp(below, above)
    assert found.value == pytest.approx(0, abs=1e-6)
    assert found.said == said


def test_a_dip_is_as_deep_as_both_sides_stand_above_it():
    assert sharp(7, 9).value == pytest.approx(2 / 2**0.5)
    assert sharp(9, 7).value == pytest.approx(2 / 2**0.5)
