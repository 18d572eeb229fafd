from __future__ import annotations

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from algoscope.figures.look import GROUP_COLOURS, coloured, group_colours, wrapped


def test_a_group_has_one_colour_wherever_it_stands():
    colours = group_colours(["one", "new", "balanced"])
    assert colours["balanced"] == group_colours(["balanced"])["balanced"] == GROUP_COLOURS["balanced"]
    assert len(set(colours.values())) == 3


def test_long_titles_are_broken_between_words_and_short_names_are_left_alone():
    assert wrapped("share of “(” among the <b>", 14) == "share of “(”<br>among the &lt;b&gt;"
    assert wrapped("total_elevation_failure", 12) == "total_elevation_failure"
    assert wrapped(" ", 12) == " "


def test_the_key_of_colours_lies_above_the_panels_and_their_titles():
    plain = coloured(go.Figure(go.Heatmap(z=[[1]])), "weight <b>", cmin=0)
    titled = coloured(make_subplots(1, 1, subplot_titles=["one"]), "weight", cmin=0)
    assert plain.layout.title.text == "weight &lt;b&gt;"
    assert (plain.layout.coloraxis.cmin, plain.layout.coloraxis.colorbar.orientation) == (0, "h")
    assert titled.layout.margin.t > plain.layout.margin.t >= 60
