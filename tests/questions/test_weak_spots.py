from __future__ import annotations

import pytest
import torch

from algoscope.questions.seen import see
from algoscope.questions.weak_spots import WORST, weak_spots


def test_a_model_without_a_mistake_has_no_weak_spot(seen_echo, found):
    section = found(weak_spots(seen_echo))
    assert (section["weakest-spot"].value, section["weakest-spot"].verdict) == (0.0, "holds")
    assert section["errors-spread"].verdict == "open"
    assert "too few" in section["errors-spread"].note


def test_mistakes_on_one_letter_alone_are_found_there(seen_echo, found):
    seen_echo.model.block(0).attn.W_O[0, 0, 8:10] = torch.tensor([0.0, 8.0])
    section = weak_spots(seen_echo)
    said = found(section)
    assert (said["weakest-spot"].value, said["weakest-spot"].verdict) == (1.0, "refuted")
    letters = int((seen_echo.examples.tokens == 0).sum())
    assert said["weakest-spot"].said == f"where letter a is yes, {letters} of {letters} are wrong"
    assert section.tables[0].rows[0][:5] == ("letter a", "yes", letters, letters, 1.0)
    # All of about 400 in 1600 wrong: at least 0.99 of them, of a quarter overall.
    assert said["errors-spread"].value == pytest.approx(0.99 * 1600 / letters, abs=0.05)
    assert said["errors-spread"].verdict == "refuted"


def test_mistakes_of_every_kind_are_spread(seen_echo, found):
    # Always a: right for one letter in four.
    seen_echo.model.W_U.zero_()
    said = found(weak_spots(seen_echo))
    assert (said["weakest-spot"].verdict, said["errors-spread"].verdict) == ("refuted", "holds")
    assert said["errors-spread"].value == pytest.approx(4 / 3, abs=0.05)


def test_where_nothing_is_wrong_there_is_nothing_to_draw(seen_echo):
    section = weak_spots(seen_echo)
    assert (len(section.tables), len(section.illustrations)) == (1, 0)


def test_the_worst_are_listed_and_drawn_and_no_more(seen_echo):
    seen_echo.model.W_U.zero_()
    section = weak_spots(seen_echo)
    assert len(section.tables[0].rows) == WORST
    assert len(section.illustrations[0].figure.data[0].x) == WORST
    # Two kinds, four numbers, two and four values of concepts.
    assert "12 remain" in section.text


def test_too_few_examples_have_no_spots(majority, counting_model, found):
    section = weak_spots(see(counting_model, majority, majority.sample(15, seed=0)))
    assert found(section)["weakest-spot"].verdict == "open"
    assert (section.tables, section.illustrations) == ((), ())
