"""What holds of all concepts, whatever they say."""

from __future__ import annotations

from random import Random

import pytest
import torch
from tests.explanation.library.languages import CASES, Case, Row

from algoscope.explanation.concepts import Concept, Sees
from algoscope.explanation.inputs import Inputs, read_inputs, read_language
from algoscope.explanation.library.every import concepts, primitives
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.modular_addition import ModularAddition
from algoscope.tasks.nesting import Nesting
from algoscope.tasks.palindromes import Palindromes
from algoscope.tasks.reversal import Reversal
from algoscope.tasks.sorting import Sorting
from algoscope.tasks.task import Task

TASKS: list[tuple[Task, bool]] = [
    (Brackets(), False),
    (Reversal(), True),
    (Palindromes(), True),
    (Nesting(), True),
    (Sorting(), True),
    (ModularAddition(), True),
]


def of_task(task: Task, causal: bool, count: int = 300) -> tuple[tuple[Concept, ...], Inputs]:
    examples = task.sample(count, 0)
    language = read_language(task, examples, causal)
    inputs = read_inputs(examples, language)
    return concepts(task, language, inputs), inputs


def other_futures(case: Case, place: int) -> Inputs:
    """Each input up to a place, and from there on as another input of the language goes on."""
    random = Random(place)
    texts = [_spliced(case, row, random.choice(case.rows), place, random) for row in case.rows]
    longest = max(map(len, texts))
    pad = case.language.pad or 0
    tokens = torch.tensor([[*text, *[pad] * (longest - len(text))] for text in texts])
    ids = case.inputs.position_ids[:, :1] + torch.arange(longest)
    return Inputs(tokens, ids, case.language)


def _spliced(case: Case, row: Row, other: Row, place: int, random: Random) -> list[int]:
    """The other goes on from a place between the same anchors; from the same place if all have one shape."""
    if place >= len(row):
        return list(row.tokens)
    cuts = [each for each in range(len(other)) if other.segment(each) == row.segment(place)]
    cut = place if case.scope.fixed else random.choice(cuts or [len(other)])
    return [*row.tokens[: place + 1], *other.tokens[cut + 1 :]]


@pytest.mark.parametrize("name", CASES)
def test_what_is_known_from_before_does_not_change_with_what_follows(name: str):
    case = CASES[name]
    known = [concept for concept in primitives(case.scope) if concept.sees <= Sees.BEFORE]
    codes = [concept.of(case.inputs) for concept in known]
    for place in range(case.inputs.tokens.shape[1]):
        changed = other_futures(case, place)
        upto = (case.inputs.real & (case.inputs.place <= place))[:, : place + 1]
        for concept, before in zip(known, codes, strict=True):
            after = concept.of(changed)[:, : place + 1]
            assert torch.equal(after[upto], before[:, : place + 1][upto]), (concept.name, place)


@pytest.mark.parametrize("name", CASES)
def test_what_is_known_here_depends_on_the_token_and_its_position_alone(name: str):
    case = CASES[name]
    real = case.inputs.real
    keys = list(zip(case.inputs.tokens[real].tolist(), case.inputs.position_ids[real].tolist(), strict=True))
    for concept in primitives(case.scope):
        if concept.sees is Sees.HERE:
            found = dict(zip(keys, concept.of(case.inputs)[real].tolist(), strict=True))
            assert [found[key] for key in keys] == concept.of(case.inputs)[real].tolist(), concept.name
            assert concept.depth == 0


@pytest.mark.parametrize("name", CASES)
def test_numbers_mean_the_same_in_a_batch_of_one(name: str):
    case = CASES[name]
    offered = primitives(case.scope)
    codes = [concept.of(case.inputs) for concept in offered]
    for index in range(0, len(case.inputs), 5):
        length = int(case.inputs.length[index])
        alone = Inputs(
            case.inputs.tokens[index : index + 1, :length],
            case.inputs.position_ids[index : index + 1, :length],
            case.language,
        )
        for concept, whole in zip(offered, codes, strict=True):
            assert torch.equal(concept.of(alone)[0], whole[index, :length]), concept.name


@pytest.mark.parametrize("name", CASES)
def test_a_causal_language_has_no_primitive_that_takes_the_whole_input(name: str):
    case = CASES[name]
    ahead = any(concept.sees is Sees.ANYWHERE for concept in primitives(case.scope))
    assert ahead != case.language.causal


@pytest.mark.parametrize(("task", "causal"), TASKS, ids=[task.name for task, _ in TASKS])
def test_every_task_has_a_few_hundred_concepts_with_names_of_their_own(task: Task, causal: bool):
    offered, inputs = of_task(task, causal)
    names = [concept.name for concept in offered]
    assert len(set(names)) == len(names)
    assert 50 < len(names) < 700
    for concept in offered:
        codes = concept.of(inputs)
        assert codes.dtype == torch.int64
        assert codes.shape == inputs.tokens.shape


@pytest.mark.parametrize(("task", "causal"), TASKS, ids=[task.name for task, _ in TASKS])
def test_only_the_answers_are_marked_as_answers(task: Task, causal: bool):
    offered, _ = of_task(task, causal)
    for concept in offered:
        assert concept.answer == concept.name.startswith("the answer")


def test_inputs_are_left_as_they_are():
    for case in CASES.values():
        before = case.inputs.tokens.clone()
        for concept in primitives(case.scope):
            concept.of(case.inputs)
        assert torch.equal(case.inputs.tokens, before)


def test_an_empty_batch_has_empty_codes():
    for case in CASES.values():
        none = Inputs(case.inputs.tokens[:0], case.inputs.position_ids[:0], case.language)
        for concept in primitives(case.scope):
            assert concept.of(none).shape == none.tokens.shape, concept.name


def test_what_the_texts_found_in_the_bracket_models_is_offered():
    offered, inputs = of_task(Brackets(), causal=False)
    found = {concept.name: concept.of(inputs) for concept in offered}
    assert {
        "the token at place 1",
        "how many more ( than ) in all",
        "the sign of how many more ( than ) in all",
        "the sign of the highest count of ( minus that of ) in any suffix",
    } <= set(found)
    elevation = found["suffix elevation"]
    assert torch.equal(-found["how many more ( than ) from here on"], elevation)
    some_negative = found["the highest count of ( minus that of ) in any suffix"] > 0
    assert torch.equal(some_negative.long(), found["negative failure"])
