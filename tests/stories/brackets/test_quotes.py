"""What the story puts into the text's mouth stands in the text."""

from __future__ import annotations

import pytest

from algoscope.questions.claim import OURS, Claim
from algoscope.stories.brackets import (
    before,
    circuit,
    deciding,
    first_bracket,
    negative,
    nests,
    neurons,
    tally_attention,
    tally_writes,
)
from algoscope.stories.brackets.story import STORY

MODULES = (
    before, circuit, deciding, first_bracket, negative, nests, neurons, tally_attention, tally_writes,
)  # fmt: skip
CLAIMS = [value for module in MODULES for value in vars(module).values() if isinstance(value, Claim)]
QUOTES = [
    *((claim.id, claim.quote) for claim in CLAIMS if claim.quote),
    *((name, wording.quote) for name, wording in STORY.wordings.items()),
]
HEDGES = ("seem", "pretty much", "might", "could", "pretend", "possible", "?", "Do the", "hypothesis")


@pytest.fixture(scope="module")
def text(reference) -> str:
    (path,) = (reference / "reference").glob("000_*.txt")
    return path.read_text()


@pytest.mark.parametrize(("identity", "quote"), QUOTES, ids=lambda value: str(value)[:40])
def test_a_quote_is_verbatim_but_for_marked_cuts_in_order(text, identity, quote):
    at = 0
    for part in quote.split("…"):
        found = text.find(part.strip(), at)
        assert found >= 0, part
        at = found + len(part)


@pytest.mark.parametrize(("identity", "quote"), QUOTES, ids=lambda value: str(value)[:40])
def test_a_quote_claims_something(identity, quote):
    assert not [hedge for hedge in HEDGES if hedge in quote]


def test_a_claim_is_credited_to_the_text_if_it_quotes_it():
    assert {claim.source for claim in CLAIMS} == {OURS, STORY.source}
    assert all(claim.source == STORY.source for claim in CLAIMS if claim.quote)


def test_an_id_stands_once():
    assert len({claim.id for claim in CLAIMS}) == len(set(CLAIMS)) > 40
