from __future__ import annotations

import numpy as np
import pytest

from algoscope.figures.heatmaps import heatmaps
from algoscope.figures.look import IMPOSSIBLE


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


def test_a_cell_that_can_have_no_value_is_grey_where_nought_is_white():
    figure = heatmaps({"": np.array([[0.0, np.nan]])}, ["r"], ["c", "d"], ("x", "y"), "m")
    assert figure.layout.coloraxis.colorscale[0] == (0.0, "#ffffff")
    assert np.isnan(figure.data[0].z[0, 1])
    assert figure.layout.plot_bgcolor == IMPOSSIBLE


@pytest.mark.parametrize(
    ("values", "shown"), [([0.0, 24.0], "0"), ([0.5, 24.0], "2"), ([0.0031, -0.009], "4"), ([1e-9, 0.0], "4")]
)
def test_numbers_have_as_many_places_as_they_need(values, shown):
    (cells,) = heatmaps({"": np.array([values])}, ["r"], ["c", "d"], ("x", "y"), "m").data
    assert cells.texttemplate == f"%{{z:.{shown}f}}"


def test_panels_name_their_rows_once_and_long_columns_take_two_lines():
    table = np.zeros((1, 2))
    figure = heatmaps({"a": table, "b": table}, ["r"], ["queries and keys", "c"], ("x", "y"), "m")
    assert list(figure.data[0].x) == ["queries and<br>keys", "c"]
    assert (figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text) == ("x", None)
    assert figure.layout.yaxis2.showticklabels is False
