from __future__ import annotations

import numpy as np

from algoscope.figures.looks import attention_beside


def test_each_head_has_a_row_with_its_attention_and_its_pattern():
    attention, pattern = np.full((2, 3), 1 / 3), np.eye(3)[:2]
    figure = attention_beside(
        {("head 0.0", "at <b> always"): (attention, pattern), ("head 1.0", "evenly"): (pattern, attention)},
        [(4, 7), (4, 7)],
        range(3),
    )
    assert len(figure.data) == 4
    assert np.allclose(figure.data[0].z, attention)
    assert np.allclose(figure.data[1].z, pattern)
    assert figure.data[0].y == ("4", "7")
    assert figure.data[0].x == ("0", "1", "2")
    titles = [each.text for each in figure.layout.annotations]
    assert titles == ["head 0.0", "at &lt;b&gt; always", "head 1.0", "evenly"]
    below = [figure.layout[f"xaxis{panel}"].title.text for panel in ("", 2, 3, 4)]
    assert below == [None, None, "key", "key"]
    assert figure.layout.yaxis.title.text == "query"


def test_one_head_with_one_query_has_a_figure_that_can_be_read():
    figure = attention_beside({("head 0.0", "evenly"): (np.ones((1, 4)) / 4,) * 2}, [(3,)], range(4))
    assert figure.layout.height > 150
