"""A search for sequences that fool a palindrome model, from where it is known to be weak."""

from __future__ import annotations

import torch

from algoscope.discovery.adversarial import Fooled, search
from algoscope.model.transformer import Transformer
from algoscope.stories.palindromes.mirror_program import Tables
from algoscope.stories.palindromes.single_faults import DoubleFaults, SingleFaults
from algoscope.tasks.palindromes import HALF, Palindromes, broken_at, mirrored_changes

WALKERS, STEPS, NEIGHBOURS = 12, 8, 12
"""Walkers of each kind."""
WEAKEST = 3
"""Pairs, or twos of them, that walkers of one kind share."""


def guided_search(
    model: Transformer, tables: Tables | None, single: SingleFaults, double: DoubleFaults, seed: int
) -> Fooled:
    """Walk from four kinds of sequences, so that nothing that is known to be missed is left untried.

    One of the pairs is broken that the weights push least for; one of the pairs that are missed most often;
    two pairs that are missed most often together; and what was missed when pairs were broken at random, if
    anything was. No step breaks another pair or mends one.
    """
    each = torch.arange(WALKERS) % WEAKEST
    alone = torch.eye(HALF, dtype=torch.bool)
    broken = [alone[single.missed.argsort(descending=True, stable=True)[each]], double.ranked[each]]
    if tables is not None:
        broken.append(alone[tables.pushed(alone).sum(-1).argsort()[each]])
    missed = [
        # Evenly from all that were missed: the first ones are all of one pair.
        faults.fooling[:: max(1, len(faults.fooling) // WALKERS)][:WALKERS]
        for faults in (single, double)
    ]
    return search(
        model,
        Palindromes(),
        Palindromes().examples(torch.cat([broken_at(torch.cat(broken), seed).tokens, *missed])),
        mirrored_changes,
        steps=STEPS,
        neighbours=NEIGHBOURS,
        seed=seed,
    )
