from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
import torch
from jaxtyping import Int
from torch import Generator, Tensor

from algoscope.explanation.concepts import Concept, Sees
from algoscope.explanation.inputs import Inputs, read_inputs, read_language
from algoscope.explanation.library.given import UNIT, given
from algoscope.explanation.library.scope import UNSEEN, read_scope
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.palindromes import Palindromes
from algoscope.tasks.reversal import Reversal
from algoscope.tasks.task import Examples, Task


class Steps(Task):
    """Four digits; concepts of every kind."""

    name = "steps"
    vocabulary = ("0", "1", "2", "3")
    pad = None
    n_ctx = 4
    classes = ("even", "odd")
    answer = 3
    usual: Mapping[str, str | int | float | bool | None] = {}

    def sample(self, n: int, seed: int) -> Examples:
        return self.examples(torch.randint(4, (n, 4), generator=Generator().manual_seed(seed)))

    def label(self, tokens: Int[Tensor, "batch seq"]) -> Int[Tensor, "batch"]:
        return tokens.sum(1) % 2

    def concepts(self, tokens: Int[Tensor, "batch seq"]) -> dict[str, Tensor]:
        return {
            "running_sum": tokens.cumsum(1),
            "total": tokens.sum(1),
            "sum_to_come": tokens.flip(1).cumsum(1).flip(1),
            "mean": tokens.double().mean(1),
            "whole": tokens.sum(1).float(),
            "rises": tokens[:, 0] < tokens[:, 3],
            "ratio": tokens[:, 0] / tokens[:, 1],
        }

    def quantities(self, examples: Examples) -> dict[str, Tensor]:
        return {"total": examples.concepts["total"].double(), "last": examples.tokens[:, 3].double()}

    def encode(self, inputs: Sequence[object]) -> Int[Tensor, "batch seq"]:
        raise NotImplementedError


def found(task: Task, causal: bool, count: int = 400) -> tuple[dict[str, Concept], Inputs]:
    examples = task.sample(count, 0)
    language = read_language(task, examples, causal)
    inputs = read_inputs(examples, language)
    return {concept.name: concept for concept in given(task, read_scope(language, inputs), inputs)}, inputs


def test_names_are_the_tasks_own_with_spaces_and_quantities_come_once():
    concepts, _ = found(Steps(), causal=False)
    assert set(concepts) == {"running sum", "total", "sum to come", "mean", "whole", "rises", "ratio", "last"}


def test_values_are_the_tasks_own():
    concepts, inputs = found(Steps(), causal=False)
    assert torch.equal(concepts["running sum"].of(inputs), inputs.tokens.cumsum(1))
    total = inputs.tokens.sum(1, keepdim=True).expand(-1, 4)
    assert torch.equal(concepts["total"].of(inputs), total)
    assert torch.equal(concepts["whole"].of(inputs), total)
    assert torch.equal(concepts["mean"].of(inputs), total * UNIT // 4)


def test_what_is_no_number_is_told_apart():
    concepts, inputs = found(Steps(), causal=False)
    codes = concepts["ratio"].of(inputs)[:, 0]
    undefined = (inputs.tokens[:, 0] == 0) & (inputs.tokens[:, 1] == 0)
    assert torch.equal(codes == UNSEEN, undefined)


def test_numbers_are_quantities_and_truths_are_not():
    concepts, _ = found(Steps(), causal=False)
    assert concepts["total"].numeric
    assert not concepts["rises"].numeric


def test_a_model_that_sees_ahead_is_not_asked_what_is_known_before():
    concepts, _ = found(Brackets(), causal=False)
    assert {concept.sees for concept in concepts.values()} == {Sees.ANYWHERE}


def test_what_depends_on_the_beginning_alone_is_known_before_the_end():
    concepts, _ = found(Steps(), causal=True)
    before = {name for name, concept in concepts.items() if concept.sees is Sees.BEFORE}
    assert {name for name in before if "at the end" not in name} == {"running sum"}


@pytest.mark.parametrize(
    ("task", "known"), [(Reversal(), {"mirror"}), (Palindromes(), set())], ids=["reversal", "palindromes"]
)
def test_the_tasks_that_come_with_algoscope_are_judged_rightly(task: Task, known: set[str]):
    concepts, _ = found(task, causal=True, count=2000)
    before = {name for name, concept in concepts.items() if concept.sees is Sees.BEFORE}
    assert {name for name in before if "at the end" not in name} == known


def test_the_whole_is_known_at_the_last_place_of_inputs_of_one_length():
    concepts, inputs = found(Steps(), causal=True)
    at_end = concepts["total, at the end"]
    assert at_end.sees is Sees.BEFORE
    codes = at_end.of(inputs)
    assert (codes[:, :3] == UNSEEN).all()
    assert torch.equal(codes[:, 3], inputs.tokens.sum(1))


def test_little_evidence_is_not_enough_to_say_that_the_beginning_decides():
    concepts, _ = found(Steps(), causal=True, count=20)
    assert concepts["running sum"].sees is Sees.ANYWHERE
