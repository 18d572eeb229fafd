"""A user's own task, checked before anything is computed with it: each mistake is one clear line."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from algoscope.errors import UserError
from algoscope.tasks.answers import check_labels
from algoscope.tasks.task import Examples, Task

ATTRIBUTES = ("name", "vocabulary", "pad", "n_ctx", "classes", "usual")
METHODS = ("sample", "label", "concepts", "encode")
SAMPLED = 37
"""How many inputs are looked at: a number that nobody's sampler gives by chance."""

Result = TypeVar("Result")


def check(task: object, taken: Collection[str]) -> Task:
    """The task, if it is one that can be worked with. `taken` are names that it may not have.

    Draws three small samples. What holds for these may fail on others: a rule that is wrong on one input in a
    thousand is not noticed here.
    """
    known = _complete(task)
    try:
        _check_name(known, taken)
        _check_sizes(known)
        _check_answer(known)
        examples = _sampled(known, seed=0)
        _check_tokens(known, examples.tokens)
        _check_labels(known, examples)
        _check_seeds(known, examples)
        _check_rule(known, examples)
        _check_groups(known, examples)
    except UserError as error:
        raise UserError(f"the task {type(task).__name__}: {error}") from error
    return known


def _complete(task: object) -> Task:
    kind = type(task)
    missing = [name for name in ATTRIBUTES if not hasattr(task, name)]
    if not hasattr(task, "answer") and getattr(kind, "answered", None) in (None, Task.answered):
        missing.append("answer (or answered)")
    # A class that inherits from Task has every method; those that Task leaves open return nothing.
    missing += [name for name in METHODS if getattr(kind, name, None) in (None, getattr(Task, name))]
    if missing:
        raise UserError(f"the task {kind.__name__} has no {', '.join(missing)}: define what every task needs")
    if not isinstance(task, Task):
        raise UserError(f"the task {kind.__name__} is no Task: inherit from algoscope.tasks.task.Task")
    return task


def _check_name(task: Task, taken: Collection[str]) -> None:
    # Folders and files are called by it.
    if not (isinstance(task.name, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", task.name)):
        raise UserError(f"name is {task.name!r}: give letters, digits, - and _ only")
    if task.name in taken:
        raise UserError(f"name is {task.name!r}, as of a task that comes with algoscope: give another")


def _check_sizes(task: Task) -> None:
    for attribute, least in (("vocabulary", 1), ("classes", 2)):
        names = getattr(task, attribute)
        if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
            raise UserError(f"{attribute} is {_short(names)}: give a tuple of strings")
        if len(names) < least:
            raise UserError(f"{attribute} is {_short(names)}: give at least {least}")
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise UserError(f"{attribute} has {twice[0]!r} more than once: give each a name of its own")
    if not (type(task.n_ctx) is int and task.n_ctx >= 1):
        raise UserError(f"n_ctx is {_short(task.n_ctx)}: give the number of tokens of the longest input")
    last = len(task.vocabulary) - 1
    if task.pad is not None and not (type(task.pad) is int and 0 <= task.pad <= last):
        raise UserError(f"pad is {_short(task.pad)}: give one of the ids 0 to {last}, or None")
    if not isinstance(task.usual, Mapping):
        raise UserError(f"usual is {_short(task.usual)}: give a dictionary of settings, or an empty one")


def _check_answer(task: Task) -> None:
    if type(task).answered is not Task.answered:
        return
    answer = task.answer
    if isinstance(answer, slice):
        if not range(task.n_ctx)[answer]:
            raise UserError(f"answer is {answer}: that is none of the positions 0 to {task.n_ctx - 1}")
    elif type(answer) is not int or not -task.n_ctx <= answer < task.n_ctx:
        raise UserError(
            f"answer is {_short(answer)}: give one of the positions 0 to {task.n_ctx - 1}, or a slice"
        )


def _sampled(task: Task, seed: int) -> Examples:
    examples = _called(f"sample({SAMPLED}, seed={seed})", lambda: task.sample(SAMPLED, seed))
    if not isinstance(examples, Examples):
        raise UserError(f"sample gives {_short(type(examples).__name__)}: return self.examples(tokens)")
    if len(examples) != SAMPLED:
        raise UserError(
            f"sample({SAMPLED}, seed={seed}) gives {len(examples)} examples: give as many as asked for"
        )
    return examples


def _check_tokens(task: Task, tokens: Tensor) -> None:
    if tokens.ndim != 2 or tokens.dtype != torch.int64:
        raise UserError(f"tokens are {tokens.dtype} {list(tokens.shape)}: give torch.int64 [batch, seq]")
    seq = tokens.shape[1]
    if seq > task.n_ctx:
        raise UserError(f"tokens have {seq} positions: n_ctx is {task.n_ctx}")
    if seq < task.n_ctx and task.pad is None:
        raise UserError(
            f"tokens have {seq} positions: n_ctx is {task.n_ctx}, and without pad every input is as long"
        )
    low, high = (int(end) for end in tokens.aminmax())
    if low < 0 or high >= len(task.vocabulary):
        raise UserError(
            f"tokens reach from {low} to {high}: the vocabulary has the ids 0 to {len(task.vocabulary) - 1}"
        )
    if task.pad is not None and bool(((tokens[:, :-1] == task.pad) & (tokens[:, 1:] != task.pad)).any()):
        raise UserError(
            f"{task.vocabulary[task.pad]!r} stands before other tokens: pad inputs on the right only"
        )


def _check_labels(task: Task, examples: Examples) -> None:
    answered, labels, classes = examples.answered, examples.labels, len(task.classes)
    expected = examples.tokens.shape
    if answered.dtype != torch.bool or answered.shape != expected:
        raise UserError(
            f"answered is {answered.dtype} {list(answered.shape)}: give torch.bool {list(expected)}"
        )
    unanswered = int((~answered.any(1)).sum())
    if unanswered:
        raise UserError(
            f"{unanswered} of {len(examples)} inputs are answered nowhere: mark at least one position"
        )
    if not examples.sets and (labels.dtype != torch.int64 or labels.ndim != 1):
        raise UserError(f"labels are {labels.dtype} {list(labels.shape)}: give torch.int64, or bool for sets")
    check_labels(labels, classes)


def _check_seeds(task: Task, examples: Examples) -> None:
    again, other = _sampled(task, seed=0), _sampled(task, seed=1)
    if not torch.equal(again.tokens, examples.tokens):
        raise UserError(
            f"sample({SAMPLED}, seed=0) gives other examples when it is called again: draw with "
            "torch.Generator().manual_seed(seed)"
        )
    if torch.equal(other.tokens, examples.tokens):
        raise UserError(f"sample({SAMPLED}, seed=0) and seed=1 give the same examples: let the seed decide")


def _check_rule(task: Task, examples: Examples) -> None:
    """The sampler may have made its labels in another way than the rule does."""
    ruled = _called("label, concepts or answered", lambda: task.examples(examples.tokens))
    if not torch.equal(ruled.answered, examples.answered):
        raise UserError("sample marks other positions as answered than `answer` or `answered` does")
    if ruled.labels.shape != examples.labels.shape or ruled.labels.dtype != examples.labels.dtype:
        raise UserError(
            f"labels are {examples.labels.dtype} {list(examples.labels.shape)} from sample and "
            f"{ruled.labels.dtype} {list(ruled.labels.shape)} from label: make them agree"
        )
    differs = (ruled.labels != examples.labels).reshape(len(ruled.labels), -1).any(1)
    wrong = examples.row_example[differs].unique().tolist()
    if wrong:
        shown = " ".join(task.vocabulary[token] for token in examples.tokens[wrong[0]].tolist())
        raise UserError(
            f"label gives {len(wrong)} of {len(examples)} inputs another answer than sample does, "
            f"first {shown!r}: make them agree"
        )


def _check_groups(task: Task, examples: Examples) -> None:
    groups = _called("groups", lambda: task.groups(examples))
    if not isinstance(groups, Mapping) or not groups:
        raise UserError(f"groups gives {_short(groups)}: return a dictionary from names to masks")
    for name, mask in groups.items():
        if not isinstance(mask, Tensor) or mask.dtype != torch.bool or mask.shape != (len(examples),):
            given = f"{mask.dtype} {list(mask.shape)}" if isinstance(mask, Tensor) else _short(mask)
            raise UserError(
                f"the group {name!r} is {given}: give torch.bool [{len(examples)}], one for each input"
            )
    times = torch.stack(list(groups.values())).sum(0)
    for count, what in ((int((times == 0).sum()), "no group"), (int((times > 1).sum()), "several groups")):
        if count:
            raise UserError(f"{count} of {len(examples)} inputs are in {what}: put each in exactly one")


def _called(what: str, call: Callable[[], Result]) -> Result:
    try:
        return call()
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{what} fails: {type(error).__name__}: {reason}") from error


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
