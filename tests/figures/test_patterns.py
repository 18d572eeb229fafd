from __future__ import annotations

import numpy as np

from algoscope.figures.patterns import attention_panels


def test_patterns_are_squares_with_query_above_key():
    patterns = {name: np.eye(3) * scale for name, scale in (("one", 1.0), ("<two>", 0.5), ("three", 0.2))}
    figure = attention_panels(patterns, ["a", "b", "<c>"])
    assert np.allclose([panel.z for panel in figure.data], [*patterns.values()])
    assert list(figure.data[0].x) == list(figure.data[0].y) == ["a", "b", "&lt;c&gt;"]
    assert [title.text for title in figure.layout.annotations] == ["one", "&lt;two&gt;", "three"]
    assert figure.layout.yaxis.autorange == "reversed"
    assert (figure.layout.yaxis.title.text, figure.layout.xaxis3.title.text) == ("query", "key")


def test_one_pattern_can_be_drawn():
    assert len(attention_panels({"one": np.eye(2)}, ["a", "b"]).data) == 1
