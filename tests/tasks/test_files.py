"""Examples from the user's own files: every format, and every way in which one can be wrong."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from algoscope.errors import UserError
from algoscope.tasks import registry
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.files import read_examples
from algoscope.tasks.nesting import Nesting
from algoscope.tasks.palindromes import Palindromes
from algoscope.tasks.reversal import Reversal

TASK = Brackets()
INPUTS = ["()", "((", ")(()", "(())()"]
LABELS = [1, 0, 0, 1]


def as_json(labels: list) -> str:
    return json.dumps([list(pair) for pair in zip(INPUTS, labels, strict=True)], indent=1)


def as_json_objects(labels: list) -> str:
    return json.dumps([{"input": i, "label": label} for i, label in zip(INPUTS, labels, strict=True)])


def as_jsonl(labels: list) -> str:
    return "".join(json.dumps(list(pair)) + "\n" for pair in zip(INPUTS, labels, strict=True))


def as_csv(labels: list) -> str:
    return "input,label\n" + "".join(f"{i},{label}\n" for i, label in zip(INPUTS, labels, strict=True))


def as_csv_of_a_spreadsheet(labels: list) -> str:
    rows = [f'"{label}",row,"{i}"\r\n' for i, label in zip(INPUTS, labels, strict=True)]
    return "\ufefflabel, note, input\r\n" + "".join(rows)


WRITERS = [
    (".json", as_json),
    (".json", as_json_objects),
    (".jsonl", as_jsonl),
    (".csv", as_csv),
    (".csv", as_csv_of_a_spreadsheet),
]


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize(("suffix", "write"), WRITERS)
@pytest.mark.parametrize(
    "labels", [LABELS, [True, False, False, True], ["balanced", "unbalanced", "0", "1"]], ids=str
)
def test_every_format_and_spelling_is_read_in_order(tmp_path: Path, suffix, write, labels, gzipped):
    content = write(labels).encode()
    path = tmp_path / (f"my.data{suffix}.gz" if gzipped else f"my.data{suffix}")
    path.write_bytes(gzip.compress(content) if gzipped else content)
    examples = read_examples(path, TASK)
    assert torch.equal(examples.tokens, TASK.encode(INPUTS))
    assert examples.labels.tolist() == LABELS
    assert set(examples.concepts) == set(TASK.concepts(examples.tokens))


@given(st.lists(st.text("()", min_size=1, max_size=40), min_size=1))
@settings(max_examples=30)
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, strings: list[str]):
    examples = TASK.examples(TASK.encode(strings))
    path = tmp_path_factory.mktemp("written") / "examples.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("input", "label"), *zip(strings, examples.labels.tolist(), strict=True)])
    assert torch.equal(read_examples(str(path), TASK).tokens, examples.tokens)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8])
def test_tokens_are_read_with_labels_or_without(tmp_path: Path, dtype: torch.dtype):
    task, path = Palindromes(), tmp_path / "tokens.safetensors"
    examples = task.sample(20, seed=0)
    save_file({"tokens": examples.tokens.to(dtype)}, path)
    assert torch.equal(read_examples(path, task).tokens, examples.tokens)
    save_file({"tokens": examples.tokens.to(dtype), "labels": examples.labels.bool()}, path)
    assert torch.equal(read_examples(path, task).labels, examples.labels)


def test_shorter_tokens_are_read_where_a_task_pads(tmp_path: Path):
    path = tmp_path / "tokens.safetensors"
    save_file({"tokens": torch.tensor([[0, 3, 4, 2], [0, 4, 2, 1]])}, path)
    assert read_examples(path, TASK).labels.tolist() == [1, 0]


def test_numbers_in_a_table_are_read_as_a_sequence(tmp_path: Path):
    path = tmp_path / "palindromes.csv"
    path.write_text(f"input,label\n{' '.join(['3'] * 20)},palindrome\n")
    assert read_examples(path, Palindromes()).labels.tolist() == [1]


def test_several_answers_are_a_list_of_labels(tmp_path: Path):
    task = registry.get(f"{Path(__file__).with_name('digits.py')}:Digits")
    path = tmp_path / "digits.json"
    path.write_text('[["3141", [1, 1, 3, 4]], ["2026", [0, 2, "2", 6]]]')
    assert read_examples(path, task).labels.tolist() == [1, 1, 3, 4, 0, 2, 2, 6]
    path.write_text('[["3141", [1, 1, 3, 5]]]')
    with pytest.raises(UserError, match=r"3 1 4 1 \?\?\?\? is given as 1 1 3 5 and is 1 1 3 4"):
        read_examples(path, task)
    path.write_text('[["3141", [1, 1, 3]]]')
    with pytest.raises(UserError, match="example 1 has 3 labels for 4 answers"):
        read_examples(path, task)
    path.write_text('[["3141", [1, 1, 3, 4]], ["2026", 3]]')
    with pytest.raises(UserError, match="example 2 has 1 labels for 4 answers"):
        read_examples(path, task)


def test_answers_at_places_that_differ_are_as_many_labels_as_each_input_has(tmp_path: Path):
    path = tmp_path / "strings.json"
    path.write_text('[["abc", ["c", "b", "a"]], ["de", [4, 3]]]')
    assert read_examples(path, Reversal()).labels.tolist() == [2, 1, 0, 4, 3]
    path.write_text('[["abc", ["c", "b", "a"]], ["de", ["e", "d", "d"]]]')
    with pytest.raises(UserError, match="example 2 has 3 labels for 2 answers: give one each"):
        read_examples(path, Reversal())
    path.write_text('[["abc", ["c", "b", "a"]], ["de", ["d", "e"]]]')
    with pytest.raises(UserError, match=r"of 1 of 2 inputs .* <bos> de <sep> ed is given as d e and is e d"):
        read_examples(path, Reversal())


def test_sets_are_a_list_of_classes_for_each_answer(tmp_path: Path):
    task, path = Nesting(), tmp_path / "brackets.json"
    path.write_text('[["(", [["end", "(", "["], [0, ")", "["]]], ["()", [[0, 2, 4], [0, 1, 2], [0, 2, 4]]]]')
    assert torch.equal(read_examples(path, task).labels, task.examples(task.encode(["(", "()"])).labels)
    path.write_text('[["(", [["(", "["], []]]]')
    with pytest.raises(UserError, match=r"is given as {\(, \[} {} and is {\(, \[, end} {\(, \), \[}"):
        read_examples(path, task)
    path.write_text('[["(", ["(", "["]]]')
    with pytest.raises(UserError, match=r"label '\(' is no set: give a list of classes for each answer"):
        read_examples(path, task)


def test_labels_of_several_answers_and_of_sets_are_read_from_tensors(tmp_path: Path):
    for task in (Reversal(), Nesting()):
        path, examples = tmp_path / "tensors.safetensors", task.sample(20, seed=0)
        labels = task.label(examples.tokens)
        save_file({"tokens": examples.tokens, "labels": labels}, path)
        assert torch.equal(read_examples(path, task).labels, examples.labels)
        wrong = ~labels if examples.sets else 9 - labels
        save_file({"tokens": examples.tokens, "labels": wrong}, path)
        with pytest.raises(UserError, match="of 20 inputs disagree with the rule"):
            read_examples(path, task)
        save_file({"tokens": examples.tokens, "labels": labels[:, :2].contiguous()}, path)
        with pytest.raises(UserError, match="answers each: give int64"):
            read_examples(path, task)
    save_file({"tokens": examples.tokens, "labels": labels[..., :3].contiguous()}, path)
    with pytest.raises(UserError, match="labels have 3 classes: nesting has 5"):
        read_examples(path, task)


def test_labels_that_disagree_are_counted_and_the_first_are_shown(tmp_path: Path):
    path = tmp_path / "wrong.json"
    path.write_text(as_json([0, 1, 1, 0]))
    with pytest.raises(UserError) as caught:
        read_examples(path, TASK)
    message = str(caught.value)
    assert "the labels of 4 of 4 inputs disagree with the rule of brackets" in message
    assert "[start] () [end] is given as unbalanced and is balanced; [start] (( [end] is given" in message
    assert message.count("is given as") == 3
    assert message.endswith("; ...")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "()", r"unknown kind of file: give .json, .jsonl, .csv \(each also with .gz\)"),
        ("a", "()", "unknown kind of file"),
        ("a.gz", "()", "unknown kind of file"),
        ("a.json", "", "holds no examples"),
        ("a.json", "[]", "holds no examples"),
        ("a.jsonl", "\n\n", "holds no examples"),
        ("a.csv", "", "holds no examples"),
        ("a.csv", "input,label\n", "holds no examples"),
        ("a.json", '[["()", 1],\n ["((" 0]]', "line 2 is no valid JSON: Expecting ',' delimiter, column 8"),
        ("a.json", "[" * 100_000, "nested too deeply|no valid JSON"),
        ("a.json", '{"()": 1}', "holds one dict: give a list"),
        ("a.json", '[["()", 1], ["(("]]', r"example 2 is \['\(\('\]: give \[input, label\]"),
        ("a.json", '[{"input": "()", "balanced": 1}]', "example 1 is .*: give"),
        ("a.jsonl", '["()", 1]\n\n["((", 0', "line 3 is no valid JSON"),
        ("a.jsonl", '["()", 1]\n7\n', "line 2 is 7: give"),
        ("a.csv", "string,label\n(),1\n", "there is no input"),
        ("a.csv", "(),1\n", "there is no input and no label"),
        ("a.csv", "input,label\n(),1\n((\n", "line 3 has 1 fields: the header has 2"),
        ("a.csv", 'input,label\n"()"x,1\n', "line 2 is no valid CSV"),
        ("a.json", '[["()", 2]]', r"label 2 is none of 0 \(unbalanced\), 1 \(balanced\)"),
        ("a.json", '[["()", null]]', "label None is none of"),
        ("a.json", '[["()", NaN]]', "label nan is none of"),
        ("a.json", '[["()", {"a": 1}]]', "label {'a': 1} is none of"),
        ("a.csv", "input,label\n(),yes\n", "label 'yes' is none of"),
        ("a.json", '[["()", [1, 1]]]', "example 1 has 2 labels for 1 answers"),
        ("a.json", '[["()", 1], ["(]", 0]]', r"a.json: '\(\]' has '\]'"),
        ("a.json", b"\xff\xfe", "not UTF-8 text"),
        ("a.json.gz", b"plain", "not a complete gzip file"),
        ("a.json.gz", gzip.compress(b"[]", mtime=0)[:-4], "not a complete gzip file"),
        ("a.safetensors", b"\x80\x04pickle", "not a readable safetensors file"),
        ("a.safetensors", b"", "not a readable safetensors file"),
    ],
)
def test_a_malformed_file_is_one_clear_error(tmp_path: Path, name: str, content: str | bytes, message: str):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UserError, match=message) as caught:
        read_examples(path, TASK)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"labels": torch.ones(2)}, "has labels: give one named 'tokens'"),
        ({"tokens": torch.zeros(2, 22)}, r"tokens are torch.float32 \[2, 22\]: give integers"),
        ({"tokens": torch.zeros(22, dtype=torch.long)}, "give integers"),
        ({"tokens": torch.zeros(0, 22, dtype=torch.long)}, "give integers"),
        ({"tokens": torch.zeros(2, 23, dtype=torch.long)}, "23 positions: .* has exactly 22"),
        ({"tokens": torch.zeros(2, 21, dtype=torch.long)}, "21 positions: .* has exactly 22"),
        ({"tokens": torch.full((2, 22), 33)}, "reach from 33 to 33: palindromes has the ids 0 to 32"),
        ({"tokens": torch.full((2, 22), -1)}, "reach from -1 to -1"),
        ({"tokens": torch.zeros(2, 22).long(), "labels": torch.zeros(2)}, "labels are torch.float32"),
        ({"tokens": torch.zeros(2, 22).long(), "labels": torch.full((2,), 2)}, "label 2 is none of"),
        (
            {"tokens": torch.zeros(2, 22).long(), "labels": torch.ones(3).long()},
            r"labels are torch.int64 \[3\] for inputs \[2, 22\] with 1 answers each",
        ),
    ],
)
def test_malformed_tensors_are_one_clear_error(tmp_path: Path, tensors: dict, message: str):
    save_file(tensors, tmp_path / "a.safetensors")
    with pytest.raises(UserError, match=message):
        read_examples(tmp_path / "a.safetensors", Palindromes())


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(UserError, match=r"no file .*nowhere\.json"):
        read_examples(tmp_path / "nowhere.json", TASK)
    with pytest.raises(UserError, match="no file"):
        read_examples(tmp_path, TASK)


def test_the_public_data_is_read_whole(reference: Path):
    examples = read_examples(reference / "arena/brackets_data.json.gz", TASK)
    assert (len(examples), int(examples.labels.sum())) == (100_000, 46_022)
