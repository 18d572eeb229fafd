from __future__ import annotations

from algoscope.figures.intervals import intervals


def test_a_dot_stands_at_each_number_and_its_bar_reaches_from_the_least_to_the_most():
    figure = intervals({"a <b>": (1.0, 3.0, 4.0), "c": (0.0, 0.0, 9.0)}, "errors", line=5.0)
    (dots,) = figure.data
    assert list(dots.x) == [3.0, 0.0]
    assert list(dots.y) == ["a &lt;b&gt;", "c"]
    assert list(dots.error_x.array) == [1.0, 9.0]
    assert list(dots.error_x.arrayminus) == [2.0, 0.0]


def test_the_axis_begins_at_zero_and_shows_the_line():
    assert intervals({"a": (0.0, 0.0, 1.0)}, "errors", line=5.0).layout.xaxis.range == (0, 5.4)
    assert intervals({"a": (0.0, 0.0, 0.0)}, "errors").layout.xaxis.range == (0, 1.0)
