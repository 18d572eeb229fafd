from __future__ import annotations

import torch
from tests.explanation.library.test_given import Steps

from algoscope.explanation.inputs import Inputs, read_inputs, read_language
from algoscope.explanation.library.answers import answer, answers
from algoscope.explanation.library.scope import UNSEEN, Scope, read_scope
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.nesting import Nesting
from algoscope.tasks.reversal import Reversal
from algoscope.tasks.task import Examples, Task


def read(task: Task, causal: bool) -> tuple[Examples, Scope, Inputs]:
    examples = task.sample(100, 0)
    language = read_language(task, examples, causal)
    inputs = read_inputs(examples, language)
    return examples, read_scope(language, inputs), inputs


def test_the_answer_is_the_true_label_where_one_is_read():
    examples, _, inputs = read(Reversal(), causal=True)
    codes = answer(Reversal()).of(inputs)
    assert torch.equal(codes[examples.answered], examples.labels)
    assert (codes[~examples.answered] == UNSEEN).all()


def test_a_set_of_classes_is_a_pattern_of_bits():
    examples, _, inputs = read(Nesting(), causal=True)
    codes = answer(Nesting()).of(inputs)[examples.answered].tolist()
    assert codes == [
        sum(1 << index for index, has in enumerate(row) if has) for row in examples.labels.tolist()
    ]


class ManyClasses(Steps):
    """Which of a hundred numbers exceed the sum: sets that no number has bits enough for."""

    classes = tuple(map(str, range(100)))

    def label(self, tokens: torch.Tensor) -> torch.Tensor:
        return tokens.sum(1)[:, None] < torch.arange(100)


def test_sets_of_many_classes_are_told_apart():
    _, _, inputs = read(ManyClasses(), causal=True)
    codes = answer(ManyClasses()).of(inputs)[:, 3].tolist()
    totals = inputs.tokens.sum(1).tolist()
    assert len(set(zip(codes, totals, strict=True))) == len(set(codes)) == len(set(totals))


def test_the_answer_before_is_the_last_one_to_the_left():
    task = Reversal()
    examples, scope, inputs = read(task, causal=True)
    (before,) = (concept for concept in answers(task, scope, inputs) if concept.name == "the answer before")
    codes, own = before.of(inputs).tolist(), answer(task).of(inputs).tolist()
    for example, answered in enumerate(examples.answered.tolist()):
        for place in range(len(answered)):
            earlier = [own[example][each] for each in range(place) if answered[each]]
            assert codes[example][place] == (earlier[-1] if earlier else UNSEEN)


def test_a_single_answer_is_a_concept_of_every_place_too():
    task = Brackets()
    examples, scope, inputs = read(task, causal=False)
    found = {concept.name: concept for concept in answers(task, scope, inputs)}
    everywhere = found["the answer, at every place"].of(inputs)
    assert torch.equal(everywhere, examples.labels[:, None].expand(-1, 42))


def test_several_answers_are_no_concept_of_every_place():
    _, scope, inputs = read(Reversal(), causal=True)
    assert len(answers(Reversal(), scope, inputs)) == 2


def test_answers_are_marked_as_what_is_to_be_explained():
    for task, causal in ((Brackets(), False), (Reversal(), True)):
        _, scope, inputs = read(task, causal)
        assert all(concept.answer for concept in answers(task, scope, inputs))
