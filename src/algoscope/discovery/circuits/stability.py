"""Would other examples have led to the same circuit?"""

from __future__ import annotations

from itertools import combinations

import torch

from algoscope.discovery.circuits.scores import Scores

SAMPLES = 100
STABLE = 0.8
"""Mean overlap below which a circuit is called unstable."""


def stability(scores: Scores, size: int, samples: int = SAMPLES, seed: int = 0) -> float:
    """How alike the best `size` edges of bootstrap samples are: the mean Jaccard overlap of two samples.

    A sample draws as many examples as there are, with replacement, and averages what they say of each edge.
    Nothing is measured again. For pruning, whose measurements hang on what had gone before, that flatters: a
    new search on a sample may keep another of two parts that stand in for each other.
    Raises ValueError for scores that don't hold what each example says.
    """
    if scores.by_example is None:
        raise ValueError(f"{scores.method} does not ask examples one by one: there is nothing to draw from")
    examples = scores.by_example.shape[1]
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(examples, (samples, examples), generator=generator)
    weights = torch.zeros(samples, examples, dtype=torch.double)
    weights.scatter_add_(1, drawn, torch.ones_like(weights))
    means = weights.to(scores.by_example) @ scores.by_example.T / examples
    best = means.argsort(dim=1, descending=True, stable=True)[:, :size].tolist()
    sets = [frozenset(each) for each in best]
    shared = [len(one & other) / len(one | other) if one else 1.0 for one, other in combinations(sets, 2)]
    return sum(shared) / len(shared)
