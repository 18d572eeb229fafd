from __future__ import annotations

import numpy as np

from algoscope.figures.positions import attention_of_examples, position_points


def test_each_kind_of_position_has_its_own_points():
    values = np.array([[10.0, 11.0, 12.0], [20.0, 21.0, 22.0]])
    figure = position_points(values, [4, 5, 6], {"early": [4, 5], "late": [6, 7]}, "m")
    early, late = figure.data
    assert list(early.x) == [4, 5, 4, 5]
    assert list(early.y) == [10, 11, 20, 21]
    assert list(late.y) == [12, 22]


def test_marked_positions_stand_out():
    figure = attention_of_examples(np.array([[0.25, 0.75]]), [["a", "<b>"]], [[False, True]], ["one"])
    assert len(set(figure.data[0].marker.color)) == 2
    assert list(figure.data[0].x) == ["0: a", "1: &lt;b&gt;"]
