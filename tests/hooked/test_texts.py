from __future__ import annotations

import pytest

from algoscope.errors import UserError
from algoscope.hooked import HookedTransformer
from algoscope.tasks.brackets import CLOSE, OPEN


@pytest.fixture(scope="module")
def model():
    return HookedTransformer.from_pretrained("brackets")


def test_single_tokens_have_the_names_of_the_tasks_vocabulary(model):
    assert (model.to_single_token("("), model.to_single_token(")")) == (OPEN, CLOSE)
    assert [model.to_single_str_token(token) for token in (OPEN, CLOSE)] == ["(", ")"]
    with pytest.raises(UserError, match="is no one token: choose from"):
        model.to_single_token("()")
    with pytest.raises(UserError, match="there is no token 9"):
        model.to_single_str_token(9)


def test_a_token_is_found_in_one_input(model):
    assert model.get_token_position("(", "())(") == 1
    assert model.get_token_position("(", "())(", mode="last") == 4
    assert model.get_token_position(CLOSE, model.to_tokens("())(")) == 2
    with pytest.raises(UserError, match="not in this input"):
        model.get_token_position(")", "(((")
    with pytest.raises(UserError, match="takes one input"):
        model.get_token_position("(", ["()", "(("])
