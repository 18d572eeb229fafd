"""A user's task at the door: each mistake is one clear line."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from algoscope.errors import UserError
from algoscope.tasks import registry
from algoscope.tasks.door import check
from algoscope.tasks.task import Examples, Task


class Parity(Task):
    """Nothing is wrong with it: is the number of ones odd, of three bits or of two and padding?"""

    name = "parity"
    vocabulary = ("0", "1", "pad")
    pad: object = 2
    n_ctx = 3
    classes: Sequence[str] = ("even", "odd")
    answer: object = 0
    usual = {"attention_dir": "bidirectional"}  # noqa: RUF012

    def sample(self, n: int, seed: int) -> Examples:
        return self.examples(self.drawn(n, seed))

    def drawn(self, n: int, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(2, (n, 3), generator=generator)
        tokens[torch.rand(n, generator=generator) < 0.5, 2] = 2
        return tokens

    def label(self, tokens: Tensor) -> Tensor:
        return (tokens == 1).sum(1) % 2

    def concepts(self, tokens: Tensor) -> dict[str, Tensor]:
        return {"ones": (tokens == 1).sum(1)}

    def encode(self, inputs: Sequence[object]) -> Tensor:
        return torch.tensor([[int(bit) for bit in str(text)] for text in inputs])


class ManyAnswers(Parity):
    """Every bit is answered with the set of the bits that occurred so far."""

    def answered(self, tokens):
        return tokens != 2

    def label(self, tokens):
        return torch.stack([(tokens == bit).cumsum(1) > 0 for bit in (0, 1)], dim=-1)


class IgnoresItsCount(Parity):
    def sample(self, n, seed):
        return super().sample(10, seed)


class IgnoresItsSeed(Parity):
    def sample(self, n, seed):
        return super().sample(n, 3)


class DrawsAnew(Parity):
    def drawn(self, n, seed):
        return torch.randint(2, (n, 3))


class SamplesTokens(Parity):
    def sample(self, n, seed):
        return self.drawn(n, seed)


class Fails(Parity):
    def concepts(self, tokens):
        return {"third": tokens[:, 3]}


class FloatTokens(Parity):
    def drawn(self, n, seed):
        return super().drawn(n, seed).float()


class TooLong(Parity):
    def drawn(self, n, seed):
        return torch.cat([super().drawn(n, seed)] * 2, dim=1)


class TooShort(Parity):
    pad = None

    def drawn(self, n, seed):
        return super().drawn(n, seed)[:, :2]


class UnknownToken(Parity):
    pad = None

    def drawn(self, n, seed):
        return super().drawn(n, seed) + 1


class PadsOnTheLeft(Parity):
    answer = 2

    def drawn(self, n, seed):
        return super().drawn(n, seed).flip(1)


class FloatLabels(Parity):
    def label(self, tokens):
        return super().label(tokens).float()


class MisshapenLabels(Parity):
    def label(self, tokens):
        return tokens[:, :2]


class UnknownClass(Parity):
    def label(self, tokens):
        return super().label(tokens) + 1


class UnknownClassOfASet(ManyAnswers):
    classes = ("zero", "one", "two")


class FloatAnswered(Parity):
    def sample(self, n, seed):
        tokens = self.drawn(n, seed)
        return Examples(tokens, self.label(tokens), {}, (torch.arange(3) == 0).float().repeat(n, 1))


class AnsweredNowhere(Parity):
    def answered(self, tokens):
        return tokens == 7

    def label(self, tokens):
        return tokens


class AnotherRule(Parity):
    def sample(self, n, seed):
        tokens = self.drawn(n, seed)
        return Examples(tokens, 1 - self.label(tokens), self.concepts(tokens), self.answered(tokens))


class AnsweredElsewhere(Parity):
    def sample(self, n, seed):
        tokens = self.drawn(n, seed)
        return Examples(tokens, self.label(tokens), self.concepts(tokens), self.answered(tokens).roll(1, 1))


class NoGroups(Parity):
    def groups(self, examples):
        return {}


class IntegerGroups(Parity):
    def groups(self, examples):
        return {"odd": examples.labels}


class MisshapenGroups(Parity):
    def groups(self, examples):
        return {"all": torch.ones(3, dtype=torch.bool)}


class LeavesSomeOut(Parity):
    def groups(self, examples):
        return {"short": examples.tokens[:, 2] == 2}


class CountsTwice(Parity):
    def groups(self, examples):
        return super().groups(examples) | {"short": examples.tokens[:, 2] == 2}


def parity(**attributes: object) -> Task:
    return type("Parity", (Parity,), attributes)()


MISTAKES = [
    (parity(name="my/parity"), "name is 'my/parity': give letters, digits, - and _ only"),
    (parity(name="../parity"), "name is '../parity': give letters"),
    (parity(name="v1.2"), "name is 'v1.2': give letters"),
    (parity(name=""), "name is '': give letters"),
    (parity(name="sorting"), "name is 'sorting', as of a task that comes with algoscope: give another"),
    (parity(vocabulary=7), "vocabulary is 7: give a tuple of strings"),
    (parity(vocabulary=("0", "1", 2)), "vocabulary is ('0', '1', 2): give a tuple of strings"),
    (parity(vocabulary=()), "vocabulary is (): give at least 1"),
    (parity(classes=("even",)), "classes is ('even',): give at least 2"),
    (parity(classes=("odd", "odd")), "classes has 'odd' more than once: give each a name of its own"),
    (parity(n_ctx=0), "n_ctx is 0: give the number of tokens of the longest input"),
    (parity(pad=3), "pad is 3: give one of the ids 0 to 2, or None"),
    (parity(pad="pad"), "pad is 'pad': give one of the ids 0 to 2, or None"),
    (parity(usual=None), "usual is None: give a dictionary of settings, or an empty one"),
    (parity(answer=3), "answer is 3: give one of the positions 0 to 2, or a slice"),
    (parity(answer="last"), "answer is 'last': give one of the positions 0 to 2, or a slice"),
    (parity(answer=slice(3, 5)), "answer is slice(3, 5, None): that is none of the positions 0 to 2"),
    (IgnoresItsCount(), "sample(37, seed=0) gives 10 examples: give as many as asked for"),
    (IgnoresItsSeed(), "sample(37, seed=0) and seed=1 give the same examples: let the seed decide"),
    (
        DrawsAnew(),
        "sample(37, seed=0) gives other examples when it is called again: "
        "draw with torch.Generator().manual_seed(seed)",
    ),
    (SamplesTokens(), "sample gives 'Tensor': return self.examples(tokens)"),
    (Fails(), "sample(37, seed=0) fails: IndexError: index 3 is out of bounds for dimension 1 with size 3"),
    (FloatTokens(), "tokens are torch.float32 [37, 3]: give torch.int64 [batch, seq]"),
    (TooLong(), "tokens have 6 positions: n_ctx is 3"),
    (TooShort(), "tokens have 2 positions: n_ctx is 3, and without pad every input is as long"),
    (UnknownToken(), "tokens reach from 1 to 3: the vocabulary has the ids 0 to 2"),
    (PadsOnTheLeft(), "'pad' stands before other tokens: pad inputs on the right only"),
    (FloatLabels(), "labels are torch.float32 [37]: give torch.int64, or bool for sets"),
    (MisshapenLabels(), "labels are torch.int64 [37, 2] for inputs [37, 3] with 1 answers each: give int64"),
    (UnknownClass(), "labels reach from 1 to 2: there are the classes 0 to 1"),
    (UnknownClassOfASet(), "give one yes or no for each of 3 classes"),
    (FloatAnswered(), "answered is torch.float32 [37, 3]: give torch.bool [37, 3]"),
    (AnsweredNowhere(), "37 of 37 inputs are answered nowhere: mark at least one position"),
    (AnotherRule(), "label gives 37 of 37 inputs another answer than sample does, first '"),
    (AnsweredElsewhere(), "sample marks other positions as answered than `answer` or `answered` does"),
    (NoGroups(), "groups gives {}: return a dictionary from names to masks"),
    (IntegerGroups(), "the group 'odd' is torch.int64 [37]: give torch.bool [37], one for each input"),
    (MisshapenGroups(), "the group 'all' is torch.bool [3]: give torch.bool [37], one for each input"),
    (LeavesSomeOut(), "inputs are in no group: put each in exactly one"),
    (CountsTwice(), "inputs are in several groups: put each in exactly one"),
]


@pytest.mark.parametrize(("task", "message"), MISTAKES, ids=lambda value: type(value).__name__)
def test_each_mistake_is_one_line_that_names_the_task(task: Task, message: str):
    with pytest.raises(UserError) as caught:
        registry.get(task)
    said = str(caught.value)
    assert said.startswith(f"the task {type(task).__name__}: ")
    assert message in said
    assert "\n" not in said


@pytest.mark.parametrize("task", [Parity(), ManyAnswers(), parity(answer=-3)])
def test_a_task_without_mistakes_passes(task: Task):
    assert registry.get(task) is task


@pytest.mark.parametrize("name", registry.names())
def test_the_tasks_that_come_with_algoscope_pass_in_no_time(name: str):
    task = registry.get(name)
    check(task, ())
    started = time.process_time()
    check(task, ())
    # 2 to 20 ms where nothing else runs.
    assert time.process_time() - started < 0.1


def test_looking_leaves_global_randomness_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    registry.get(Parity())
    assert torch.equal(torch.get_rng_state(), before)
