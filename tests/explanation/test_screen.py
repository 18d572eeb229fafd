from __future__ import annotations

import pytest
import torch
from tests.explanation.asked import a_compiled

from algoscope.explanation.pool import fill
from algoscope.explanation.screen import Screen, directions, sensitivities


def left(read: torch.Tensor, codes: list[int], common: list[bool]) -> float:
    """What is left of the variance, pair by pair of different rows."""
    centred = read - read.mean(0)
    spread = float(centred.square().sum()) / (len(read) - 1)
    total = 0.0
    for value in set(codes):
        rows = [row for row, code in enumerate(codes) if code == value]
        pairs = [(one, other) for one in rows for other in rows if one != other]
        if pairs:
            # Half the mean squared distance of two different rows is the cell's unbiased variance.
            apart = sum(float((read[one] - read[other]).square().sum()) for one, other in pairs)
            total += len(rows) * apart / len(pairs) / 2
        elif not common[rows[0]]:
            total += spread
    return total / (spread * len(read))


def test_the_screen_agrees_with_pairs_of_rows():
    generator = torch.Generator().manual_seed(0)
    read = torch.randn(12, 3, generator=generator)
    common = torch.rand(12, generator=generator) < 0.5
    codes = torch.stack(
        [torch.randint(4, (12,), generator=generator), torch.arange(12), torch.arange(12) // 2]
    )
    found, bits = Screen(read, common).unexplained(codes, codes.amax(1) + 1)
    for index in range(3):
        slow = left(read, codes[index].tolist(), common.tolist())
        assert float(found[index]) == pytest.approx(slow, rel=1e-4, abs=1e-6)
    assert float(bits[2]) == pytest.approx(2.585, abs=1e-3)


def test_directions_are_as_long_as_they_move_answers():
    slopes = torch.tensor([[3.0, 0.0], [0.0, 1.0], [-3.0, 0.0], [0.0, -1.0]])
    found = directions(slopes)
    assert found.abs().tolist() == [[pytest.approx(3 / 2**0.5), 0], [0, pytest.approx(1 / 2**0.5)]]


def test_a_model_that_decides_sharply_is_seen_between_its_outputs():
    compiled = a_compiled("palindrome")
    with torch.no_grad():
        pool = fill(compiled.model, compiled.task, compiled.task.sample(300, seed=1))
    mlp = next(each for each in compiled.variables if each.name == "differs from its mirror image")
    slopes = sensitivities(pool, 300, seed=0)[mlp.component]
    sharp, between = slopes[:2], slopes[2:]
    assert between.square().sum() > 10 * sharp.square().sum()
