from __future__ import annotations

import pytest

from algoscope.model.component import Component
from algoscope.stories.brackets.deciding import deciding_heads
from algoscope.stories.brackets.subject import subject_of


@pytest.fixture
def seen(seen_of):
    yield seen_of("ideal")
    subject_of.cache_clear()


def test_two_deciding_heads_are_drawn_against_each_other_a_point_for_each_string(seen):
    section = deciding_heads(seen)
    (drawn,) = section.illustrations
    assert "Here one head" not in section.text
    titles = [axis.title.text.replace("<br>", " ") for axis in drawn.figure.select_xaxes()]
    titles += [axis.title.text.replace("<br>", " ") for axis in drawn.figure.select_yaxes()]
    assert titles == [f"head {head} towards “unbalanced” (logits)" for head in ("2.0", "2.1")]
    points = {
        (float(x), float(y)) for trace in drawn.figure.data for x, y in zip(trace.x, trace.y, strict=True)
    }
    one, other = (seen.pushed[Component.parse(name)].tolist() for name in ("2.0", "2.1"))
    assert points == set(zip(one, other, strict=True))


def test_a_head_that_is_the_strongest_for_both_faults_is_not_drawn_against_itself(seen):
    subject = subject_of(seen)
    vars(subject)["negative"] = subject.elevation
    section = deciding_heads(seen)
    assert section.illustrations == ()
    assert "Here one head, 2.0, is the strongest for both faults." in section.text
