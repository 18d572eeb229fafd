from __future__ import annotations

import torch

from algoscope.stories.palindromes.mirror_program import read_tables
from algoscope.stories.palindromes.palindrome_search import guided_search, unguided_search
from algoscope.tasks.palindromes import Palindromes


def test_both_searches_find_only_sequences_that_fool_the_model(public_palindromes):
    model = public_palindromes.model
    guided = guided_search(model, read_tables(model, layer=1), seed=0)
    unguided = unguided_search(model, seed=0)
    assert len(guided) > len(unguided) > 0
    for found in (guided, unguided):
        assert torch.equal(Palindromes().label(found.tokens), found.labels)
        assert (model(found.tokens)[:, -1].argmax(-1) != found.labels).all()
        assert len(found.tokens.unique(dim=0)) == len(found)
