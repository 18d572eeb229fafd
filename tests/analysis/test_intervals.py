from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoscope.analysis.intervals import wilson


@given(count=st.integers(1, 10**6), data=st.data())
def test_at_its_ends_the_share_that_was_seen_lies_1_96_standard_deviations_away(count, data):
    hits = data.draw(st.integers(0, count))
    share = hits / count
    for end in wilson(hits, count):
        if 0 < end < 1:
            assert (share - end) ** 2 == pytest.approx(1.96**2 * end * (1 - end) / count, rel=1e-6, abs=1e-9)


def test_none_and_all_leave_room_on_one_side():
    low, high = wilson(0, 20)
    assert (low, high) == (0.0, pytest.approx(0.1611, abs=1e-4))
    assert wilson(20, 20) == (pytest.approx(1 - high), pytest.approx(1.0))
