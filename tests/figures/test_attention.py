from __future__ import annotations

import numpy as np
import pytest

from algoscope.figures.attention import attention_bars, attention_viewer


@pytest.fixture
def viewer():
    """Two heads in a row, two examples of different length."""
    patterns = [np.eye(3)[None].repeat(2, 0), np.ones((2, 2, 2)) / 2]
    tokens = [["<b>", "7", "7"], ["x", "y"]]
    return attention_viewer(patterns, ["0.0", "1.0"], tokens, ["first", "second"], columns=2)


def test_the_first_example_is_shown_and_the_menu_shows_one_example_at_a_time(viewer):
    assert [trace.visible for trace in viewer.data] == [True, True, False, False]
    masks = [button.args[0]["visible"] for button in viewer.layout.updatemenus[0].buttons]
    assert masks == [[True, True, False, False], [False, False, True, True]]


def test_equal_tokens_are_different_places_and_no_token_is_read_as_html(viewer):
    assert list(viewer.data[0].x) == ["0: &lt;b&gt;", "1: 7", "2: 7"]
    assert "weight %{z:.3f}" in viewer.data[0].hovertemplate


def test_panels_carry_the_weights_they_were_given(viewer):
    assert np.array_equal(viewer.data[1].z, np.eye(3))
    assert np.array_equal(viewer.data[2].z, np.ones((2, 2)) / 2)


def test_axes_say_which_is_query_and_which_is_key(viewer):
    assert (viewer.layout.xaxis.title.text, viewer.layout.yaxis.title.text) == ("key", "query")


def test_the_position_that_is_read_most_stands_out():
    figure = attention_bars(np.array([0.25, 0.5, 0.25]), query=7, most=1, over="all <b>")
    (bars,) = figure.data
    assert (list(bars.x), list(bars.y)) == ([0, 1, 2], [0.25, 0.5, 0.25])
    assert bars.marker.color[1] != bars.marker.color[0] == bars.marker.color[2]
    assert figure.layout.yaxis.title.text == "mean attention from position 7<br>(all &lt;b&gt;)"
