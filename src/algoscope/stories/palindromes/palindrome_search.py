"""Two searches for sequences that fool a palindrome model: one knows its weak pairs, one knows nothing."""

from __future__ import annotations

import torch
from torch.nn import functional

from algoscope.discovery.adversarial import Fooled, search
from algoscope.model.transformer import Transformer
from algoscope.stories.palindromes.mirror_program import Tables
from algoscope.stories.palindromes.single_faults import random_faults
from algoscope.tasks.changes import token_changes
from algoscope.tasks.palindromes import HALF, VALUES, Palindromes, broken_at, mirrored_changes

WALKERS, STEPS, NEIGHBOURS = 30, 8, 12
WEAKEST = 3
"""Pairs that the guided search breaks: those that the tables push least for."""
AT_FIRST = 2
"""Pairs that are broken where the unguided search begins."""


def guided_search(model: Transformer, tables: Tables, seed: int) -> Fooled:
    """Start from sequences with one of the weakest pairs broken, and break no other."""
    push = tables.pushed(torch.eye(HALF, dtype=torch.bool)).sum(-1)
    weakest = push.argsort()[:WEAKEST]
    broken = functional.one_hot(weakest[torch.arange(WALKERS) % WEAKEST], HALF).bool()
    return search(
        model,
        Palindromes(),
        broken_at(broken, seed),
        mirrored_changes,
        steps=STEPS,
        neighbours=NEIGHBOURS,
        seed=seed,
    )


def unguided_search(model: Transformer, seed: int) -> Fooled:
    """Start from sequences with two broken pairs anywhere, and change single numbers."""
    return search(
        model,
        Palindromes(),
        broken_at(random_faults(WALKERS, AT_FIRST, seed), seed),
        token_changes(range(VALUES)),
        steps=STEPS,
        neighbours=NEIGHBOURS,
        seed=seed,
    )
