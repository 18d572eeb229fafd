from __future__ import annotations

import torch

from algoscope.discovery.circuits.contrast import ablated, resampled
from algoscope.discovery.circuits.exact import exact

from .conftest import random_examples, random_model, slow_logits


def test_each_edge_is_cut_alone():
    model, examples = random_model(3), random_examples(0, several=True)
    for contrast in (resampled(model, examples, random_examples(1, several=True)), ablated(model, examples)):
        instead = dict(zip(contrast.graph.senders, contrast.patched.replaced.outputs, strict=True))
        everything = {edge: torch.ones(()) for edge in contrast.graph.edges}
        whole = contrast.measured(slow_logits(model, examples, instead, everything)[None])[0]
        found = exact(contrast).by_example
        for number in range(0, len(contrast.graph.edges), 9):
            cut = everything | {contrast.graph.edges[number]: torch.zeros(())}
            without = contrast.measured(slow_logits(model, examples, instead, cut)[None])[0]
            by_example = torch.zeros(len(examples), dtype=torch.double)
            for row, effect in zip(contrast.rows.tolist(), whole - without, strict=True):
                by_example[examples.row_example[row]] += effect
            torch.testing.assert_close(found[number], by_example.abs())
