"""What must be true of every claim of the package, and of any claim at all."""

from __future__ import annotations

import importlib
import math
import pkgutil
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import algoscope.questions
import algoscope.stories
from algoscope.questions.bound import Exists, at_least, at_most
from algoscope.questions.claim import Claim, all_missing

WORDS = {
    "at least": lambda value, limit: value > limit or math.isclose(value, limit, rel_tol=1e-15),
    "more than": lambda value, limit: value > limit,
    "at most": lambda value, limit: value < limit or math.isclose(value, limit, rel_tol=1e-15),
    "less than": lambda value, limit: value < limit,
}
PRINTED = re.compile(
    r"(?P<over>each |at least one )?(?P<word>at least|more than|at most|less than) (?P<limit>\S+?)(: .+)?"
)


def every_claim() -> list[Claim]:
    """The claims that any module of questions or stories holds at its top level, each once."""
    found: dict[int, Claim] = {}
    for package in (algoscope.questions, algoscope.stories):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            values = vars(importlib.import_module(module.name)).values()
            found |= {id(value): value for value in values if isinstance(value, Claim)}
    return list(found.values())


CLAIMS = every_claim()
DECIDED = [claim for claim in CLAIMS if not isinstance(claim.bound, Exists)]


def judged_by_its_print(printed: str, value: float | list[float]) -> bool:
    """What a reader who sees nothing but the printed bound would say."""
    match = PRINTED.fullmatch(printed)
    assert match, printed
    judge, limit = WORDS[match["word"]], float(match["limit"])
    if not match["over"]:
        return judge(value, limit)
    verdicts = [judge(number, limit) for number in value]
    return False not in verdicts if match["over"] == "each " else True in verdicts


def near(limit: float) -> st.SearchStrategy[float]:
    """Numbers on both sides of a limit, the limit itself among them."""
    reach = abs(limit) or 1.0
    return st.just(limit) | st.floats(limit - 2 * reach, limit + 2 * reach) | st.integers(-3, 300)


@pytest.mark.parametrize("claim", DECIDED, ids=lambda claim: claim.id)
@given(data=st.data())
def test_the_printed_bound_judges_as_the_bound_does(claim, data):
    number = near(claim.bound.limit)
    value = data.draw(st.lists(number, min_size=1, max_size=4) if claim.bound.over else number)
    assert claim.measured(value).holds == judged_by_its_print(str(claim.bound), value)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_every_claim_can_hold_and_can_be_refuted(claim):
    if isinstance(claim.bound, Exists):
        values = ["2.0", ""]
    else:
        limit, share = claim.bound.limit, claim.unit.startswith("share of ")
        # What is a share can't be less than nothing or more than all.
        numbers = [0.0, 1.0, limit] if share else [limit - 1, limit, limit + 1]
        values = [[number] for number in numbers] if claim.bound.over else numbers
    assert {claim.measured(value).verdict for value in values} == {"holds", "refuted"}


def test_one_id_has_one_claim():
    ids = [claim.id for claim in CLAIMS]
    assert sorted(ids) == sorted(set(ids))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_is_a_sentence_under_a_kebab_case_id_and_knows_no_address(claim):
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", claim.id)
    assert re.match(r"[^a-z]", claim.sentence)
    assert claim.sentence.endswith(".")
    assert not re.search(r"\b[Hh]ead \d", claim.sentence)


ALONE = Claim("alone", "The circuit does the task alone.", "share of answers", at_least(0.95))


def test_a_finding_is_judged_by_its_claims_bound():
    assert [ALONE.measured(value).verdict for value in (0.96, 0.95, 0.94)] == ["holds", "holds", "refuted"]
    missing = ALONE.missing("there is no circuit")
    assert (missing.verdict, missing.holds, missing.note) == ("open", None, "there is no circuit")


def test_what_is_missing_has_a_reason_and_what_is_measured_a_finite_value():
    with pytest.raises(AssertionError, match="no value and no reason"):
        ALONE.missing("")
    with pytest.raises(AssertionError, match="say why it is missing"):
        ALONE.measured(None)
    with pytest.raises(AssertionError, match="not finite"):
        at_each = Claim("each", "Each.", "", at_most(1).each())
        at_each.measured([0.0, [math.nan]])


def test_a_text_words_a_claim_but_does_not_move_its_bound():
    told = ALONE.worded(source="ARENA", quote="it does the task")
    assert (told.id, told.unit, told.bound, told.sentence) == (
        ALONE.id, ALONE.unit, ALONE.bound, ALONE.sentence,
    )  # fmt: skip
    assert (told.source, told.quote) == ("ARENA", "it does the task")
    assert ALONE.worded("It does.").sentence == "It does."


def test_a_verdict_on_the_edge_says_so_and_one_that_an_untrained_model_meets_too():
    clear, edge = ALONE.measured(1.0), ALONE.measured(0.95)
    assert clear.caveats == ()
    assert edge.caveats == ("The verdict hangs on the bound: a third more or less would turn it.",)
    for untrained, said in {True: 1, False: 0, None: 0}.items():
        found = type(clear)(clear.claim, clear.value, clear.holds, untrained=untrained)
        assert len(found.caveats) == said
    refuted = ALONE.measured(0.1)
    assert type(clear)(refuted.claim, refuted.value, refuted.holds, untrained=True).caveats == ()
    assert not ALONE.missing("nothing").hangs


def test_values_are_shown_short():
    shown = {0.123456: "0.1235", 7: "7", "2.0": "2.0"}
    for value, text in shown.items():
        claim = Claim("some", "Some.", "", Exists("some") if isinstance(value, str) else at_least(0))
        assert claim.measured(value).shown == text
    listed = Claim("some", "Some.", "", at_least(0).each())
    assert listed.measured([0.5, [1, 2.0]]).shown == "0.5, (1, 2)"
    assert listed.missing("none").shown == "–"
    assert Claim("some", "Some.", "", Exists("some")).measured([]).shown == "none"


def test_what_is_written_down_holds_the_bound_in_words_and_leaves_empty_texts_out():
    record = ALONE.measured(0.97, said="0.97 of 100").to_dict()
    assert (record["bound"], record["verdict"], record["measured"]) == (
        "at least 0.95", "holds", "0.97 of 100",
    )  # fmt: skip
    assert not {"note", "quote"} & set(record)
    assert ALONE.missing("no circuit").to_dict()["note"] == "no circuit"


def test_one_reason_can_leave_several_claims_open():
    found = all_missing([ALONE, ALONE.worded("Again.")], "one layer")
    assert [(each.verdict, each.note) for each in found] == [("open", "one layer")] * 2
