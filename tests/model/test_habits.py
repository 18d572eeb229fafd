"""Old names and arguments on our own model say what they are called here."""

from __future__ import annotations

import copy
import re

import pytest
import torch

from algoscope.errors import AbsentError, UserError
from algoscope.hooked import HookedTransformer
from algoscope.model import habits


@pytest.mark.parametrize("name", habits.NAMES)
def test_an_old_name_has_one_line(padded_model, name):
    with pytest.raises(AbsentError, match=re.escape(habits.NAMES[name])) as raised:
        getattr(padded_model, name)
    assert "\n" not in str(raised.value)
    assert not hasattr(padded_model, name)


def test_a_name_that_nobody_knows_is_pythons_own_error(padded_model):
    with pytest.raises(AttributeError, match="has no attribute 'nothing'") as raised:
        _ = padded_model.nothing
    assert not isinstance(raised.value, AbsentError)


@pytest.mark.parametrize("argument", habits.ARGUMENTS)
@pytest.mark.parametrize("call", ["forward", "run_with_cache", "run_with_hooks"])
def test_an_old_argument_has_one_line(padded_model, tokens_for, call, argument):
    with pytest.raises(UserError, match=re.escape(habits.ARGUMENTS[argument])) as raised:
        getattr(padded_model, call)(tokens_for(padded_model), **{argument: None})
    assert f"{call} takes no {argument}" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_any_other_argument_is_pythons_own_error(padded_model, tokens_for):
    with pytest.raises(TypeError, match="unexpected keyword argument 'name_filter'"):
        padded_model.run_with_cache(tokens_for(padded_model), name_filter=None)


def test_what_is_said_to_be_there_after_wrapping_is(padded_model):
    hooked = HookedTransformer.wrap(padded_model)
    for name, remedy in habits.NAMES.items():
        if "HookedTransformer.wrap" in remedy and name != "tokenizer":
            assert hasattr(hooked, name), name


def test_a_model_is_copied_and_hints_as_before(padded_model):
    other = copy.deepcopy(padded_model)
    with pytest.raises(AbsentError):
        _ = other.cfg


def test_short_and_many_names_are_refused_with_a_remedy(padded_model, tokens_for):
    tokens = tokens_for(padded_model)
    _, cache = padded_model.run_with_cache(tokens)
    with pytest.raises(KeyError, match="no full name"):
        _ = cache["pattern", 0]
    with pytest.raises(UserError, match="a site is its full name"):
        padded_model.run_with_hooks(tokens, [(lambda name: True, lambda value, site: None)])
    with pytest.raises(UserError, match="tokens are a str: give integers"):
        padded_model("(())")
    assert torch.equal(padded_model(tokens), padded_model.forward(tokens))
