"""A task of four answers to each input: each place is answered with the letter that stands there."""

from __future__ import annotations

import torch

from algoscope.tasks.task import Task


class Echo(Task):
    name = "echo"
    vocabulary = ("a", "b", "c", "d")
    pad = None
    n_ctx = 4
    classes = ("a", "b", "c", "d")
    answer = slice(0, 4)
    usual = {"attention_dir": "causal", "normalization_type": "none"}  # noqa: RUF012

    def sample(self, n, seed):
        return self.examples(torch.randint(4, (n, 4), generator=torch.Generator().manual_seed(seed)))

    def label(self, tokens):
        return tokens

    def concepts(self, tokens):
        return {"letter a": tokens == 0, "first letter": tokens[:, 0]}

    def groups(self, examples):
        with_a = (examples.tokens == 0).any(1)
        return {"with a": with_a, "without a": ~with_a}

    def encode(self, inputs):
        return torch.tensor([["abcd".index(letter) for letter in text] for text in inputs])
