"""What do the neurons that write for the elevation head detect?"""

from __future__ import annotations

import torch
from torch import Tensor

from algoscope.analysis.neurons import KINDS, MOVES
from algoscope.correlation import rank_correlation
from algoscope.figures.bars import grouped_bars
from algoscope.figures.shares import neurons_against_share
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import logit_difference
from algoscope.interventions.sources import Mean
from algoscope.interventions.sweep import sweep
from algoscope.questions.study import Finding, Illustration, Section, Table, Value
from algoscope.questions.tested import OURS, Claim
from algoscope.stories.brackets.deciding import SHARE
from algoscope.stories.brackets.subject import NO_ELEVATION, NO_MLP, Subject, present

POINTS = 500
STRONGEST = 16
SWEPT = 120
"""Strings of each sweep over neurons: enough for means, few enough to be quick."""

COUNTS = Claim(
    "neuron-kinds",
    "The neurons of these MLPs detect on which side of one half the share of “(” lies.",
    f"of each layer, how many detect {', '.join(KINDS)}",
    "at least a quarter of the neurons detect more than half, less than half, or exactly half",
    "our neurons seem to be detecting the open proportion of brackets",
)
MORE_LATER = Claim(
    "neurons-above-more-common-later",
    "Neurons that detect more than half are more common in the last of these layers than in the first.",
    "neurons in the first layer, and in the last",
    "more in the last",
    "Overall these seem more common in Layer 1",
)
RARE_LATER = Claim(
    "neurons-below-rarer-later",
    "Neurons that detect less than half are much rarer in the last of these layers than in the first.",
    "neurons in the first layer, and in the last",
    "at most half as many in the last",
    "These are much more rare in layer 1",
)
COMPOSED = Claim(
    "neurons-exactly-half-last",
    "Many neurons of the last of these layers detect exactly one half.",
    "share of the neurons that detect any of the three",
    "at least a quarter of those that detect anything",
    "in layer 1 that there are many neurons that output this composed property",
)
HARDER = Claim(
    "neurons-exactly-half-first",
    "Fewer neurons of the first layer than of the last detect exactly one half.",
    "neurons in the first layer, and in the last",
    "at most half as many in the first",
    "It's much harder for a single neuron in layer 0 to do this",
)
LATER = (MORE_LATER, RARE_LATER, COMPOSED, HARDER)
TEXT_ABOVE = (
    "An MLP's output is the sum of what its neurons write: each writes its own vector as strongly as it is "
    "activated. Here each neuron is measured along the direction before the elevation head, where that head "
    "reads. A neuron detects “more than half” if its mean contribution there is higher, by more than "
    f"{MOVES:g} logits, for strings with more than half “(” than for those with exactly half, and not "
    "for those "
    "with less; “less than half” mirrors that; “exactly half” is higher on both sides, so that it tells "
    "a half "
    "from all else; “opposite” is lower on at least one side and higher on none. The strength is the "
    "larger of "
    "the two differences. Strings that start with “(” only."
)


def neurons(subject: Subject) -> Section:
    """What do the neurons that write for the elevation head detect?"""
    question = "What do the neurons that write for the elevation head detect?"
    kinds = subject.kinds
    if not kinds:
        reason = (
            NO_ELEVATION
            if subject.elevation.head is None
            else NO_MLP
            if not subject.mlps
            else "there is not every kind of string among those that start open"
        )
        findings = tuple(claim.missing(reason) for claim in (COUNTS, *LATER))
        return Section("neurons", question, TEXT_ABOVE, findings)
    counts = {layer: found.count() for layer, found in kinds.items()}
    detecting = sum(count[kind] for count in counts.values() for kind in KINDS[:3])
    every = sum(sum(count.values()) for count in counts.values())
    said = "; ".join(
        f"layer {layer}: " + ", ".join(f"{count[kind]} {kind}" for kind in KINDS)
        for layer, count in counts.items()
    )
    value: Value = [[count[kind] for kind in KINDS] for count in counts.values()]
    effects = {layer: ablation_effects(subject, layer) for layer in kinds}
    first = COUNTS.found(value, detecting >= every / 4, f"What the neurons detect, by {said}.")
    return Section(
        "neurons",
        question,
        TEXT_ABOVE + subject.caution,
        (first, *_layers(counts), _alignment(subject, effects)),
        _figures(subject, counts),
        (_table(subject, effects),),
    )


def _layers(counts: dict[int, dict[str, int]]) -> tuple[Finding, ...]:
    if len(counts) < 2:
        return tuple(claim.missing("there is only one such layer to compare") for claim in LATER)
    early, late = counts[min(counts)], counts[max(counts)]
    pairs = {kind: [early[kind], late[kind]] for kind in KINDS}
    more, less, exact = (pairs[kind] for kind in KINDS[:3])
    anything = sum(late[kind] for kind in KINDS[:3])
    share = late["exactly half"] / anything if anything else 0.0
    return (
        MORE_LATER.found([*more], more[1] > more[0]),
        RARE_LATER.found([*less], less[1] <= less[0] / 2),
        COMPOSED.found(share, share >= 0.25),
        HARDER.found([*exact], exact[0] <= exact[1] / 2),
    )


def _alignment(subject: Subject, effects: dict[int, Tensor]) -> Finding:
    """Do those neurons matter most whose ablation, where the head reads, changes most?"""
    claim = Claim(
        "neuron-strength-predicts-effect",
        "The stronger a neuron's response, the more its ablation where the head reads changes the answer.",
        "rank correlation over all neurons",
        "at least 0.5",
        source=OURS,
    )
    strength = torch.cat([kinds.strength for kinds in subject.kinds.values()])
    effect = torch.cat(list(effects.values()))
    value = rank_correlation(strength, effect)
    if value != value:
        return claim.missing("there are too few neurons")
    return claim.found(value, value >= 0.5)


def ablation_effects(subject: Subject, layer: int) -> Tensor:
    """How far the mean answer of unbalanced strings moves when a neuron writes its mean there: logits."""
    assert subject.read is not None
    some = subject.opening[subject.opening.labels == 0][:SWEPT]
    site, source = f"blocks.{layer}.mlp.hook_post", Mean(per="position", over=subject.opening.tokens[:SWEPT])
    each = [
        Intervention(site, source, neuron=neuron, position=subject.read)
        for neuron in range(subject.model.config.d_mlp or 0)
    ]
    found = sweep(subject.model, some, each, logit_difference(0))
    return (found.values - found.clean).abs().cpu()


def _table(subject: Subject, effects: dict[int, Tensor]) -> Table:
    ranked = sorted(
        (
            (kinds.strength[neuron].item(), layer, neuron)
            for layer, kinds in subject.kinds.items()
            for neuron in kinds.ranked()
        ),
        reverse=True,
    )
    rows = tuple(
        (
            f"{layer}.{neuron}",
            subject.kinds[layer].kinds[neuron],
            *map(float, subject.kinds[layer].means[neuron]),
            strength,
            effects[layer][neuron].item(),
        )
        for strength, layer, neuron in ranked[:STRONGEST]
    )
    return Table(
        ("neuron", "detects", "mean below half", "at half", "above half", "strength", "effect"),
        rows,
        f"The {len(rows)} strongest neurons: mean contributions towards “unbalanced”, in logits, and "
        "how far the "
        "mean answer to unbalanced strings moves when the neuron writes its mean where the head reads.",
    )


def _figures(subject: Subject, counts: dict[int, dict[str, int]]) -> tuple[Illustration, ...]:
    bars = grouped_bars(
        {f"MLP {layer}": [count[kind] for kind in KINDS] for layer, count in counts.items()},
        KINDS,
        "neurons",
    )
    drawn = slice(POINTS)
    share = subject.opening.concepts["open_proportion"][drawn].numpy()
    masks = {name: mask.numpy() for name, mask in present(subject.opening_groups, drawn).items()}
    axes = SHARE, f"through head {subject.elevation.head}, towards “unbalanced” (logits)"
    sliders = []
    for layer, kinds in subject.kinds.items():
        order = kinds.ranked()
        titles = [f"neuron {layer}.{n}: {kinds.kinds[n]}, strength {kinds.strength[n]:.2f}" for n in order]
        values = subject.neurons[layer][drawn].T[order].numpy()
        sliders.append(
            Illustration(
                neurons_against_share(values, share, masks, titles, axes),
                f"One neuron of MLP {layer} at a time; the slider goes from the strongest to the weakest.",
            )
        )
    return (Illustration(bars, "How many neurons of each layer detect what."), *sliders)
