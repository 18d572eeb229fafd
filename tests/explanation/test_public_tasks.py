"""The ten public models' tasks say what came with the models."""

from __future__ import annotations

import re
from itertools import product

import pytest
import torch
from tests.explanation.public_tasks import TASKS, examples_of_values, facts, given, public

from algoscope.errors import UserError
from algoscope.tasks.answers import right

LANGUAGES = {
    "D2": lambda word: shallow(word, 2),
    "D3": lambda word: shallow(word, 3),
    "tomita4": lambda word: "000" not in word,
    "tomita5": lambda word: word.count("0") % 2 == word.count("1") % 2 == 0,
    "abcde": lambda word: re.fullmatch("a+b+c+d+e+", word),
    "aaaastar": lambda word: re.fullmatch("(aaaa)*", word),
}
KS, Z = 1.95, 3.3
"""Beyond these, one draw in a thousand of the same distribution."""


def shallow(word, most):
    depths = [word[:end].count("a") - word[:end].count("b") for end in range(len(word) + 1)]
    return min(depths) == depths[-1] == 0 and max(depths) <= most


def lengths(task, examples):
    return (examples.tokens != task.pad).sum(1)


@pytest.mark.parametrize("name", TASKS)
def test_vocabulary_classes_and_longest_input_are_the_models(name):
    model, task = public(name)
    assert list(task.vocabulary) == facts(name)["tokens"]
    assert (len(task.vocabulary), len(task.classes)) == (model.config.d_vocab, model.config.d_vocab_out)
    assert task.n_ctx == model.config.n_ctx


@pytest.mark.parametrize("name", TASKS)
def test_answers_and_their_places_are_the_given_ones(name):
    values, examples = given(name), examples_of_values(name)
    assert torch.equal(examples.answered, values["answer_mask"])
    labels = values["labels"].bool() if examples.sets else values["labels"].long()
    assert torch.equal(examples.labels, labels[examples.answered])


@pytest.mark.parametrize("name", TASKS)
def test_encoding_what_the_given_inputs_say_gives_their_tokens(name):
    task, tokens = TASKS[name], given(name)["tokens"].long()
    rows = [[token for token in row if token < task.bos] for row in tokens.tolist()]
    if bool((tokens == task.sep).any()):
        inputs = [row[1 : row.index(task.sep)] for row in tokens.tolist()]
    else:
        inputs = ["".join(task.vocabulary[token] for token in row) for row in rows]
    encoded = task.encode(inputs)
    assert torch.equal(encoded[:, : tokens.shape[1]], tokens)
    assert bool((encoded[:, tokens.shape[1] :] == task.pad).all())


@pytest.mark.parametrize("name", TASKS)
def test_fresh_inputs_are_as_hard_as_the_given_ones(name):
    model, task = public(name)
    examples = task.sample(500, seed=1)
    with torch.inference_mode():
        logits = model(examples.tokens, position_ids=examples.position_ids)
    wrong = torch.zeros(500).index_add(
        0, examples.row_example, 1.0 - right(examples.at_answers(logits), examples.labels).float()
    )
    fresh, old = (wrong == 0).double().mean().item(), facts(name)["sequence_accuracy"]
    share = (500 * fresh + 200 * old) / 700
    assert abs(fresh - old) <= Z * (share * (1 - share) * (1 / 500 + 1 / 200)) ** 0.5


def far(old, fresh):
    """The greatest distance between two samples' distributions, in units of what one draw in 1000 exceeds."""
    here = torch.cat([old, fresh]).double()
    shares = [
        torch.searchsorted(each.double().sort().values, here, right=True) / len(each) for each in (old, fresh)
    ]
    return float((shares[0] - shares[1]).abs().max() / (KS * (1 / len(old) + 1 / len(fresh)) ** 0.5))


def measures(task, examples):
    """Of each input: length, offset, letters that repeat the one before, share of a letter, middle token."""
    tokens, length = examples.tokens, lengths(task, examples)
    letter = tokens < task.bos
    yield length
    yield examples.position_ids[:, 0]
    yield ((tokens[:, 1:] == tokens[:, :-1]) & letter[:, 1:]).sum(1)
    yield (tokens == 0).sum(1) / length
    yield tokens[torch.arange(len(tokens)), length // 2]


@pytest.mark.parametrize("name", TASKS)
def test_fresh_inputs_are_distributed_as_the_given_ones(name):
    task, old = TASKS[name], examples_of_values(name)
    fresh = task.sample(2000, seed=1)
    distances = [far(*pair) for pair in zip(measures(task, old), measures(task, fresh), strict=True)]
    assert max(distances) < 1, distances


@pytest.mark.parametrize("name", TASKS)
def test_positions_count_on_from_the_offset_and_padding_repeats_the_last(name):
    for examples in (TASKS[name].sample(20, seed=1), examples_of_values(name)):
        behind = (examples.tokens[:, 1:] != TASKS[name].pad).long()
        assert torch.equal(examples.position_ids.diff(dim=1), behind)


@pytest.mark.parametrize("name", LANGUAGES)
def test_what_may_follow_is_what_some_longer_word_goes_on_with(name):
    task, longest = TASKS[name], 7 if name == "abcde" else 10
    alphabet = task.vocabulary[: task.bos]
    words = {
        "".join(word)
        for length in range(longest + 1)
        for word in product(alphabet, repeat=length)
        if LANGUAGES[name]("".join(word))
    }
    begun = {word[:end] for word in words for end in range(len(word) + 1)}
    for word in words:
        for end, may in enumerate(task.examples(task.encode([word])).labels[: longest - 5]):
            follow = {letter for letter in alphabet if word[:end] + letter in begun}
            ends = {"<eos>"} if word[:end] in words else set()
            assert {name for name, yes in zip(task.classes, may, strict=True) if yes} == follow | ends


@pytest.mark.parametrize("name", LANGUAGES)
def test_fresh_inputs_are_words(name):
    task = TASKS[name]
    tokens = task.sample(300, seed=2).tokens.tolist()
    words = ["".join(task.vocabulary[token] for token in row if token < task.bos) for row in tokens]
    assert all(LANGUAGES[name](word) for word in words)
    assert torch.equal(task.encode(words), torch.tensor(tokens))


def test_lists_are_written_as_their_rules_say():
    task = TASKS["bin_majority_interleave"]
    assert torch.equal(task.encode(["011010"]), task.encode([[0, 1, 1, 0, 1, 0]]))
    for name, x, y in (
        ("bin_majority", "110", ["1"]),
        ("bin_majority_interleave", "011010011", ["0", "1", "1", "<eos>"]),
        ("unique_reverse", "3 141 59", ["59", "141", "3", "<eos>"]),
        ("unique_copy_step1200", [3, 141, 59], ["3", "141", "59", "<eos>"]),
    ):
        task = TASKS[name]
        examples = task.examples(task.encode([x]))
        assert [task.classes[label] for label in examples.labels.tolist()] == y


def test_what_is_no_word_is_refused():
    for name, word in (("D2", "aaabbb"), ("tomita4", "1000"), ("abcde", "abcd"), ("aaaastar", "aaa")):
        with pytest.raises(UserError, match="is no word of"):
            TASKS[name].encode([word])


@pytest.mark.parametrize("name", TASKS)
def test_one_seed_gives_one_sample(name):
    one, same, other = (TASKS[name].sample(50, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.tokens, same.tokens)
    assert torch.equal(one.position_ids, same.position_ids)
    assert not torch.equal(one.position_ids, other.position_ids)
