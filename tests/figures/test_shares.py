from __future__ import annotations

import numpy as np

from algoscope.figures.shares import against_share, neurons_against_share

SHARE = np.array([0.2, 0.5, 0.5, 0.9])
GROUPS = {"balanced": np.array([False, True, True, False]), "rest": np.array([True, False, False, True])}


def test_each_panel_has_the_points_of_each_group():
    values = np.array([1.0, 2.0, 3.0, 4.0])
    figure = against_share({"one": values, "two": -values}, SHARE, GROUPS, ("share", "logits"))
    assert [list(trace.y) for trace in figure.data] == [[2, 3], [1, 4], [-2, -3], [-1, -4]]
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]


def test_the_slider_has_a_step_for_each_neuron_with_its_values_and_title():
    neurons = np.arange(12.0).reshape(3, 4)
    titles = ["0.5: more", "0.1: <b>", "0.2: neither"]
    figure = neurons_against_share(neurons, SHARE, GROUPS, titles, ("share", "logits"))
    steps = figure.layout.sliders[0].steps
    assert [step.args[0]["y"] for step in steps] == [[[1, 2], [0, 3]], [[5, 6], [4, 7]], [[9, 10], [8, 11]]]
    assert [step.args[1]["title.text"] for step in steps] == ["0.5: more", "0.1: &lt;b&gt;", "0.2: neither"]
