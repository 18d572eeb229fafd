"""Values that a model treats alike are told as one, and others are not."""

from __future__ import annotations

from tests.explanation.asked import a_compiled, asked

from algoscope.explanation.coarser import coarser


def test_a_count_that_is_only_asked_whether_it_is_0_is_told_as_that():
    here = asked(a_compiled("ascending"), "falls")
    names = {each.name: number for number, each in enumerate(here.shop.lexicon.concepts)}
    count = names["at how many places so far the number is smaller than the one before"]
    fine = here.subject.test(here.stage, (count,))
    found = coarser(here.subject, here.stage, fine)
    assert found.passes
    assert found.bits < fine.bits
    assert here.name(found).endswith("is at least 1")


def test_a_head_whose_share_is_read_modulo_3_carries_that():
    here = asked(a_compiled("count-a-modulo-3"), "share of <bos>")
    found = coarser(here.subject, here.stage, here.found())
    assert here.name(found) == "how many a so far, modulo 3"


def test_values_that_matter_stay_apart():
    here = asked(a_compiled("count-a"), "count of a")
    fine = here.found()
    assert coarser(here.subject, here.stage, fine) is fine
