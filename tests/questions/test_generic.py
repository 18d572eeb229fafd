from __future__ import annotations

from algoscope.questions.generic import slugs


def test_a_slug_is_the_name_in_kebab_case():
    assert slugs(("only total elevation", "Not a palindrome!")) == {
        "only total elevation": "only-total-elevation",
        "Not a palindrome!": "not-a-palindrome",
    }


def test_names_that_would_share_a_slug_or_have_none_are_numbered():
    assert slugs(("a b", "a-b", "回文", "c")) == {
        "a b": "class-0",
        "a-b": "class-1",
        "回文": "class-2",
        "c": "c",
    }
