from __future__ import annotations

import pytest
import torch

from algoscope.stories.brackets.nests import _grid


def test_the_map_has_lengths_of_A_down_and_of_B_across_and_is_blank_where_none_fits():
    figure = _grid(torch.tensor([0.1, 0.2, 0.3]), [(1, 0), (1, 1), (2, 0)]).figure
    (trace,) = figure.data
    assert (trace.y, trace.x) == (("2", "4"), ("0", "2"))
    assert (figure.layout.yaxis.title.text, figure.layout.xaxis.title.text) == ("length of A", "length of B")
    assert trace.z[0].tolist() == pytest.approx([0.1, 0.2])
    assert trace.z[1].tolist() == pytest.approx([0.3, float("nan")], nan_ok=True)
