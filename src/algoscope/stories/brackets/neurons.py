"""What do the neurons that write for the elevation head detect?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from algoscope.analysis.held_norm import neurons_with_held_norm
from algoscope.analysis.neurons import KINDS, MOVES, NeuronKinds, neuron_kinds
from algoscope.figures.bars import grouped_bars
from algoscope.figures.shares import neurons_against_share
from algoscope.questions.bound import at_least, at_most, more_than
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section
from algoscope.stories.brackets.subject import SHARE, TEXT, Reader, Subject, points, subject_of

POINTS = 500
CUTS = (MOVES / 2, MOVES, 2 * MOVES)
"""Where a verdict differs between these cut-offs, it says so."""
MORE, LESS, EXACT, _, _ = KINDS

# fmt: off
DETECT = Claim(
    "neuron-kinds", "The neurons of these MLPs detect on which side of one half the share of “(” lies.",
    f"share of the neurons that detect {MORE}, {LESS}, or {EXACT}", at_least(0.25), TEXT,
    "responding differently if the proportion is strictly more / strictly less than 1/2")
MORE_LATER = Claim(
    "neurons-above-more-common-later",
    "Neurons that detect more than half are more common in the last of these layers than in the first.",
    "neurons more in the last", more_than(0))
RARE_LATER = Claim(
    "neurons-below-rarer-later",
    "Neurons that detect less than half are much rarer in the last of these layers than in the first.",
    "times as many as in the first", at_most(0.5), TEXT, "These are much more rare in layer 1")
EXACT_LATER = Claim(
    "neurons-exactly-half-last", "Many neurons of the last of these layers detect exactly one half.",
    "share of those that detect any of the three", at_least(0.25), TEXT,
    "in layer 1 that there are many neurons that output this composed property")
HARDER_FIRST = Claim(
    "neurons-exactly-half-first",
    "Far fewer neurons of the first of these layers than of the last detect exactly one half.",
    "times as many as in the last", at_most(0.5), TEXT,
    "It's much harder for a single neuron in layer 0 to do this")
BY_NORM = Claim(
    "neurons-exactly-half-by-norm",
    "Neurons of the first of these layers that detect exactly one half do so by the layer norm: with its "
    "scale held at the mean, they no longer do.",
    "share of those neurons", at_least(0.5), TEXT,
    "to take advantage of the layernorm before mlp0 to approximate this")
# fmt: on
Counts = Mapping[str, int]
Measure = Callable[[Counts, Counts], float | None]
"""From the counts of the first and of the last layer to what a claim is about; None if it has no value."""


def _any_of_three(counts: Counts) -> int:
    return counts[MORE] + counts[LESS] + counts[EXACT]


def _ratio(one: int, other: int) -> float | None:
    return one / other if other else None


COMPARED: Mapping[Claim, Measure] = {
    MORE_LATER: lambda first, last: last[MORE] - first[MORE],
    RARE_LATER: lambda first, last: _ratio(last[LESS], first[LESS]),
    EXACT_LATER: lambda first, last: _ratio(last[EXACT], _any_of_three(last)),
    HARDER_FIRST: lambda first, last: _ratio(first[EXACT], last[EXACT]),
}
CLAIMS = (DETECT, *COMPARED, BY_NORM)
TEXT_ABOVE = (
    "An MLP's output is the sum of what its neurons write: each writes its own vector as strongly as it is "
    "activated. Here each neuron is measured along the direction before the elevation head, where that head "
    "reads. A neuron detects “more than half” if its mean contribution there is higher, by more than "
    f"{MOVES:g} logits, for strings with more than half “(” than for those with exactly half, and not for "
    "those with less; “less than half” mirrors that; “exactly half” is higher on both sides, so that it "
    "tells a half from all else; “opposite” is lower on at least one side and higher on none. Strings that "
    "start with “(” only."
)


def neurons(seen: Seen) -> Section:
    """What do the neurons that write for the elevation head detect?"""
    subject, question = subject_of(seen), "What do the neurons that write for the elevation head detect?"
    found, kinds = subject.reader, subject.kinds
    if found is None or not kinds:
        return Section("elevation-neurons", question, TEXT_ABOVE, all_missing(CLAIMS, subject.no_kinds))
    findings = (*_counted(kinds), _by_norm(subject, found))
    return Section("elevation-neurons", question, TEXT_ABOVE, findings, _figures(subject, found))


def counts_at(kinds: NeuronKinds, cut: float) -> Counts:
    """How many neurons detect what, if a rise is one of more than `cut` logits."""
    return replace(kinds, means=kinds.means * (MOVES / cut)).count()


def _counted(kinds: Mapping[int, NeuronKinds]) -> tuple[Finding, ...]:
    counts = {cut: {layer: counts_at(each, cut) for layer, each in kinds.items()} for cut in CUTS}
    said = "; ".join(
        f"MLP {layer}: " + ", ".join(f"{count} {kind}" for kind, count in each.items())
        for layer, each in counts[MOVES].items()
    )
    every = sum(len(each.kinds) for each in kinds.values())
    shares = {cut: sum(map(_any_of_three, layers.values())) / every for cut, layers in counts.items()}
    findings = [_with_cuts(DETECT, shares, said)]
    for claim, measure in COMPARED.items():
        values = {cut: measure(layers[min(layers)], layers[max(layers)]) for cut, layers in counts.items()}
        if len(kinds) < 2:
            findings.append(claim.missing("there is only one such layer to compare"))
        else:
            # The counts stand with the first finding, and need not be read five times.
            findings.append(_with_cuts(claim, values, ""))
    return tuple(findings)


def _with_cuts(claim: Claim, values: Mapping[float, float | None], said: str) -> Finding:
    """The finding at the usual cut-off, which says if another one would turn it."""
    usual = values[MOVES]
    if usual is None:
        return claim.missing("there is no neuron to compare with")
    turned = [
        f"{value:.3g} with {cut:g}"
        for cut, value in values.items()
        if value is not None and claim.bound.holds(value) != claim.bound.holds(usual)
    ]
    note = f"The verdict hangs on the cut-off, {MOVES:g} logits: the value is {' and '.join(turned)}."
    return claim.measured(usual, said, note if turned else "")


def _by_norm(subject: Subject, found: Reader) -> Finding:
    """What neurons read is linear in the tally but for the norm: its scale is smaller where the tally is."""
    layer = min(subject.kinds)
    exact = [neuron for neuron, kind in enumerate(subject.kinds[layer].kinds) if kind == EXACT]
    if subject.model.config.normalization_type == "none":
        return BY_NORM.missing("the model has no layer norm")
    if not exact:
        return BY_NORM.missing(f"no neuron of MLP {layer} detects exactly one half")
    along = neurons_with_held_norm(subject.model, subject.opening, layer, found.before, found.read)
    held = neuron_kinds(layer, along, subject.share)
    assert held is not None, "the same strings as before"
    lost = [f"{layer}.{neuron}" for neuron in exact if held.kinds[neuron] != EXACT]
    said = f"{len(lost)} of {len(exact)} neurons of MLP {layer}"
    return BY_NORM.measured(len(lost) / len(exact), said + (f": {', '.join(lost)}" if lost else ""))


def _figures(subject: Subject, found: Reader) -> tuple[Illustration, ...]:
    counts = {f"MLP {layer}": list(each.count().values()) for layer, each in subject.kinds.items()}
    share = subject.share[:POINTS].numpy()
    masks = {name: mask[:POINTS] for name, mask in points(subject.opening_groups).items()}
    axes = SHARE, f"through head {found.head}, towards “unbalanced” (logits)"
    sliders = []
    for layer, kinds in subject.kinds.items():
        order = kinds.ranked()
        titles = [f"neuron {layer}.{n}: {kinds.kinds[n]}, strength {kinds.strength[n]:.2f}" for n in order]
        values = subject.neurons[layer][:POINTS].T[order].numpy()
        sliders.append(
            Illustration(
                neurons_against_share(values, share, masks, titles, axes),
                f"One neuron of MLP {layer} at a time; the slider goes from the strongest to the weakest.",
            )
        )
    bars = grouped_bars(counts, KINDS, "neurons")
    return (Illustration(bars, "How many neurons of each layer detect what."), *sliders)
