from __future__ import annotations

import numpy as np

from algoscope.figures.bars import grouped_bars, lines_by_position


def test_each_series_has_its_bars_in_the_order_of_the_labels():
    figure = grouped_bars({"a <b>": [1.0, 2.0], "c": [3.0, 4.0]}, ["x", "<y>"], "logits", line=0.5)
    assert [list(bar.x) for bar in figure.data] == [["x", "&lt;y&gt;"]] * 2
    assert [list(bar.y) for bar in figure.data] == [[1, 2], [3, 4]]
    assert [bar.name for bar in figure.data] == ["a &lt;b&gt;", "c"]
    assert figure.data[0].marker.color != figure.data[1].marker.color
    assert figure.layout.yaxis.title.text == "logits"
    assert figure.layout.shapes[0].y0 == 0.5


def test_one_series_needs_no_legend():
    assert not grouped_bars({"a": [1.0]}, ["x"], "logits").layout.showlegend


def test_a_line_runs_along_the_positions_and_a_dashed_one_shows_evenness():
    figure = lines_by_position(
        {"a": np.array([0.1, 0.2]), "b": np.array([0.3, 0.4])}, [4, 7], ("place", "m"), 0.5
    )
    assert [list(line.x) for line in figure.data] == [[4, 7], [4, 7]]
    assert np.allclose([line.y for line in figure.data], [[0.1, 0.2], [0.3, 0.4]])
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("place", "m")
    assert (figure.layout.shapes[0].y0, figure.layout.shapes[0].line.dash) == (0.5, "dash")
