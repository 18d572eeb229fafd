from __future__ import annotations

import pytest
import torch

from algoscope.stories.brackets.nests import _grid, nests, pairs_of_nests
from algoscope.tasks.brackets import Brackets


def test_the_map_has_lengths_of_A_down_and_of_B_across_and_is_blank_where_none_fits():
    figure = _grid(torch.tensor([0.1, 0.2, 0.3]), [(1, 0), (1, 1), (2, 0)]).figure
    (trace,) = figure.data
    assert (trace.y, trace.x) == (("2", "4"), ("0", "2"))
    assert (figure.layout.yaxis.title.text, figure.layout.xaxis.title.text) == ("length of A", "length of B")
    assert trace.z[0].tolist() == pytest.approx([0.1, 0.2])
    assert trace.z[1].tolist() == pytest.approx([0.3, float("nan")], nan_ok=True)


@pytest.mark.parametrize(("model", "count"), [("uneven late", 4), ("ideal", 0)])
def test_shown_are_the_nests_that_fool_the_model_and_no_others(seen_of, model, count):
    seen = seen_of(model)
    tokens = Brackets().encode(pairs_of_nests()[0])
    fooling = tokens[seen.model(tokens)[:, 0].argmax(-1) == 1]
    assert len(fooling) == count
    shown = [each.shown for each in nests(seen).inputs]
    assert len(shown) == count
    assert all(Brackets().show(string) in shown for string in fooling)
