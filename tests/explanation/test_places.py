from __future__ import annotations

import torch

from algoscope.explanation.inputs import Inputs, Language
from algoscope.explanation.places import by_segment, everywhere, from_end, positions, without

A, B, START, END, PAD = range(5)
WORDS = ("a", "b", "<bos>", "<eos>", "<pad>")


def inputs(*rows: list[int], anchors: tuple[int, ...] = (START, END)) -> Inputs:
    language = Language(WORDS, PAD, anchors, (A, B), ordered=False, shifted=False, causal=True)
    tokens = torch.tensor(rows)
    return Inputs(tokens, torch.arange(tokens.shape[1]).expand_as(tokens), language)


SOME = inputs([START, A, B, END, PAD], [START, A, END, PAD, PAD])


def where(place, inputs: Inputs = SOME) -> list[list[int]]:
    return [row.nonzero()[:, 0].tolist() for row in place.of(inputs)]


def test_every_real_place_is_in_just_one_segment():
    places = by_segment(SOME.language)
    total = torch.stack([place.of(SOME) for place in places]).sum(0)
    assert torch.equal(total, SOME.real.long())
    assert [place.name for place in places if place.of(SOME).any()] == ["at <bos>", "after <bos>", "at <eos>"]


def test_positions_leave_padding_out():
    assert where(positions([3, 4])) == [[3], []]
    assert where(positions([1, 3])) == [[1, 3], [1]]


def test_the_end_is_a_place_where_lengths_differ():
    assert [where(place) for place in from_end(SOME)] == [[[3], [2]], [[2], [1]]]
    assert from_end(inputs([START, A, END], [START, B, END])) == ()


def test_a_place_without_others_has_none_of_them():
    rest = without(everywhere(1), [positions([1]), *from_end(SOME)])
    assert rest.name == "at all other positions"
    assert where(rest) == [[0], [0]]
