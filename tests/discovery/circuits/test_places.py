from __future__ import annotations

import pytest
import torch

from algoscope.discovery.circuits.places import absolute, from_answer, from_end, from_token
from algoscope.errors import UserError
from algoscope.tasks.task import Examples

TOKENS = torch.tensor([[0, 1, 5, 2, 9], [3, 5, 1, 2, 2]])
ANSWERED = torch.tensor([[0, 0, 1, 1, 0], [0, 1, 0, 0, 0]]).bool()
EXAMPLES = Examples(TOKENS, torch.tensor([0, 1, 1]), {}, ANSWERED)


def named(places):
    return [[places.names[kind] for kind in row] for row in places.where.tolist()]


def test_positions_are_counted_from_where_it_is_said():
    assert named(absolute(EXAMPLES)) == [["0", "1", "2", "3", "4"]] * 2
    assert named(from_answer(EXAMPLES)) == [
        ["answer-2", "answer-1", "answer", "answer+1", "answer+2"],
        ["answer-1", "answer", "answer+1", "answer+2", "answer+3"],
    ]
    assert named(from_end(EXAMPLES, pad=9)) == [
        ["end-3", "end-2", "end-1", "end", "end+1"],
        ["end-4", "end-3", "end-2", "end-1", "end"],
    ]
    assert named(from_end(EXAMPLES, pad=None))[0][-1] == "end"
    assert named(from_token(EXAMPLES, 5, "<sep>"))[1][:2] == ["<sep>-1", "<sep>"]


def test_a_token_to_count_from_must_be_in_every_input():
    with pytest.raises(UserError, match="no <sep>"):
        from_token(EXAMPLES, 9, "<sep>")
