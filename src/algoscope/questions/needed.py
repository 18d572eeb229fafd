"""Which heads and MLPs does the model need, one at a time?"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch

from algoscope.correlation import best_rank_correlation, rank_correlation
from algoscope.discovery.effects import LIMIT, Effect
from algoscope.discovery.needs import Needs
from algoscope.figures.heatmaps import heatmaps
from algoscope.figures.needs import bars_with_intervals
from algoscope.model.component import Component
from algoscope.questions.bound import Exists, at_least, at_most, more_than
from algoscope.questions.claim import Claim, Finding, Value
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table

RISE = "rise of the loss, in even guesses"

NEEDED = Claim(
    "needed-parts",
    "There are heads or MLPs that the model cannot do without.",
    "head or MLP",
    Exists(
        f"with its mean in its place the loss rises by at least {LIMIT:g} of an even guess's, surely by some"
    ),
)
SHARE = Claim(
    "needed-share",
    "The model needs most of its heads and MLPs.",
    "share of heads and MLPs",
    more_than(0.5),
)
AGREE = Claim(
    "ablations-agree",
    "Zero, the mean and another example's output agree about what is needed.",
    "heads and MLPs on which they disagree",
    at_most(0),
)
ORDER = Claim(
    "push-and-need-agree",
    "The parts that push the answer furthest are those that are needed most.",
    "rank correlation",
    at_least(0.8),
)
FEWEST = 3
"""Parts: two are in the same order half of the time, whatever they do."""
NUMBERS = 40
"""Answers of one input that fit into a figure."""


def needed(seen: Seen) -> Section:
    """Which heads and MLPs are needed?"""
    found = seen.needs
    text = (
        f"On {len(found.examples):,} inputs the output of each head and MLP is replaced, at every position: "
        "by zero; by its mean over these inputs, position by position, which takes away what it says of the "
        "input; and by its output on another input (resampling), which also says something false. The loss, "
        "the cross-entropy with the truth, then rises; 1 is the loss of an even guess, and the intervals are "
        f"95 % over inputs. Needed is a part whose mean costs {LIMIT:g} or more, and surely something; one "
        "that surely costs less is unneeded; others are undecided. A part that is unneeded but costs much "
        "when resampled is heard, though the model can do without it. Where inputs differ in length or in "
        "where they are answered, means and other inputs mix places up. Only zero depends on how the weights "
        "share constants out between parts: these are the weights that are stored."
    )
    return Section(
        "needed",
        "Which heads and MLPs does the model need?",
        text,
        (_parts(found), _share(found), _agreement(found), _order(seen)),
        (_bars(found), *_by_number(found)),
        (_table(seen),),
    )


def _parts(found: Needs) -> Finding:
    named: list[Value] = [str(part) for part in found.needed]
    undecided = [str(part) for part, effect in found.mean.items() if not (effect.needed or effect.unneeded)]
    note = f"Undecided on so few inputs: {', '.join(undecided)}." if undecided else ""
    costs = ", ".join(f"{found.mean[part].rise.mean:.2g} without {part.words}" for part in found.needed)
    return NEEDED.measured(named, f"the loss rises by {costs}" if named else "no part costs as much", note)


def _share(found: Needs) -> Finding:
    share = len(found.needed) / len(found.mean)
    unneeded = ", ".join(map(str, found.unneeded)) or "none"
    return SHARE.measured(
        share, f"{len(found.needed)} of {len(found.mean)} are needed; unneeded one at a time: {unneeded}"
    )


def _agreement(found: Needs) -> Finding:
    """Parts that one ablation calls needed and another unneeded; what is undecided contradicts nothing."""
    kinds = {"zero": found.zero, "the mean": found.mean, "another example": found.resample}
    differing = []
    for part in found.mean:
        yes = [name for name, effects in kinds.items() if effects[part].needed]
        no = [name for name, effects in kinds.items() if effects[part].unneeded]
        if yes and no:
            differing.append(f"{part} (needed by {' and '.join(yes)}, not by {' and '.join(no)})")
    return AGREE.measured(len(differing), "; ".join(differing))


def _order(seen: Seen) -> Finding:
    """Do direct push and need put the parts in one order?"""
    found = seen.needs
    push = pushes(seen)
    if push is None:
        return ORDER.missing("there is no example of the class that pushes are centred on")
    parts = list(found.mean)
    if len(parts) < FEWEST:
        return ORDER.missing(f"{len(parts)} parts have no order that could be wrong")
    # What is unneeded costs nothing to speak of: its order among its like would be noise.
    need = {part: 0.0 if found.mean[part].unneeded else found.mean[part].rise.mean for part in parts}
    one, other = (torch.tensor([each[part] for part in parts]).double() for each in (push, need))
    value, best = rank_correlation(one, other), best_rank_correlation(one, other)
    if math.isnan(value):
        return ORDER.missing("all parts push equally far, or none is needed")
    if not ORDER.bound.holds(best):
        return ORDER.missing(f"so many are unneeded that no order could reach more than {best:.2f}")
    first, last = ranks(push), ranks(need)
    odd = max(parts, key=lambda part: abs(first[part] - last[part]))
    if first[odd] == last[odd]:
        return ORDER.measured(value, "the two orders are the same")
    said = (
        f"furthest apart: {odd.words} is number {first[odd]} of {len(parts)} by its push "
        f"({push[odd]:.2f} logits) and number {last[odd]} by need ({found.mean[odd].rise.mean:.2g}). "
        f"{why(found, odd)}"
    )
    return ORDER.measured(value, said)


def why(found: Needs, part: Component) -> str:
    """Why a part's push does not tell how much it is needed, from what it costs towards the answer alone."""
    whole, direct = found.mean[part].rise.mean, found.direct[part].rise.mean
    for group in found.backups:
        if part in group.parts:
            others = " and ".join(str(each) for each in group.parts if each != part)
            return f"{others} stands in for it: together they cost {group.effect.rise.mean:.2g}."
    if direct < whole - LIMIT:
        return (
            f"Towards the answer alone it costs {direct:.2g}: the rest goes through later parts that read "
            "it, which a push does not count."
        )
    if direct > whole + LIMIT:
        return (
            f"Towards the answer alone it costs {direct:.2g}: later parts make up for what it no longer says."
        )
    return (
        f"Towards the answer alone it costs as much ({direct:.2g}), so later parts do not explain it: a push "
        "counts where the answer is sure anyway, need only where it is not."
    )


def pushes(seen: Seen) -> dict[Component, float] | None:
    """How far each head and MLP pushes the truth on average; of two classes, where it is the first."""
    if seen.pushed is None:
        return None
    labels = seen.kept.labels
    rows = torch.ones(len(labels), dtype=torch.bool)
    if len(seen.task.classes) == 2 and not seen.kept.sets:
        rows = labels.cpu() == 0
        if not rows.any():
            return None
    means = seen.pushed.mean(rows)
    return {part: means[part] for part in seen.needs.mean}


def ranks(values: Mapping[Component, float]) -> dict[Component, int]:
    """The place of each, 1 for the largest; equals share the first place among them."""
    return {part: 1 + sum(other > value for other in values.values()) for part, value in values.items()}


def _bars(found: Needs) -> Illustration:
    kinds = {"zero": found.zero, "mean": found.mean, "another example": found.resample}
    series = {name: [span(effects[part]) for part in found.mean] for name, effects in kinds.items()}
    figure = bars_with_intervals(series, list(map(str, found.mean)), ("head or MLP", RISE), LIMIT)
    return Illustration(
        figure,
        "What it costs to replace the output of each head and MLP, with 95 % intervals over inputs. The "
        "dashed line is where a part begins to count as needed.",
    )


def _by_number(found: Needs) -> tuple[Illustration, ...]:
    """The rise at each answer, where inputs have several."""
    count = len(next(iter(found.mean.values())).by_number)
    if not 1 < count <= NUMBERS:
        return ()
    panel = np.array([effect.by_number for effect in found.mean.values()])
    figure = heatmaps(
        {"mean": panel}, list(map(str, found.mean)), [str(n) for n in range(count)],
        ("head or MLP", "answer, from 0"), RISE, middle=0,
    )  # fmt: skip
    return (
        Illustration(figure, "The same for each of an input's answers, with the mean in the part's place."),
    )


def _table(seen: Seen) -> Table:
    found, push = seen.needs, pushes(seen)
    rows = tuple(
        (
            str(part), str(found.mean[part].verdict),
            *(str(kind[part].rise) for kind in (found.mean, found.resample, found.zero, found.direct)),
            found.mean[part].right.mean,
            None if push is None else push[part],
        )
        for part in found.mean
    )  # fmt: skip
    columns = ("part", "verdict", "mean", "another example", "zero", "mean, to the answer alone",
               "right with the mean", "push, logits")  # fmt: skip
    return Table(
        columns, rows, f"The {RISE}, with 95 % intervals; the share of answers still right; the direct push."
    )


def span(effect: Effect) -> tuple[float, float, float]:
    """The rise with its interval, for a figure."""
    return effect.rise.mean, effect.rise.low, effect.rise.high
