from __future__ import annotations

import torch

from algoscope.analysis.quantities import BINS, quantities
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.palindromes import Palindromes
from algoscope.tasks.task import Examples


def alike(codes: torch.Tensor, values: list[list[object]]) -> bool:
    """Whether places have equal codes exactly where they have equal values."""
    pairs = set(zip(codes.flatten().tolist(), [each for row in values for each in row], strict=True))
    return len(pairs) == len({code for code, _ in pairs}) == len({value for _, value in pairs})


def test_brackets_are_counted_so_far_from_here_on_and_in_all():
    task = Brackets()
    examples = task.examples(task.encode(["(())(", ")(", "()()()"]))
    found = quantities(task, examples, causal=False)
    texts = [task.words(row) for row in examples.tokens]
    places = range(examples.tokens.shape[1])
    assert alike(found["how many “(” so far"], [[w[: p + 1].count("(") for p in places] for w in texts])
    assert alike(found["how many “(” from here on"], [[w[p:].count("(") for p in places] for w in texts])
    assert alike(found["how many “)” in all"], [[w.count(")") for _ in places] for w in texts])
    shares = [[w.count("(") / (w.count("(") + w.count(")")) for _ in places] for w in texts]
    assert alike(found["share of “(” in all"], shares)
    here = [w[: p + 1] for w in texts for p in places]
    share = [each.count("(") / max(1, each.count("(") + each.count(")")) for each in here]
    assert alike(found["share of “(” so far"], [share])


def test_of_two_tokens_one_share_says_the_others_and_fixed_tokens_are_not_counted():
    names = set(quantities(Brackets(), Brackets().sample(50, 0), causal=True))
    assert "share of “)” in all" not in names
    assert not {f"how many “{token}” in all" for token in ("[start]", "[pad]", "[end]")} & names


def test_what_comes_later_is_no_quantity_where_attention_is_causal():
    names = set(quantities(Brackets(), Brackets().sample(50, 0), causal=True))
    assert "how many “(” so far" in names
    assert "how many “(” from here on" not in names


def test_the_tasks_own_come_first_then_answer_token_and_position():
    task = Palindromes()
    examples = task.sample(60, 0)
    found = quantities(task, examples, causal=True)
    assert list(found) == [
        "mismatch", "n_mismatches", "the answer", "the token here", "the token before", "the position",
    ]  # fmt: skip
    assert alike(found["n_mismatches"], [[n] * 22 for n in examples.concepts["n_mismatches"].tolist()])
    assert torch.equal(found["the token before"][:, 1:], examples.tokens[:, :-1])
    assert torch.equal(found["the answer"][:, 3], examples.labels)


def test_many_values_are_put_into_bins_of_equal_size_in_their_order():
    class Task(Palindromes):
        def quantities(self, examples):
            return {"fine": torch.arange(len(examples)).double() ** 2}

    codes = quantities(Task(), Palindromes().sample(400, 0), causal=True)["fine"][:, 0]
    assert codes.diff().ge(0).all()
    counts = codes.bincount()
    assert BINS - 2 <= len(counts) <= BINS
    assert counts.max() <= 14


def test_several_answers_are_told_at_their_places_only():
    answered = torch.tensor([[False, True, True], [True, False, True]])
    tokens = torch.tensor([[0, 1, 2], [1, 2, 0]])
    examples = Examples(tokens, torch.tensor([4, 5, 5, 4]), {}, answered)
    codes = quantities(Palindromes(), examples, causal=True)["the answer"]
    assert alike(codes, [["no", 4, 5], [5, "no", 4]])


def test_position_ids_are_the_positions():
    tokens, answered = torch.tensor([[0, 1], [1, 0]]), torch.tensor([[False, True], [False, True]])
    ids = torch.tensor([[3, 4], [7, 8]])
    examples = Examples(tokens, torch.tensor([0, 1]), {}, answered, ids)
    assert torch.equal(quantities(Palindromes(), examples, causal=True)["the position"], ids)
