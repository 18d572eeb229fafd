"""The story put to models by name, each question once; and to the public weights, on their own data."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from algoscope import checkpoints
from algoscope.questions.claim import Finding
from algoscope.questions.seen import Seen, see
from algoscope.questions.study import Section
from algoscope.stories.brackets.story import STORY
from algoscope.stories.brackets.subject import Subject, subject_of
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.files import read_examples

HAND = Path(__file__).parent / "hand.py"
QUESTIONS = {question.__name__: question for question in STORY.questions}
Ask = Callable[[str, str], Mapping[str, Finding]]


@pytest.fixture(scope="session")
def models():
    """Makers of models by name."""
    spec = importlib.util.spec_from_file_location("brackets_by_hand", HAND)
    module = sys.modules["brackets_by_hand"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MODELS


@pytest.fixture(scope="session")
def seen_of(models) -> Callable[[str], Seen]:
    """`seen_of("ideal")`: that model on a sample; "ideal, one length": on strings of forty brackets."""
    sample = Brackets().sample(250, seed=0)
    longest = Brackets().sample(4000, seed=1)
    longest = longest[(longest.tokens != Brackets.pad).all(1)]

    @cache
    def seen(name: str) -> Seen:
        model, _, which = name.partition(", ")
        return see(models[model](), Brackets(), longest if which else sample)

    return seen


@pytest.fixture(scope="session")
def ask(seen_of) -> Ask:
    """`ask("ideal", "circuit")`: the findings by id."""

    @cache
    def asked(model: str, question: str) -> Mapping[str, Finding]:
        return {finding.id: finding for finding in QUESTIONS[question](seen_of(model)).findings}

    return asked


class Public(NamedTuple):
    subject: Subject
    sections: tuple[Section, ...]
    found: Mapping[str, Finding]
    values: Mapping[str, dict]


@pytest.fixture(scope="session")
def public(reference: Path) -> Public:
    """The public weights on the data that the golden values are for."""
    model = checkpoints.read(reference / "arena/brackets_model_state_dict.pt", task="brackets").model
    examples = read_examples(reference / "arena/brackets_data.json.gz", Brackets())[:5000]
    seen = see(model, Brackets(), examples)
    sections = tuple(question(seen) for question in STORY.questions)
    return Public(
        subject_of(seen),
        sections,
        {finding.id: finding for section in sections for finding in section.findings},
        json.loads((reference / "golden/brackets.json").read_text()),
    )
