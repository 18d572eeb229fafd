"""The user's own inputs and labels, read from a file and checked against the task's rule."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import torch
from jaxtyping import Int
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from algoscope.errors import UserError
from algoscope.tasks.task import Examples, Task, by_row

SHOWN = 3
"""How many of the labels that disagree an error shows."""

Pair = tuple[object, object]
"""An input as a person writes it, and its label."""

Given = Callable[[Examples], Tensor]
"""The labels of a file, with a row for each answer of these examples."""


def read_examples(path: Path | str, task: Task) -> Examples:
    """The examples in a file, in its order, with the task's labels and concepts.

    - `.json`: a list of `[input, label]`, or of `{"input": ..., "label": ...}`
    - `.jsonl`: one of these a line
    - `.csv`: with the columns `input` and `label`
    - each of these with `.gz` behind
    - `.safetensors`: integer `tokens` `[batch seq]`, and `labels` as `Task.label` gives them, or none

    A label is a class's index or name; true and false will do where there are two classes. Several answers
    are a list of labels. Where an answer is a set, it is a list of classes, in the list of answers. Raises
    UserError, with what is wrong and where, for a file that can't be read so, for an input that is none
    of the task's, and for labels that disagree with the task's rule.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no file {path}: give a file with inputs and labels")
    try:
        tokens, given = (
            _from_safetensors(path, task) if path.suffix == ".safetensors" else _from_text(path, task)
        )
        examples = task.examples(tokens)
        if given is not None:
            _compare(task, examples, given(examples))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    return examples


def _compare(task: Task, examples: Examples, given: Tensor) -> None:
    differs = (given != examples.labels).reshape(len(given), -1).any(1)
    wrong = examples.row_example[differs].unique().tolist()
    if not wrong:
        return
    shown = [
        f"{task.show(examples.tokens[example]).plain} is given as"
        f" {_named(given[examples.row_example == example], task)}"
        f" and is {_named(examples.labels[examples.row_example == example], task)}"
        for example in wrong[:SHOWN]
    ]
    more = "; ..." if len(wrong) > SHOWN else ""
    raise UserError(
        f"the labels of {len(wrong)} of {len(examples)} inputs disagree with the rule of {task.name}"
        f" (correct them, or give the task that they follow): {'; '.join(shown)}{more}"
    )


def _named(labels: Tensor, task: Task) -> str:
    if labels.dtype != torch.bool:
        return " ".join(task.classes[index] for index in labels.tolist())
    sets = ([task.classes[index] for index, member in enumerate(row) if member] for row in labels.tolist())
    return " ".join(f"{{{', '.join(names)}}}" for names in sets)


def _from_safetensors(path: Path, task: Task) -> tuple[Tensor, Given | None]:
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise UserError(f"not a readable safetensors file ({error})") from error
    if "tokens" not in tensors:
        raise UserError(f"has {', '.join(sorted(tensors)) or 'no tensors'}: give one named 'tokens'")
    labels = tensors.get("labels")
    tokens = _checked_tokens(tensors["tokens"], task)
    return tokens, None if labels is None else lambda examples: _checked_labels(labels, task, examples)


def _checked_tokens(tokens: Tensor, task: Task) -> Int[Tensor, "batch seq"]:
    if tokens.ndim != 2 or not _is_whole(tokens) or not tokens.numel():
        raise UserError(f"tokens are {tokens.dtype} {list(tokens.shape)}: give integers [batch, seq]")
    seq, expected = tokens.shape[1], task.n_ctx
    if seq > expected or (task.pad is None and seq < expected):
        bound = "exactly" if task.pad is None else "at most"
        raise UserError(f"tokens have {seq} positions: an input of {task.name} has {bound} {expected}")
    low, high = int(tokens.min()), int(tokens.max())
    if low < 0 or high >= len(task.vocabulary):
        raise UserError(
            f"tokens reach from {low} to {high}: {task.name} has the ids 0 to {len(task.vocabulary) - 1}"
        )
    return tokens.long()


def _checked_labels(labels: Tensor, task: Task, examples: Examples) -> Tensor:
    if examples.sets:
        rows = by_row(labels.bool(), examples.answered)
        if rows.shape != examples.labels.shape:
            raise UserError(f"labels have {rows.shape[-1]} classes: {task.name} has {len(task.classes)}")
        return rows
    if labels.dtype != torch.bool and not _is_whole(labels):
        raise UserError(f"labels are {labels.dtype}: give integers or booleans")
    rows = by_row(labels.long(), examples.answered)
    strange = (rows < 0) | (rows >= len(task.classes))
    if strange.any():
        raise UserError(f"label {rows[strange][0].item()} is none of {_classes(task)}")
    return rows


def _is_whole(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)


def _from_text(path: Path, task: Task) -> tuple[Tensor, Given]:
    suffixes = [suffix for suffix in path.suffixes if suffix != ".gz"]
    read = _FORMATS.get(suffixes[-1] if suffixes else "")
    if read is None:
        kinds = ", ".join(_FORMATS)
        raise UserError(f"unknown kind of file: give {kinds} (each also with .gz), or .safetensors")
    text = _text(path)
    pairs = list(read(text)) if text.strip() else []
    if not pairs:
        raise UserError("the file holds no examples: give at least one input with its label")
    tokens = task.encode([value for value, _ in pairs])
    return tokens, lambda examples: _labels([label for _, label in pairs], task, examples)


def _text(path: Path) -> str:
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        # A spreadsheet's export may begin with a byte order mark.
        return content.decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"not a complete gzip file ({error})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"not UTF-8 text ({error.reason} at byte {error.start})") from error


def _json_pairs(text: str) -> Iterator[Pair]:
    rows = _parsed(text, first_line=1)
    if not isinstance(rows, list):
        raise UserError(f"holds one {type(rows).__name__}: give a list of [input, label]")
    return (_pair(row, f"example {number}") for number, row in enumerate(rows, start=1))


def _jsonl_pairs(text: str) -> Iterator[Pair]:
    lines = enumerate(text.split("\n"), start=1)
    return (_pair(_parsed(line, number), f"line {number}") for number, line in lines if line.strip())


def _parsed(text: str, first_line: int) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        raise UserError(f"line {line} is no valid JSON: {error.msg}, column {error.colno}") from error
    except RecursionError as error:
        raise UserError("the JSON is nested too deeply: give a list of [input, label]") from error


def _pair(row: object, where: str) -> Pair:
    if isinstance(row, list) and len(row) == 2:
        return row[0], row[1]
    if isinstance(row, dict) and "input" in row and "label" in row:
        return row["input"], row["label"]
    raise UserError(f'{where} is {_short(row)}: give [input, label] or {{"input": ..., "label": ...}}')


def _csv_pairs(text: str) -> Iterator[Pair]:
    rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        if missing := {"input", "label"} - set(header):
            raise UserError(f"the columns are {header}: there is no {' and no '.join(sorted(missing))}")
        value, label = header.index("input"), header.index("label")
        for row in filter(None, rows):
            if len(row) != len(header):
                raise UserError(f"line {rows.line_num} has {len(row)} fields: the header has {len(header)}")
            yield row[value], row[label]
    except csv.Error as error:
        raise UserError(f"line {rows.line_num} is no valid CSV: {error}") from error


def _spellings(task: Task) -> Mapping[object, int]:
    """Each way to write a label, with the class that it means; a class's own name comes first."""
    known: dict[object, int] = {}
    for index in range(len(task.classes)):
        known |= {index: index, str(index): index, f"{index}.0": index}
        if len(task.classes) == 2:
            # JSON's true and false are equal to 1 and 0 as keys; these are as CSV files spell them.
            known |= dict.fromkeys(_BOOLEANS[index], index)
    return known | {name: index for index, name in enumerate(task.classes)}


def _labels(labels: list[object], task: Task, examples: Examples) -> Tensor:
    known = _spellings(task)

    def index(label: object) -> int:
        if not isinstance(label, str | int | float) or label not in known:
            raise UserError(f"label {_short(label)} is none of {_classes(task)}")
        return known[label]

    rows: list[object] = []
    counts = examples.answered.sum(1).tolist()
    for number, (label, count) in enumerate(zip(labels, counts, strict=True), start=1):
        answers = label if isinstance(label, list) else [label]
        if len(answers) != count:
            raise UserError(f"example {number} has {len(answers)} labels for {count} answers: give one each")
        rows += answers
    if not examples.sets:
        return torch.tensor([index(answer) for answer in rows], dtype=torch.long)
    found = torch.zeros(len(rows), len(task.classes), dtype=torch.bool)
    for row, answer in enumerate(rows):
        if not isinstance(answer, list):
            raise UserError(f"label {_short(answer)} is no set: give a list of classes for each answer")
        found[row, [index(name) for name in answer]] = True
    return found


def _classes(task: Task) -> str:
    return ", ".join(f"{index} ({name})" for index, name in enumerate(task.classes))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


_BOOLEANS = (("false", "False", "FALSE"), ("true", "True", "TRUE"))
_FORMATS: Mapping[str, Callable[[str], Iterator[Pair]]] = {
    ".json": _json_pairs,
    ".jsonl": _jsonl_pairs,
    ".csv": _csv_pairs,
}
