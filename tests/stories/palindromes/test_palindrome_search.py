from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from algoscope.stories.palindromes.mirror_program import read_tables
from algoscope.stories.palindromes.palindrome_search import guided_search, mirrored_changes, unguided_search
from algoscope.tasks.palindromes import Palindromes, broken_at, mismatch

broken_pairs = st.lists(st.lists(st.booleans(), min_size=10, max_size=10), min_size=1, max_size=5)


@given(broken_pairs, st.integers(0, 99))
def test_mirrored_changes_break_no_pair_and_mend_none(broken, seed):
    tokens = broken_at(torch.tensor(broken), seed).tokens
    changed = mirrored_changes(tokens, torch.Generator().manual_seed(seed))
    assert torch.equal(mismatch(changed), mismatch(tokens))
    assert ((changed != tokens).sum(1) <= 2).all()


def test_both_searches_find_only_sequences_that_fool_the_model(public_palindromes):
    model = public_palindromes.model
    guided = guided_search(model, read_tables(model, layer=1), seed=0)
    unguided = unguided_search(model, seed=0)
    assert len(guided) > len(unguided) > 0
    for found in (guided, unguided):
        assert torch.equal(Palindromes().label(found.tokens), found.labels)
        assert (model(found.tokens)[:, -1].argmax(-1) != found.labels).all()
        assert len(found.tokens.unique(dim=0)) == len(found)
