from __future__ import annotations

from dataclasses import replace

import torch

from algoscope.analysis.attribution import class_direction
from algoscope.stories.palindromes.mirror_program import read_tables
from algoscope.stories.palindromes.palindrome_search import WALKERS, guided_search
from algoscope.stories.palindromes.single_faults import double_faults, single_faults
from algoscope.tasks.palindromes import Palindromes


def searched(model, tables):
    single = single_faults(model, class_direction(model, 0, 1, ""), count=30, seed=0)
    double = double_faults(model, count=5, seed=0)
    return guided_search(model, tables, single, double, seed=0), single, double


def test_the_search_finds_only_different_sequences_that_fool_the_model(public_palindromes):
    model = public_palindromes.model
    found, _, _ = searched(model, read_tables(model, layer=1))
    examples = Palindromes().examples(found.tokens)
    assert torch.equal(examples.labels, found.examples.labels)
    assert (model(found.tokens)[:, -1].argmax(-1) != examples.labels).all()
    assert len(found.tokens.unique(dim=0)) == len(found) > 100


def test_what_was_missed_at_random_is_among_what_is_found_even_without_a_reading_head(public_palindromes):
    found, single, double = searched(public_palindromes.model, None)
    known = {tuple(row) for row in found.tokens.tolist()}
    for faults in (single, double):
        missed = faults.fooling.tolist()
        assert sum(tuple(row) in known for row in missed) >= min(WALKERS, len(missed)) > 0


def test_where_few_were_missed_at_random_each_of_them_is_tried(public_palindromes):
    model = public_palindromes.model
    single = single_faults(model, class_direction(model, 0, 1, ""), count=30, seed=0)
    few = replace(single, fooling=single.fooling[:5])
    found = guided_search(model, None, few, double_faults(model, count=1, seed=0), seed=0)
    assert {tuple(row) for row in few.fooling.tolist()} <= {tuple(row) for row in found.tokens.tolist()}
