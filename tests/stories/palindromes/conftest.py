"""Models that the story is asked about, each asked only what a test needs, and once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import pytest

import algoscope
from algoscope.questions.claim import Finding
from algoscope.questions.seen import Seen, see
from algoscope.questions.standard import Question
from algoscope.questions.study import Section
from algoscope.stories.palindromes import constant, program, subject
from algoscope.tasks.palindromes import Palindromes, arena_sample

Asked = Callable[[Seen, Question], Section]


# No longer than a module: whatever a worker runs next gets what a user gets.
@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Fewer sequences and steps than a user's study takes: enough for the same verdicts, and soon done."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subject, "SINGLE", 500)
        patch.setattr(subject, "DOUBLE", 60)
        patch.setattr(program, "FITTED", 1000)
        patch.setattr(program, "FRESH", 2000)
        patch.setattr(constant, "STEPS", 15)
        yield


@pytest.fixture(scope="session")
def ask() -> Asked:
    """A question's section, for this Seen: asked once."""
    return cache(lambda seen, question: question(seen))


@pytest.fixture(scope="session")
def findings(ask: Asked) -> Callable[..., dict[str, Finding]]:
    """The findings of some questions, by id."""

    def found(seen: Seen, *questions: Question) -> dict[str, Finding]:
        sections = [ask(seen, question) for question in questions]
        return {each.id: each for section in sections for each in (*section.findings, *section.checks)}

    return found


@pytest.fixture(scope="session")
def public(public_palindromes) -> Seen:
    """The public model on the 500 sequences of the text."""
    return see(public_palindromes.raw, Palindromes(), arena_sample(500))


@pytest.fixture(scope="session")
def public_small(public_palindromes) -> Seen:
    """The public model on the 100 sequences of the text."""
    return see(public_palindromes.raw, Palindromes(), arena_sample(100))


@pytest.fixture(scope="session")
def shipped() -> Seen:
    return see(algoscope.load("palindromes"), Palindromes(), arena_sample(500))
