from __future__ import annotations

import pytest

from algoscope.figures.needs import bars_with_intervals


def test_a_bar_shows_its_value_and_reaches_from_one_end_of_its_interval_to_the_other():
    figure = bars_with_intervals(
        {"mean": [(1.0, 0.5, 3.0)], "zero": [(0, 0, 0)]}, ["<b>"], ("part", "rise"), 0.05
    )
    bar = figure.data[0]
    assert (list(bar.x), list(bar.y)) == (["&lt;b&gt;"], [1.0])
    assert (list(bar.error_y.array), list(bar.error_y.arrayminus)) == ([2.0], [pytest.approx(0.5)])
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("part", "rise")
    assert figure.layout.shapes[0].y0 == 0.05
    assert bar.marker.color != figure.data[1].marker.color
