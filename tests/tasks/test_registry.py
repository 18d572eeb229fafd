"""Tasks by name, and a user's own task with several answers by file and class."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from algoscope.errors import UserError
from algoscope.tasks import registry
from algoscope.tasks.task import Task

OWN = Path(__file__).with_name("sorting.py")


@pytest.fixture
def sorting() -> Task:
    return registry.get(f"{OWN}:Sorting")


@pytest.mark.parametrize("name", registry.names())
def test_each_name_gives_the_task_that_is_called_so(name: str):
    task = registry.get(name)
    assert isinstance(task, Task)
    assert task.name == name


@pytest.mark.parametrize("name", registry.names())
def test_each_task_agrees_with_itself(name: str):
    task = registry.get(name)
    examples = task.sample(7, seed=0)
    assert examples.tokens.shape == (7, task.n_ctx)
    assert examples.tokens.max() < len(task.vocabulary)
    assert torch.equal(examples.labels, task.label(examples.tokens))
    assert task.pad is None or task.usual["pad_token"] == task.pad
    assert torch.stack(list(task.groups(examples).values())).sum(0).tolist() == [1] * 7


def test_a_task_is_returned_as_it_is(sorting: Task):
    assert registry.get(sorting) is sorting


def test_a_users_task_may_have_several_answers(sorting: Task):
    examples = sorting.examples(sorting.encode(["3141", "9876"]))
    assert examples.labels.tolist() == [[1, 1, 3, 4], [6, 7, 8, 9]]
    assert examples.answer == slice(4, 8)
    assert list(sorting.groups(examples)) == ["all"]
    assert sorting.show(examples.tokens[0]).plain == "3 1 4 1 ????"
    assert not sorting.offending(examples.tokens[0]).any()


def test_examples_with_several_answers_are_sliced_as_one(sorting: Task):
    examples = sorting.sample(10, seed=0)
    part = examples[examples.concepts["largest"] > 7]
    digits = [row for row in examples.tokens[:, :4].tolist() if max(row) > 7]
    assert part.labels.tolist() == [sorted(row) for row in digits]
    assert part.answer == slice(4, 8)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bracket", "no task 'bracket': did you mean 'brackets'"),
        ("sudoku", "choose from brackets, palindromes, or path/to/file.py:ClassName"),
        ("", "no task ''"),
        ("nowhere.py:Sorting", "no file nowhere.py"),
        (f"{OWN}", "name the class, as in .*sorting.py:ClassName"),
        (f"{OWN}:", "name the class"),
        (f"{OWN}:Sort", "defines no class 'Sort'"),
        (f"{OWN}:torch", "defines no class 'torch'"),
        (f"{OWN}:Unfinished", "Unfinished has no pad, sample, label, concepts, encode"),
        (f"{OWN}:NeedsAnArgument", r"NeedsAnArgument\(\) of .* fails: TypeError"),
        (f"{OWN}:Stranger", "inherit from algoscope.tasks.task.Task"),
    ],
)
def test_a_task_that_is_none_is_one_clear_error(spec: str, message: str):
    with pytest.raises(UserError, match=message):
        registry.get(spec)


@pytest.mark.parametrize("code", ["1 +", "1 / 0", "import nothing_of_this_name"])
def test_a_file_that_fails_says_how(tmp_path: Path, code: str):
    file = tmp_path / "broken.py"
    file.write_text(code)
    with pytest.raises(UserError, match=r"broken\.py can't be imported: .*Error"):
        registry.get(f"{file}:Broken")


def test_what_is_no_task_is_told_what_it_lacks():
    with pytest.raises(UserError, match="the task int has no name, vocabulary"):
        registry.get(3)
