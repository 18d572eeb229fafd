from __future__ import annotations

import numpy as np
import pytest

from algoscope.analysis.attribution import Histograms
from algoscope.figures.histograms import contribution_histograms
from algoscope.model.component import EMBEDDING, Component

PARTS = (EMBEDDING, *map(Component.parse, ("0.0", "0.1", "MLP 0")))


def test_each_component_has_a_panel_with_a_line_for_each_group():
    shares = np.arange(4 * 2 * 3).reshape(4, 2, 3) / 100
    spread = Histograms(PARTS, ("yes", "<no>"), shares, np.array([0.0, 1.0, 2.0, 3.0]), "yes")
    figure = contribution_histograms(spread, columns=2)
    assert [title.text for title in figure.layout.annotations] == [
        "embedding",
        "head 0.0",
        "head 0.1",
        "MLP 0",
    ]
    assert len(figure.data) == 8
    assert [line.showlegend for line in figure.data] == [True, True, *6 * [False]]
    for index, line in enumerate(figure.data):
        assert line.y == pytest.approx(shares[index // 2, index % 2])
        assert line.x == pytest.approx([0.5, 1.5, 2.5])
    assert figure.data[1].name == "&lt;no&gt;"


def test_a_model_of_one_component_can_be_drawn():
    spread = Histograms(PARTS[:1], ("all",), np.ones((1, 1, 1)), np.array([0.0, 1.0]), "yes")
    assert len(contribution_histograms(spread, columns=3).data) == 1
