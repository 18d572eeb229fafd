from __future__ import annotations

import pytest

from algoscope.stories.brackets.first_bracket import first_bracket


def test_bars_are_how_far_the_logits_move_and_a_head_that_writes_nothing_moves_none(seen_of):
    """Head 1.0 writes 1 to the answer if a string starts with “)”, which is 20 logits; head 0.1 nothing."""
    (drawn,) = first_bracket(seen_of("no negative head")).illustrations
    (bars,) = drawn.figure.data
    moved = dict(zip(bars.x, bars.y, strict=True))
    assert moved["head 1.0"] == pytest.approx(20)
    assert moved["head 0.1"] == pytest.approx(0)
