from __future__ import annotations

from algoscope.figures.points import points


def test_each_thing_is_a_point_under_its_name_in_the_colour_of_its_series():
    series = {"MLP 0": {"0.1": (0.2, 3.0), "0.2": (0.5, 1.0)}, "<b>": {"1.0": (0.0, 0.0)}}
    figure = points(series, ("alignment", "strength"))
    first, second = figure.data
    assert list(zip(first.text, first.x, first.y, strict=True)) == [("0.1", 0.2, 3.0), ("0.2", 0.5, 1.0)]
    assert second.name == "&lt;b&gt;"
    assert first.marker.color != second.marker.color
    assert figure.layout.xaxis.title.text == "alignment"
