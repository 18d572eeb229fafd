"""Which head reads what an earlier head wrote, and as what: queries, keys or values?

Method: composition scores of A Mathematical Framework for Transformer Circuits (Elhage et al. 2021). They
compare weights only; whether a composition matters on real inputs is for an intervention to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.circuits import W_OV, W_QK
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.head import Head, every_head
from algoscope.model.transformer import Transformer

KINDS = ("Q", "K", "V")
DRAWS = 300


@dataclass(frozen=True)
class Baseline:
    """Scores of random matrices of the model's sizes."""

    mean: float
    std: float
    """Of the draws, dividing by their number."""
    draws: int

    def z(self, score: float) -> float:
        """How many standard deviations a score lies above what random matrices give."""
        return (score - self.mean) / self.std if self.std else 0.0


@dataclass(frozen=True)
class Composition:
    """The scores of every earlier head into every later one."""

    heads: tuple[Head, ...]
    scores: Float[Tensor, "kind writer reader"]
    """By `KINDS`; NaN where the reader's layer does not come after the writer's."""
    baseline: Baseline

    def score(self, kind: str, writer: Head, reader: Head) -> float:
        """One score, 0 to 1. Raises UserError for a pair of which the second can't read the first."""
        if kind not in KINDS:
            raise UserError(f"no composition {kind!r}: choose from {', '.join(KINDS)}")
        if reader.layer <= writer.layer or not {writer, reader} <= set(self.heads):
            raise UserError(f"head {reader} can't read head {writer}: give a head of a later layer")
        at = KINDS.index(kind), self.heads.index(writer), self.heads.index(reader)
        return self.scores[at].item()

    @property
    def pairs(self) -> tuple[tuple[str, Head, Head], ...]:
        """(kind, writer, reader) of every score, the highest first."""
        found = [
            (kind, writer, reader)
            for kind, writer, reader in product(KINDS, self.heads, self.heads)
            if writer.layer < reader.layer
        ]
        return tuple(sorted(found, key=lambda pair: -self.score(*pair)))

    def z(self, pair: tuple[str, Head, Head]) -> float:
        """How many standard deviations the pair's score lies above what random matrices give."""
        return self.baseline.z(self.score(*pair))

    def composing(self, least_z: float) -> tuple[tuple[str, Head, Head], ...]:
        """The pairs at least so far above the baseline, the highest first."""
        return tuple(pair for pair in self.pairs if self.z(pair) >= least_z)


def composition_score(written: Float[Tensor, "d_in d_mid"], read: Float[Tensor, "d_mid d_out"]) -> float:
    """‖written read‖ / (‖written‖ ‖read‖) in Frobenius norms: how much of what one writes the other reads.

    From 0, where the two share no direction, to 1, where each has one and it is the same; 0 if one is zero.

    >>> along, across = torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0], [0.0]])
    >>> composition_score(along, across), compositioncomposition_score(along, across.flip(0))
    (0.0, 1.0)
    """
    size = written.norm() * read.norm()
    return ((written @ read).norm() / size).item() if size > 0 else 0.0


def composition(model: Transformer, draws: int = DRAWS, seed: int = 0) -> Composition:
    """Q-, K- and V-composition scores of all pairs of heads, with a baseline of random matrices.

    Q: ‖W_OV W_QK‖ / (‖W_OV‖ ‖W_QK‖), the writer's OV into the reader's QK, in Frobenius norms; K: the same
    with W_QK transposed; V: with the reader's W_OV. Give a processed model: what the norms would scale is
    then in the weights.
    """
    heads = every_head(model.config)
    scores = torch.full((len(KINDS), len(heads), len(heads)), torch.nan)
    reads = {head: (W_QK(model, head), W_QK(model, head).T, W_OV(model, head)) for head in heads}
    for (w, writer), (r, reader) in product(enumerate(heads), enumerate(heads)):
        if writer.layer < reader.layer:
            written = W_OV(model, writer)
            scores[:, w, r] = torch.tensor([composition_score(written, read) for read in reads[reader]])
    return Composition(heads, scores, random_baseline(model.config, draws, seed))


def random_baseline(config: Config, draws: int = DRAWS, seed: int = 0) -> Baseline:
    """The score of two random products of factors `[d_model, d_head]`, on average over draws.

    Factors are uniform, so that their scale cancels. Drawn from `seed`, in the order in which the published
    analysis of the ARENA palindrome model draws them.
    """
    return _drawn(config.d_model, config.d_head, draws, seed)


@lru_cache(maxsize=8)
def _drawn(d_model: int, d_head: int, draws: int, seed: int) -> Baseline:
    generator = torch.Generator().manual_seed(seed)
    scores = torch.empty(draws, dtype=torch.float64)
    for draw in range(draws):
        # Kaiming uniform with a = √5 in torch's reading: within 1 / √(fan in).
        a_left, b_left, a_right, b_right = (
            torch.empty(d_model, d_head).uniform_(-(d_head**-0.5), d_head**-0.5, generator=generator)
            for _ in range(4)
        )
        scores[draw] = composition_score(a_left @ a_right.T, b_left @ b_right.T)
    return Baseline(scores.mean().item(), scores.std(correction=0).item(), draws)
