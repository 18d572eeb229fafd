from __future__ import annotations

import numpy as np
import pytest

from algoscope.figures.pair_bars import bars_above


def test_bars_stand_above_one_another_over_the_same_names():
    figure = bars_above(["p", "<q>"], {"said": np.array([0.5, 1.0]), "done": np.array([0.0, 0.25])}, "pair")
    assert [list(bar.x) for bar in figure.data] == [["p", "&lt;q&gt;"]] * 2
    assert [list(bar.y) for bar in figure.data] == [[0.5, 1.0], [0.0, 0.25]]
    assert [axis.title.text for axis in (figure.layout.yaxis, figure.layout.yaxis2)] == ["said", "done"]
    assert figure.layout.xaxis2.title.text == "pair"


def test_next_to_nothing_is_not_drawn_as_a_wall():
    figure = bars_above(["p"], {"said": np.array([3e-17]), "done": np.array([0.0])}, "pair")
    assert figure.layout.yaxis.range == figure.layout.yaxis2.range == pytest.approx((0, 0.01))
