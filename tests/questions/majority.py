"""A task of a user's own: are there more ones than zeros?"""

from __future__ import annotations

import torch

from algoscope.tasks.task import Task


class Majority(Task):
    name = "majority"
    vocabulary = ("zero", "one", "answer")
    pad = None
    n_ctx = 6
    classes = ("more ones", "more zeros")
    answer = -1
    usual = {"attention_dir": "causal", "normalization_type": "none"}  # noqa: RUF012

    def sample(self, n, seed):
        bits = torch.randint(2, (n, 5), generator=torch.Generator().manual_seed(seed))
        return self.examples(torch.cat([bits, torch.full((n, 1), 2)], dim=1))

    def label(self, tokens):
        return (tokens[:, :5].sum(1) < 3).long()

    def concepts(self, tokens):
        return {}

    def encode(self, inputs):
        return torch.tensor([[int(bit) for bit in text] + [2] for text in inputs])
