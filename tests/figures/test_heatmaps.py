from __future__ import annotations

import numpy as np
import pytest

from algoscope.figures.heatmaps import heatmaps


def test_panels_share_one_scale_that_is_even_around_the_middle():
    figure = heatmaps(
        {"a": np.array([[0.1, 0.2]]), "b": np.array([[0.5, np.nan]])}, ["r"], ["c", "d"], ("x", "y"), "m", 0.2
    )
    colours = figure.layout.coloraxis
    assert (colours.cmin, colours.cmax) == pytest.approx((-0.1, 0.5))
    assert [trace.coloraxis for trace in figure.data] == ["coloraxis", "coloraxis"]


def test_small_tables_show_their_numbers_and_large_ones_don_t():
    def texts(size: int) -> str | None:
        names = list(map(str, range(size)))
        return heatmaps({"": np.zeros((size, size))}, names, names, ("", ""), "").data[0].texttemplate

    assert texts(3)
    assert texts(30) is None


def test_a_table_of_nothing_but_gaps_can_be_drawn():
    assert heatmaps({"": np.full((1, 1), np.nan)}, ["a"], ["b"], ("", ""), "", middle=0.5).data
