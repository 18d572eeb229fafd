"""The picture of the claimed path leaves none of its edges out, weak ones neither."""

from __future__ import annotations

import re

import pytest

from algoscope.model.component import ANSWER
from algoscope.stories.brackets.circuit import circuit, path
from algoscope.stories.brackets.subject import subject_of


def drawn(section):
    (shown,) = section.illustrations
    return set(re.findall(r"<title>(.*): -?[\d.]+%</title>", shown.figure.svg))


@pytest.mark.parametrize("model", ["ideal", "another reader"])
def test_every_edge_of_the_claimed_path_is_in_the_picture(seen_of, model):
    seen = seen_of(model)
    tally, *mlps, last = path(subject_of(seen))
    steps = {(tally, mlp) for mlp in mlps} | {(mlp, last) for mlp in mlps} | {(last, ANSWER)}
    # An MLP at or after the reading head's layer can't be read by it.
    claimed = {f"{sender} to {receiver}" for sender, receiver in steps if sender < receiver}
    section = circuit(seen)
    assert claimed <= drawn(section)
    assert f"All {len(claimed)} edges" in section.illustrations[0].caption


def test_a_strong_edge_beside_the_path_is_drawn_too(seen_of):
    section = circuit(seen_of("another reader"))
    (complete,) = (each for each in section.findings if each.id == "elevation-circuit-complete")
    sender, receiver = re.search(r"from head (\S+) to the (\S+)", complete.said).groups()
    assert f"{sender} to {receiver}" in drawn(section)


def test_without_the_path_nothing_is_drawn(seen_of, models):
    weak = next(name for name in models if len(path(subject_of(seen_of(name)))) < 3)
    assert not circuit(seen_of(weak)).illustrations
