"""What the story says that the text says, the text says."""

from __future__ import annotations

import re

import pytest

from algoscope.questions.claim import Claim
from algoscope.stories.palindromes import (
    adversarial,
    circuits,
    constant,
    matching,
    pairs,
    program,
    reading,
    weights,
)
from algoscope.stories.palindromes.story import STORY

MODULES = (adversarial, circuits, constant, matching, pairs, program, reading, weights)
CLAIMS = [claim for module in MODULES for claim in vars(module).values() if isinstance(claim, Claim)]
QUOTES = {claim.id: claim.quote for claim in CLAIMS if claim.quote}
QUOTES |= {identity: wording.quote for identity, wording in STORY.wordings.items()}


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("identity", QUOTES)
def test_a_quote_stands_in_the_text_word_for_word(identity, reference):
    text = plain((reference / "reference/003_f85eb88160605a6c.txt").read_text())
    for part in QUOTES[identity].split("…"):
        assert plain(part).strip() in text


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_a_claim_of_the_text_is_quoted_and_none_of_ours_is(claim):
    assert (claim.source == STORY.source) == bool(claim.quote)
    assert "?" not in claim.quote


def test_no_id_stands_for_two_claims():
    assert len({claim.id for claim in CLAIMS}) == len(CLAIMS) > 40
