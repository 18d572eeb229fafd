from __future__ import annotations

import pytest
from tests.explanation.library.languages import CASES

from algoscope.explanation.library.parts import (
    NOWHERE,
    anchor_before,
    is_anchor,
    last_anchor,
    mirror,
    next_anchor,
)


@pytest.mark.parametrize("name", CASES)
def test_parts_begin_and_end_where_a_loop_finds_anchors(name: str):
    case = CASES[name]
    found = [is_anchor, last_anchor, next_anchor, anchor_before, mirror]
    codes = [each(case.inputs).tolist() for each in found]
    for index, row in enumerate(case.rows):
        for place in range(len(row)):
            begin, end = row.begins(place), row.ends(place)
            before = row.begins(begin - 1) if begin > 0 else NOWHERE
            wanted = [row.anchor(place), begin, end, before, begin + end - place]
            assert [each[index][place] for each in codes] == wanted
