import pytest
from hypothesis import given
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.model.head import Head, every_head


@given(st.integers(0, 99), st.integers(0, 99))
def test_a_head_prints_as_the_text_that_it_is_read_from(layer, index):
    assert Head.parse(str(Head(layer, index))) == Head(layer, index)


def test_a_head_knows_its_sites():
    assert Head.parse("2.0").site("hook_z") == "blocks.2.attn.hook_z"


@pytest.mark.parametrize("text", ["2", "2.", "h2.0", "2.0.1", "-1.0", ""])
def test_other_text_is_refused(text):
    with pytest.raises(UserError, match=r"write layer\.head"):
        Head.parse(text)


def test_a_head_that_the_model_lacks_is_refused_by_name(padded_model):
    for head in every_head(padded_model.config):
        assert head.check(padded_model.config) is head
    for text in ("2.0", "0.2"):
        with pytest.raises(
            UserError, match=rf"head {text} does not exist: the model has layers 0-1 with 2 heads"
        ):
            Head.parse(text).check(padded_model.config)
