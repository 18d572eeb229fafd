from __future__ import annotations

import numpy as np

from algoscope.figures.look import GROUP_COLOURS
from algoscope.figures.scatter import two_heads


def test_each_group_has_its_points_in_its_own_colour():
    groups = {"balanced": np.array([True, False, True]), "rest": np.array([False, True, False])}
    figure = two_heads(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0]), groups, ("one <b>", "other"))
    balanced, rest = figure.data
    assert list(zip(balanced.x, balanced.y, strict=True)) == [(1, 4), (3, 6)]
    assert list(zip(rest.x, rest.y, strict=True)) == [(2, 5)]
    assert balanced.marker.color == GROUP_COLOURS["balanced"] != rest.marker.color
    assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("one &lt;b&gt;", "other")
