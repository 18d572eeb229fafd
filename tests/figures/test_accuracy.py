from __future__ import annotations

import pytest

from algoscope.figures.accuracy import error_bars


def test_each_group_has_a_bar_with_its_count():
    (bars,) = error_bars({"all <b>": 0.5, "few": 0.0}, {"all <b>": 12_345, "few": 2}).data
    assert list(bars.y) == ["all &lt;b&gt; (12,345)", "few (2)"]
    assert list(bars.x) == [0.5, 0.0]


def test_one_wrong_answer_of_thousands_does_not_fill_the_axis():
    assert error_bars({"all": 1e-4}, {"all": 10_000}).layout.xaxis.range == (0, 0.01)
    assert error_bars({"all": 0.5}, {"all": 10}).layout.xaxis.range == pytest.approx((0, 0.575))
