"""Tasks by name, and a user's own task with several answers by file and class."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from algoscope.errors import UserError
from algoscope.tasks import registry
from algoscope.tasks.task import Examples, Task

OWN = Path(__file__).with_name("digits.py")


@pytest.fixture
def digits() -> Task:
    return registry.get(f"{OWN}:Digits")


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
    assert same(examples, task.examples(examples.tokens))
    assert task.usual["pad_token"] == task.pad
    assert len(task.sample(0, seed=0)) == 0


@pytest.mark.parametrize("name", registry.names())
def test_no_kind_of_input_is_rare_in_a_sample(name: str):
    task = registry.get(name)
    groups = task.groups(task.sample(5000, seed=0))
    assert 2 <= len(groups) <= 8
    assert min(int(mask.sum()) for mask in groups.values()) >= 150


@pytest.mark.parametrize("name", registry.names())
def test_neighbours_are_other_inputs_of_the_task_as_long_and_answered_where_they_were(name: str):
    task = registry.get(name)
    examples = task.sample(500, seed=0)
    changed = task.neighbours(examples.tokens, torch.Generator().manual_seed(0))
    assert (changed != examples.tokens).any(1).float().mean() > 0.9
    assert torch.equal(task.answered(changed), examples.answered)
    assert torch.equal(task.encode([written(task, tokens) for tokens in changed]), changed)


@pytest.mark.parametrize("name", registry.names())
def test_contrasts_line_up_and_are_answered_differently(name: str):
    first, second = registry.get(name).contrasts(50, seed=0)
    assert len(first) == len(second) == 50
    assert torch.equal(first.answered, second.answered)
    differs = (first.labels != second.labels).reshape(len(first.labels), -1).any(1)
    assert first.row_example[differs].unique().tolist() == list(range(50))


def written(task: Task, tokens: torch.Tensor) -> object:
    """An input as a person writes it: its numbers, or its letters as one string."""
    words = [word for word in task.words(tokens) if word not in FRAMES]
    if "sort" in words or "<sep>" in words:
        words = words[: words.index("sort" if "sort" in words else "<sep>")]
    return list(map(int, words)) if words[0].isdecimal() else "".join(words)


FRAMES = ("[start]", "[end]", "[pad]", "START", "END", "=", "<bos>", "<pad>", "<start>")


def same(left: Examples, right: Examples) -> bool:
    values = [(left.tokens, right.tokens), (left.labels, right.labels), (left.answered, right.answered)]
    values += [(left.concepts[name], right.concepts[name]) for name in left.concepts]
    return all(torch.equal(a, b) for a, b in values)


def test_a_task_is_returned_as_it_is(digits: Task):
    assert registry.get(digits) is digits


def test_a_users_task_may_have_several_answers(digits: Task):
    examples = digits.examples(digits.encode(["3141", "9876"]))
    assert examples.labels.tolist() == [1, 1, 3, 4, 6, 7, 8, 9]
    assert examples.answer_positions.tolist() == [4, 5, 6, 7]
    assert list(digits.groups(examples)) == ["all"]
    assert digits.show(examples.tokens[0]).plain == "3 1 4 1 ????"
    assert not digits.offending(examples.tokens[0]).any()


def test_examples_with_several_answers_are_sliced_as_one(digits: Task):
    examples = digits.sample(10, seed=0)
    part = examples[examples.concepts["largest"] > 7]
    drawn = [row for row in examples.tokens[:, :4].tolist() if max(row) > 7]
    assert part.labels.tolist() == [digit for row in drawn for digit in sorted(row)]
    assert part.row_number.tolist() == [0, 1, 2, 3] * len(drawn)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("bracket", "no task 'bracket': did you mean 'brackets'"),
        ("sudoku", "choose from brackets, palindromes, .*, first-unique, or path/to/file.py:ClassName"),
        ("", "no task ''"),
        ("nowhere.py:Digits", "no file nowhere.py"),
        (f"{OWN}", "name the class, as in .*digits.py:ClassName"),
        (f"{OWN}:", "name the class"),
        (f"{OWN}:Digit", "defines no class 'Digit'"),
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
