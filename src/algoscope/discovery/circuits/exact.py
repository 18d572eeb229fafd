"""Each edge cut by itself, everything else kept: exact, and blind to edges of which either one would do."""

from __future__ import annotations

import torch

from algoscope.discovery.circuits.contrast import Contrast
from algoscope.discovery.circuits.scores import Scores, from_examples


@torch.no_grad()
def exact(contrast: Contrast) -> Scores:
    """How far the measure falls when one edge is cut. Activation patching of single edges (path patching)."""
    masks = contrast.every.repeat(len(contrast.graph.edges), 1).fill_diagonal_(0)
    whole = contrast.measured(contrast.ends[0][None])
    parts = [contrast.measured(logits) for _, logits in contrast.patched.in_parts(masks)]
    return from_examples(contrast.graph, "exact", contrast.by_example(whole - torch.cat(parts)))
