"""Every head's attention on one input of each kind, to look at."""

from __future__ import annotations

import torch
from torch import Tensor

from algoscope.analysis.reading import values_at
from algoscope.figures.attention import attention_viewer
from algoscope.model.head import every_head
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration

LONG = 14
"""Tokens of the longest input that is shown: all heads of it fit on a screen."""
KINDS = 4
HEADS = 16
"""Panels that can still be told apart."""


def viewer(seen: Seen) -> tuple[Illustration, ...]:
    """The attention of every head on the longest short input of each kind; none if all inputs are long."""
    heads = every_head(seen.model.config)
    lengths = _lengths(seen)
    shown: dict[str, int] = {}
    for name, mask in seen.kept_groups.items():
        short = (mask & (lengths <= LONG)).nonzero()[:, 0]
        if len(short):
            shown[name] = int(short[lengths[short].argmax()])
    rows = list(shown.values())[:KINDS]
    if not rows or len(heads) > HEADS:
        return ()
    some, layers = seen.kept[rows], range(seen.model.config.n_layers)
    weights = torch.cat(
        [values_at(seen.model, some, f"blocks.{layer}.attn.hook_pattern") for layer in layers], 1
    )
    ends = lengths[rows].tolist()
    figure = attention_viewer(
        [each[:, :end, :end].numpy() for each, end in zip(weights, ends, strict=True)],
        list(map(str, heads)),
        [seen.task.words(row[:end]) for row, end in zip(some.tokens, ends, strict=True)],
        [f"{name}: {text}" for name, text in zip(shown, seen.task.decode(some.tokens), strict=False)],
        min(seen.model.config.n_heads, 4),
    )
    figure.update_layout(coloraxis_cmax=weights.max().item())
    caption = (
        "Attention of every head, rows looking at columns; the menu changes the input, and pointing at a "
        "cell shows both tokens and the weight."
    )
    return (Illustration(figure, caption),)


def _lengths(seen: Seen) -> Tensor:
    tokens, pad = seen.kept.tokens, seen.task.pad
    return torch.full((len(tokens),), tokens.shape[1]) if pad is None else (tokens != pad).sum(1)
