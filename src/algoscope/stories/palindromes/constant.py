"""What is the head for that writes nearly the same whatever the input?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from algoscope.discovery.constant_head import (
    Carried,
    Ways,
    Written,
    carried,
    into,
    learn_constant,
    writing,
    written,
)
from algoscope.figures.positions import position_points
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import loss
from algoscope.interventions.run import run
from algoscope.interventions.sources import Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head
from algoscope.questions.bound import Exists, at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.stories.palindromes.subject import TEXT, Subject, subject
from algoscope.tasks.palindromes import END_POSITION, HALF

NEEDED = 0.1
"""In nats: zeroing costs at least this."""
SPARED = 0.1
"""Of what zeroing costs: the mean in its place costs no more."""
STEPS = 60
"""Of learning the constant; more change little."""
OF_ZEROING = "share of what zeroing it altogether costs"
PLACES = {
    "START": (0,),
    "the first half": tuple(range(1, HALF + 1)),
    "the second half": tuple(range(HALF + 1, END_POSITION)),
    "END": (END_POSITION,),
}

ZERO = Claim(
    "third-head-zero",
    "Some head that neither compares nor reads the verdict out is needed: zeroing it costs.",
    "rise of the loss in nats, with processed weights", at_least(NEEDED), TEXT,
    "When zero-ablated, loss increases.",
)  # fmt: skip
NO_IMPACT = Claim(
    "mean-ablation-no-impact",
    "The most needed head that neither compares nor reads can be replaced by its mean at no cost.",
    "rise of the loss in nats", at_most(0.005), TEXT,
    "When mean-ablated, there's no change in loss.",
)  # fmt: skip
WHICH = Claim(
    "constant-head", "A head that neither compares nor reads is needed, and for hardly more than a constant.",
    "head", Exists(f"zeroing costs at least {NEEDED:g} nats, and the mean at most {SPARED:.0%} of that"),
)  # fmt: skip
SINGLE = Claim(
    "constant-head-single-route",
    "No single route from the constant head is needed: into one head's queries, keys or values, or the norm.",
    OF_ZEROING, at_most(0.1),
)  # fmt: skip
ENOUGH = Claim(
    "constant-head-one-route-enough",
    "A single route is enough: given the constant head's output there alone, the model loses little.",
    OF_ZEROING, at_most(0.1),
)  # fmt: skip
JOINT = Claim(
    "constant-head-joint-routes",
    "The constant head serves the keys and values of the reading head's layer: taken away from all of them "
    "together, most is lost.",
    OF_ZEROING, at_least(0.5),
)  # fmt: skip
READER = Claim(
    "constant-head-reading-head",
    "The constant head serves the reading head: taken away from its keys and values alone, most is lost.",
    OF_ZEROING, at_least(0.5),
)  # fmt: skip
WHERE = Claim(
    "constant-head-where",
    "The constant head is needed in one part of the sequence: START, the first half, the second half, or "
    "END.",
    OF_ZEROING, at_least(0.5),
)  # fmt: skip
ATTENTION = Claim(
    "constant-head-attention",
    "The constant head keeps the reading head's attention off the first half of palindromes.",
    "rise of attention without it", at_least(0.1),
)  # fmt: skip
NORM = Claim(
    "constant-head-final-norm", "Zeroing the constant head acts through the final norm's scale too.",
    "change of the scale, as a share", at_least(0.1),
)  # fmt: skip
LEARNT = Claim(
    "constant-head-learnt",
    "A learnt constant, one vector for each position, replaces the constant head without loss on fresh "
    "examples.",
    "rise of the loss in nats", at_most(0.01),
)  # fmt: skip
SHARE = Claim(
    "constant-head-share", "What the constant head writes is roughly the same for all inputs.",
    "share of its mean squared output, averaged over positions 1 to 20", at_least(0.9),
)  # fmt: skip
DETAILS = (SINGLE, ENOUGH, JOINT, READER, WHERE, ATTENTION, NORM, LEARNT, SHARE)


@dataclass(frozen=True, eq=False)
class Constant:
    """What was found out about the constant head."""

    head: Head
    zero: float
    """What zeroing it costs, in nats."""
    written: Written
    routes: Mapping[Ways, Carried]
    places: Mapping[str, float]
    """What zeroing it there alone costs."""


def constant_head(seen: Seen) -> Section:
    """What is the head for that writes nearly the same whatever the input?"""
    own = subject(seen)
    question = "What does the head do that is needed and yet writes nearly the same whatever the input?"
    text = (
        "The published analysis leaves one head open: zeroing it breaks the model and averaging it does "
        "not. So of the heads that neither match nor read, the one that zeroing costs most is looked at. "
        "What it writes where; which readers break when its output is taken away on one route, on several "
        "together, or on all others; and whether a learnt constant, fitted to one sample, does as well on "
        f"another. On {len(own.examples):,} examples, with processed weights: that moves value biases into "
        "output biases, so zeroing costs something else than with the stored ones."
    )
    head = _third(own)
    if head is None:
        missing = all_missing((ZERO, NO_IMPACT, WHICH, *DETAILS), "every head matches or reads")
        return Section("constant-head", question, text, missing)
    zero, mean = own.zeroed[head], own.averaged[head]
    needed, constant = zero >= NEEDED, mean <= SPARED * zero and zero >= NEEDED
    costs = f"head {head} costs {zero:.3f} nats zeroed, {mean:.3f} averaged"
    named = (
        ZERO.measured(zero, f"head {head}"),
        NO_IMPACT.measured(mean, f"head {head}") if needed else NO_IMPACT.missing("no such head is needed"),
        WHICH.measured(str(head) if constant else "", costs),
    )
    if not constant:
        missing = all_missing(DETAILS, "there is no constant head")
        return Section("constant-head", question, text, (*named, *missing))
    found = _study(own, head)
    details = (*_on_routes(own, found), _where(found), *_without(own, head), *_stand_in(own, found))
    return Section(
        "constant-head", question, text, (*named, *details), _figures(found), (_routes(found), _places(found))
    )


def _third(own: Subject) -> Head | None:
    """Of the heads that neither match nor read, the one that zeroing costs most."""
    others = [head for head in own.zeroed if head not in (own.matcher, own.reader)]
    return max(others, key=own.zeroed.__getitem__, default=None)


def _study(own: Subject, head: Head) -> Constant:
    site = head.site("hook_result")
    places = [Intervention(site, Zero(), head=head.index, position=where) for where in PLACES.values()]
    found = sweep(own.model, own.examples, places, loss)
    return Constant(
        head,
        own.zeroed[head],
        written(own.model, own.examples, head),
        carried(own.model, own.examples, head),
        dict(zip(PLACES, (found.values - found.clean).tolist(), strict=True)),
    )


def _on_routes(own: Subject, found: Constant) -> tuple[Finding, ...]:
    """Who needs the constant: one route at a time, then routes that may stand in for each other."""
    single = [carried for ways, carried in found.routes.items() if len(ways) == 1]
    worst = max(single, key=lambda route: route.cut)
    best = min(single, key=lambda route: route.kept)
    alone = (
        SINGLE.measured(worst.cut / found.zero, f"{worst.name}: {worst.cut:.4f} nats"),
        ENOUGH.measured(best.kept / found.zero, f"{best.name}: {best.kept:.4f} nats"),
    )
    reader = own.reader
    if reader is None or reader.layer <= found.head.layer:
        return (*alone, *all_missing((JOINT, READER), "no reading head comes after it"))
    layer = [Head(reader.layer, index) for index in range(own.model.config.n_heads)]
    together, by_reader = found.routes[into(layer, "kv")], found.routes[into([reader], "kv")]
    return (
        *alone,
        JOINT.measured(together.cut / found.zero, f"{together.cut:.3f} of {found.zero:.3f} nats"),
        READER.measured(by_reader.cut / found.zero, f"{by_reader.cut:.3f} of {found.zero:.3f} nats"),
    )


def _where(found: Constant) -> Finding:
    place = max(found.places, key=found.places.__getitem__)
    return WHERE.measured(found.places[place] / found.zero, f"{place}: {found.places[place]:.3f} nats")


def _without(own: Subject, head: Head) -> tuple[Finding, ...]:
    """What changes in palindromes when the head is zeroed: the reader's attention, and the final scale."""
    palindromes = own.examples[own.examples.labels == 1]
    reader, scale = own.reader, "ln_final.hook_scale"
    if reader is None or not len(palindromes):
        return all_missing((ATTENTION, NORM), "it takes a reading head, and palindromes")
    sites = [reader.site("hook_pattern"), *([scale] if scale in own.model.sites else [])]
    tokens = palindromes.tokens.to(own.model.W_E.device)
    _, whole = own.model.run_with_cache(tokens, sites)
    zeroed = Intervention(head.site("hook_result"), Zero(), head=head.index)
    without = run(own.model, tokens, zeroed, sites=sites).cache
    before, after = (
        cache[sites[0]][:, reader.index, END_POSITION, 1 : HALF + 1].sum(1).mean().item()
        for cache in (whole, without)
    )
    attention = ATTENTION.measured(after - before, f"from {before:.3f} to {after:.3f}")
    if scale not in own.model.sites:
        return attention, NORM.missing("there is no final norm")
    was, becomes = (cache[scale][:, END_POSITION].mean().item() for cache in (whole, without))
    return attention, NORM.measured(abs(becomes / was - 1), f"from {was:.3f} to {becomes:.3f}")


def _stand_in(own: Subject, found: Constant) -> tuple[Finding, ...]:
    task, head = own.seen.task, found.head
    fitted, fresh = task.sample(1000, own.seed + 1), task.sample(3000, own.seed + 2)
    constant = learn_constant(own.model, fitted, head, STEPS)
    learnt = sweep(own.model, fresh, [writing(head, constant)], loss)
    share = found.written.constant[1:END_POSITION].mean().item()
    return LEARNT.measured((learnt.values[0] - learnt.clean).item()), SHARE.measured(share)


def _figures(found: Constant) -> tuple[Illustration, ...]:
    panels = torch.stack([found.written.mean.norm(dim=1), found.written.constant])
    captions = (
        f"Length of what head {found.head} writes at each position, on average.",
        "How much of what it writes there is that average: 1 if it never changes.",
    )
    halves = ("the first half", "the second half")
    kinds = {name: PLACES[name] for name in halves} | {"START and END": (0, END_POSITION)}
    return tuple(
        Illustration(position_points(row[None].cpu().numpy(), range(len(row)), kinds, measure), caption)
        for row, measure, caption in zip(panels, ("length", "share that is constant"), captions, strict=True)
    )


def _routes(found: Constant) -> Table:
    rows = tuple((each.name, each.cut, each.kept) for each in found.routes.values())
    columns = ("routes", "taken away here", "taken away everywhere else")
    return Table(columns, rows, "Rise of the loss in nats. Routes through MLPs are left out.")


def _places(found: Constant) -> Table:
    return Table(
        ("zeroed at", "rise of the loss"), tuple(found.places.items()), "In nats, one part at a time."
    )
