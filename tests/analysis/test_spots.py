from __future__ import annotations

import torch

from algoscope.analysis.spots import LEAST, Spot, spots
from algoscope.tasks.task import Examples

COUNT = 4 * LEAST
HALVES = torch.arange(COUNT) % 2 == 0
QUARTERS = torch.arange(COUNT) // LEAST


def with_concepts(**concepts: torch.Tensor) -> Examples:
    """Inputs of two answers each, at places 1 and 2, the last token of every other one padding."""
    tokens = torch.ones(COUNT, 4, dtype=torch.long)
    tokens[HALVES, 3] = 0
    answered = torch.tensor([False, True, True, False]).expand(COUNT, 4)
    return Examples(tokens, torch.zeros(2 * COUNT, dtype=torch.long), concepts, answered)


def found(correct: torch.Tensor, examples: Examples, **groups: torch.Tensor) -> dict[str, Spot]:
    return {spot.words: spot for spot in spots(correct, examples, groups, pad=0)}


def test_each_fact_counts_its_own_answers_and_the_worst_comes_first():
    correct = torch.ones(COUNT, 2, dtype=torch.bool)
    correct[QUARTERS == 2, 1] = False
    examples = with_concepts(quarter=QUARTERS)
    spot = found(correct.flatten(), examples, half=HALVES, other=~HALVES)
    assert next(iter(spot)) == "quarter: 2"
    assert (spot["quarter: 2"].wrong, spot["quarter: 2"].count) == (LEAST, 2 * LEAST)
    assert spot["quarter: 1"].wrong == 0
    assert (spot["answer number: 1"].wrong, spot["answer number: 0"].wrong) == (LEAST, 0)
    assert (spot["length: 3"].wrong, spot["length: 4"].count) == (LEAST // 2, COUNT)
    assert (spot["kind: half"].wrong, spot["kind: half"].count) == (LEAST // 2, COUNT)


def test_a_fact_of_each_position_counts_as_it_is_at_the_answer():
    at_the_second = torch.zeros(COUNT, 4, dtype=torch.bool)
    at_the_second[:, 2] = True
    correct = torch.ones(COUNT, 2, dtype=torch.bool)
    correct[:, 1] = False
    spot = found(correct.flatten(), with_concepts(late=at_the_second))
    assert (spot["late: yes"].wrong, spot["late: no"].wrong) == (COUNT, 0)


def test_too_few_answers_and_those_that_are_all_are_no_spot():
    few = torch.arange(COUNT) < LEAST // 2 - 1
    enough = torch.arange(COUNT) < LEAST // 2
    spot = found(
        torch.ones(2 * COUNT, dtype=torch.bool), with_concepts(few=few, enough=enough), all=few | ~few
    )
    assert "few: yes" not in spot
    assert spot["enough: yes"].count == LEAST
    assert "kind: all" not in spot


def test_a_measurement_and_a_concept_of_many_values_tell_no_kinds_apart():
    examples = with_concepts(
        measured=torch.rand(COUNT), many=torch.arange(COUNT), vector=torch.ones(COUNT, 4, 2)
    )
    spot = found(torch.ones(2 * COUNT, dtype=torch.bool), examples)
    assert {each.what for each in spot.values()} == {"answer number", "length"}


def test_of_equal_shares_the_surer_one_comes_first():
    uneven = torch.arange(COUNT) < LEAST
    worst = spots(torch.zeros(2 * COUNT, dtype=torch.bool), with_concepts(first=uneven), {})
    assert [(spot.words, spot.share) for spot in worst[:1]] == [("first: no", 1.0)]


def test_without_padding_there_are_no_lengths():
    correct = torch.ones(2 * COUNT, dtype=torch.bool)
    assert {spot.what for spot in spots(correct, with_concepts(), {})} == {"answer number"}


def test_a_share_has_wilsons_interval():
    low, high = Spot("kind", "some", 0, 20).interval
    assert low == 0.0
    assert 0.16 < high < 0.17
