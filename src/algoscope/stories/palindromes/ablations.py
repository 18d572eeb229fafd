"""Which heads does the model need, and which of their queries, keys and values?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.interventions.families import queries_keys_values
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import loss
from algoscope.interventions.sources import Mean, Value, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head, every_head
from algoscope.questions.study import Finding, Section, Table
from algoscope.questions.study import Value as Measured
from algoscope.stories.palindromes.published import QKV_MEAN, QKV_ZERO
from algoscope.stories.palindromes.subject import TEXT, Subject

NEEDED = 0.1
"""In nats."""
NOTHING = 0.005
"""In nats: a third of the loss that the published analysis starts from."""
DRAWS = 5
"""Of noise; the spread between draws is in the table."""
FIRST = 200


def head_ablations(subject: Subject) -> Section:
    """Which heads does the model need?"""
    zero, mean = subject.ablated.zero, subject.ablated.mean
    heads = every_head(subject.model.config)
    noise = _random(subject)
    findings = (
        _grid("head-ablation-zero", "zero", zero, TEXT),
        _grid("head-ablation-mean", "its mean over inputs, position by position", mean, TEXT),
        _grid("head-ablation-random", f"standard normal noise ({DRAWS} draws)", noise.mean(0), TEXT),
        *_spared(subject),
    )
    columns = ("head", "zero", "mean", "noise: mean", "noise: std over draws")
    rows = tuple(
        (
            str(head),
            zero[head.layer, head.index].item(),
            mean[head.layer, head.index].item(),
            noise[:, head.layer, head.index].mean().item(),
            noise[:, head.layer, head.index].std().item(),
        )
        for head in heads
    )
    return Section(
        "head-ablations",
        "Which heads does the model need?",
        "Each head's output is replaced, at every position, by zero, by its mean over inputs, or by "
        "noise, on the published 500 sequences. A loss that rises says that the head matters; one that "
        "doesn't says so only of these inputs: a fault that they hardly contain can't cost them much.",
        findings,
        tables=(Table(columns, rows, "Rise of the loss in nats when one head's output is replaced."),),
    )


def qkv_ablations(subject: Subject) -> Section:
    """Which of their queries, keys and values?"""
    model, examples = subject.model, subject.published[:FIRST]
    columns = {}
    for name, source in (("zero", Zero()), ("mean", Mean())):
        found = sweep(model, examples, queries_keys_values(model.config, source), loss)
        shape = (3, model.config.n_layers, model.config.n_heads)
        columns[name] = (found.values - found.clean).cpu().unflatten(0, shape)
    printed = {"zero": QKV_ZERO, "mean": QKV_MEAN}
    rows: list[tuple[str | float | None, ...]] = []
    for index, letter in enumerate("qkv"):
        for head in every_head(model.config):
            cells: list[str | float | None] = [f"{letter} of {head}"]
            for name, grid in columns.items():
                cells += [grid[index, head.layer, head.index].item(), printed[name].get((letter, str(head)))]
            rows.append(tuple(cells))
    findings = tuple(
        Finding(
            f"qkv-ablation-{name}",
            f"The loss rises when the queries, keys or values of some heads are replaced by {name}.",
            grid.tolist(),
            "rise of the loss in nats, by [q, k, v], layer and head",
            f"at least one of {NEEDED:g}",
            bool((grid >= NEEDED).any()),
            TEXT,
        )
        for name, grid in columns.items()
    )
    return Section(
        "qkv-ablations",
        "Which of their queries, keys and values?",
        f"The same for one of queries, keys and values at a time, on the first {FIRST} of the published 500. "
        "Zero queries and zero keys both make attention even, so they give one number.",
        findings,
        tables=(
            Table(
                ("what", "zero", "the text, of its model", "mean", "the text, of its model"),
                tuple(rows),
                "Rise of the loss in nats, beside what the published analysis prints for the public model.",
            ),
        ),
    )


def _grid(identity: str, by: str, rise: Float[Tensor, "layer head"], source: str) -> Finding:
    needed = [f"{layer}.{head}" for layer, head in (rise >= NEEDED).nonzero().tolist()]
    value: Measured = rise.tolist()
    return Finding(
        identity,
        f"Replaced by {by}: the model needs {', '.join(needed) if needed else 'no head'}.",
        value,
        "rise of the loss in nats, by layer and head",
        f"at least one of {NEEDED:g}",
        bool(needed),
        source,
    )


def _spared(subject: Subject) -> tuple[Finding, ...]:
    """The text's sentences about the heads beside the reading head, and beside the matching head."""
    idle = _beside(subject, subject.reader, subject.matcher)
    constant = _beside(subject, subject.matcher, subject.reader)
    zero, mean = subject.ablated.zero, subject.ablated.mean
    costs = (
        None if idle is None else max(grid[idle.layer, idle.index].item() for grid in (zero, mean)),
        None if constant is None else mean[constant.layer, constant.index].item(),
    )
    said = (
        (
            "idle-head",
            f"{_name(idle)}, beside the reading head, does nothing.",
            "larger rise of the loss by zero and mean ablation, in nats",
            "Head 1.1 seems to be doing absolutely nothing",
        ),
        (
            "mean-ablation-no-impact",
            f"{_name(constant)}, beside the matching head, can be replaced by its mean.",
            "rise of the loss in nats",
            "mean-ablating head 0.1 seems to have no impact on performance",
        ),
    )
    return tuple(
        Finding(
            identity,
            claim,
            cost,
            unit,
            f"at most {NOTHING:g}",
            None if cost is None else cost <= NOTHING,
            TEXT,
            "" if cost is not None else "there is no such head",
            quote,
        )
        for (identity, claim, unit, quote), cost in zip(said, costs, strict=True)
    )


def _beside(subject: Subject, head: Head | None, other: Head | None) -> Head | None:
    """Of the other heads in a head's layer, the one whose mean ablation costs most; None without the role."""
    if head is None:
        return None
    same = [
        each
        for each in every_head(subject.model.config)
        if each.layer == head.layer and each not in (head, other)
    ]
    mean = subject.ablated.mean
    return max(same, key=lambda each: mean[each.layer, each.index].item(), default=None)


def _name(head: Head | None) -> str:
    return f"Head {head}" if head else "A head"


def _random(subject: Subject) -> Float[Tensor, "draw layer head"]:
    """Each head's result replaced by noise; draw s uses the seed s, as the reference values do."""
    config, examples = subject.model.config, subject.published
    shape = (len(examples), examples.tokens.shape[1], 1, config.d_model)
    rises = []
    for seed in range(DRAWS):
        noise = Value(torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(subject.model.W_E))
        changes = [
            Intervention(head.site("hook_result"), noise, head=head.index) for head in every_head(config)
        ]
        found = sweep(subject.model, examples, changes, loss)
        rises.append((found.values - found.clean).cpu().unflatten(0, (config.n_layers, config.n_heads)))
    return torch.stack(rises)
