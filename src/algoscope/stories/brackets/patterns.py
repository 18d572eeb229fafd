"""What do all heads look at?"""

from __future__ import annotations

import torch

from algoscope.figures.attention import attention_viewer
from algoscope.model.head import every_head
from algoscope.questions.study import Illustration, Section
from algoscope.stories.brackets.fooling import text
from algoscope.stories.brackets.subject import Subject
from algoscope.tasks.brackets import PAD

LONG = 20
"""Brackets of the longest string shown: all heads of it fit on a screen."""


def patterns(subject: Subject) -> Section:
    """What do all heads look at, on one string of each kind?"""
    return Section(
        "patterns",
        "What does each head look at?",
        "Every head’s attention on one string of each kind: rows are the positions that look, columns those "
        "that are looked at. The menu changes the string; pointing at a cell shows both tokens and the "
        "weight.",
        (),
        _viewer(subject),
    )


@torch.no_grad()
def _viewer(subject: Subject) -> tuple[Illustration, ...]:
    config, task = subject.model.config, subject.seen.task
    lengths = (subject.examples.tokens != PAD).sum(1)
    shown = []
    for name, mask in subject.seen.groups.items():
        rows = (mask & (lengths <= LONG + 2)).nonzero()[:, 0]
        if len(rows):
            longest = rows[lengths[rows].argmax()]
            shown.append((name, subject.examples.tokens[longest, : lengths[longest]]))
    if not shown:
        return ()
    sites = [f"blocks.{layer}.attn.hook_pattern" for layer in range(config.n_layers)]
    weights = []
    for _, tokens in shown:
        _, cache = subject.model.run_with_cache(tokens[None].to(subject.model.W_E.device), sites)
        weights.append(torch.cat([cache[site][0] for site in sites]).cpu().numpy())
    figure = attention_viewer(
        weights,
        list(map(str, every_head(config))),
        [[task.vocabulary[token] for token in tokens.tolist()] for _, tokens in shown],
        [f"{name}: {text(tokens)}" for name, tokens in shown],
        config.n_heads,
    )
    figure.update_layout(coloraxis_cmax=max(float(each.max()) for each in weights))
    return (Illustration(figure, "Attention of every head; a row of panels per layer."),)
