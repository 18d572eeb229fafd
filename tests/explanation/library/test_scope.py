from __future__ import annotations

import torch
from tests.explanation.library.languages import CASES, case

from algoscope.explanation.concepts import Sees
from algoscope.explanation.library.scope import UNSEEN, everywhere, once_seen


def test_inputs_of_one_shape_are_fixed():
    assert {name for name in CASES if CASES[name].scope.fixed} == {
        "letters", "numbers", "fixed", "added", "pair", "long"
    }  # fmt: skip


def test_inputs_of_one_length_are_not_fixed_if_their_separator_moves():
    scope = case("", ["Sab|a", "Sa|ab"], "S|", "ab", causal=True).scope
    assert scope.length == 5
    assert not scope.fixed


def test_parts_are_those_that_hold_letters():
    assert CASES["brackets"].scope.parts == (1,)
    assert CASES["lists"].scope.parts == (1, 2)
    assert CASES["both ways"].scope.parts == (0, 1)
    assert CASES["letters"].scope.parts == (0,)


def test_inputs_that_all_begin_with_an_anchor_start_behind_it():
    starts = {name: CASES[name].scope.start for name in ("brackets", "letters", "added")}
    assert starts == {"brackets": 1, "letters": 0, "added": 0}


def test_a_causal_model_uses_an_end_only_if_letters_follow():
    assert CASES["lists"].scope.ended == (1,)
    assert CASES["both ways"].scope.ended == (0, 1)
    assert CASES["lists"].scope.reach is Sees.BEFORE
    assert CASES["both ways"].scope.reach is Sees.ANYWHERE


def test_few_letters_have_pairs():
    assert CASES["open"].scope.pairs == ((0, 1), (0, 2), (1, 2))
    assert CASES["letters"].scope.pairs == ()
    assert CASES["letters"].scope.few == (0, 1, 2, 3, 4)
    assert CASES["lists"].scope.few == ()


def test_a_number_of_an_input_is_spread_over_its_places_and_hidden_until_it_is_known():
    inputs = CASES["fixed"].inputs
    spread = everywhere(inputs.tokens[:, 3:4], inputs)
    assert (spread == inputs.tokens[:, 3:4]).all()
    hidden = once_seen(spread, torch.full_like(spread, 3), inputs)
    assert (hidden[:, :3] == UNSEEN).all()
    assert (hidden[:, 3:] == spread[:, 3:]).all()
