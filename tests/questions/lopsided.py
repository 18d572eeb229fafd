"""A task of a user's own: are there more ones than zeros, where the sampler never draws a close call?"""

from __future__ import annotations

import torch

from algoscope.tasks.changes import token_changes
from algoscope.tasks.task import Task

BITS = 21


class Lopsided(Task):
    """About a tenth of the bits are ones, or a tenth are zeros."""

    name = "lopsided"
    vocabulary = ("zero", "one", "answer")
    pad = None
    n_ctx = BITS + 1
    classes = ("more ones", "more zeros")
    answer = -1
    usual = {"attention_dir": "causal", "normalization_type": "none"}  # noqa: RUF012

    def sample(self, n, seed):
        generator = torch.Generator().manual_seed(seed)
        rare = torch.rand(n, BITS, generator=generator) < 0.1
        common = torch.rand(n, 1, generator=generator) < 0.5
        return self.examples(torch.cat([(rare ^ common).long(), torch.full((n, 1), 2)], dim=1))

    def label(self, tokens):
        return (tokens[:, :BITS].sum(1) <= BITS // 2).long()

    def concepts(self, tokens):
        return {"ones": tokens[:, :BITS].sum(1)}

    def encode(self, inputs):
        return torch.tensor([[int(bit) for bit in text] + [2] for text in inputs])

    def neighbours(self, tokens, generator):
        return token_changes([0, 1])(tokens, generator)

    def contrasts(self, n, seed):
        """Eleven ones at random, and the same with one fewer."""
        order = torch.rand(n, BITS, generator=torch.Generator().manual_seed(seed)).argsort(1)
        more, fewer = ((order < ones).long() for ones in (11, 10))
        last = torch.full((n, 1), 2)
        return self.examples(torch.cat([more, last], 1)), self.examples(torch.cat([fewer, last], 1))


class Unchangeable(Lopsided):
    """Does not say which small changes leave an input of its own."""

    name = "unchangeable"

    def neighbours(self, tokens, generator):
        return None


class Twice(Lopsided):
    """Asked for twice: of the bits before the last, and of all."""

    name = "twice"
    answer = slice(-2, None)

    def label(self, tokens):
        answer = (tokens[:, :BITS].sum(1) <= BITS // 2).long()
        return torch.stack([answer, answer], 1)
