"""What is the head for that writes nearly the same whatever the input?"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from algoscope.discovery.constant_head import Route, Written, learn_constant, routes, writing, written
from algoscope.figures.positions import position_points
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import loss
from algoscope.interventions.run import run
from algoscope.interventions.sources import Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head, every_head
from algoscope.questions.study import Finding, Illustration, Section, Table
from algoscope.questions.tested import Claim
from algoscope.stories.palindromes.subject import TEXT, Subject
from algoscope.tasks.palindromes import END_POSITION, HALF

NEEDED = 0.1
"""In nats: zeroing costs at least this."""
SPARED = 0.1
"""Of what zeroing costs: the mean in its place costs no more."""
CARRIES = 0.9
"""Of what zeroing costs: giving the output back on this route alone saves as much."""
SAME = 0.9
"""Share of the mean squared output that is constant."""
NO_LOSS = 0.01
"""In nats."""
MOVED = 0.1
"""Of the reading head's attention; of the final norm's scale."""

ROLE = Claim(
    "constant-head-role",
    "What the constant head writes is read in one way.",
    "route",
    f"that one route saves {CARRIES:.0%} of what zeroing costs",
)
WHICH = Claim(
    "constant-head",
    "One head is needed only for a constant.",
    "head",
    f"zeroing costs at least {NEEDED:g} nats, and the mean at most {SPARED:.0%} of that",
    source=TEXT,
)
WHERE = Claim(
    "constant-head-where",
    "The constant is needed in one part of the sequence.",
    "part of the sequence",
    "one part, zeroed alone, costs half of what zeroing everywhere costs",
)
ATTENTION = Claim(
    "constant-head-attention",
    "The constant keeps the reading head's attention off the first half.",
    "rise of attention",
    f"without it, at least {MOVED:g} more attention on the first half",
)
FINAL_NORM = Claim(
    "constant-head-final-norm",
    "Zeroing the head acts through the final norm's scale too.",
    "ratio of the scales",
    f"a change of at least {MOVED:.0%}",
)
LEARNT = Claim(
    "constant-head-learnt",
    "A learnt constant, one vector for each position, replaces the head without loss on fresh examples.",
    "rise of the loss in nats",
    f"at most {NO_LOSS:g}",
)
SHARE = Claim(
    "constant-head-share",
    "What the head writes is roughly the same for all inputs.",
    "share of its mean squared output, averaged over positions 1 to 20",
    f"at least {SAME:g}",
    "its output is roughly the same for all inputs (?)",
    TEXT,
)
CLAIMS = (ROLE, WHICH, WHERE, ATTENTION, FINAL_NORM, LEARNT, SHARE)

PLACES = {
    "START": (0,),
    "the first half": tuple(range(1, HALF + 1)),
    "the second half": tuple(range(HALF + 1, END_POSITION)),
    "END": (END_POSITION,),
}


@dataclass(frozen=True)
class Constant:
    """What was found out about the constant head."""

    head: Head
    zero: float
    """What zeroing it costs, in nats; and what its mean does."""
    mean: float
    written: Written
    routes: tuple[Route, ...]
    places: dict[str, float]
    """What zeroing it there alone costs."""
    attention: tuple[float, float]
    """Of the reader, from END on the first half of palindromes: with the head, and without."""
    scale: tuple[float, float]
    """What the final norm divides by, on palindromes."""
    learnt: float
    """The loss on fresh examples with a learnt constant, less that of the whole model."""


def constant_head(subject: Subject) -> Section:
    """What is the head for that writes nearly the same whatever the input?"""
    head, reason = _find(subject)
    found = None if head is None else _study(subject, head)
    text = (
        "The published analysis leaves one head open: zeroing it breaks the model and averaging it does "
        "not. Such a head is looked for among those that neither match nor read: zeroing costs at least "
        f"{NEEDED:g} nats and its mean at most {SPARED:.0%} of that, on the published 500. Then: what it "
        "writes where; which reader breaks when the output is taken away on one route, or on all others; "
        "and whether a learnt constant, fitted to one sample, does as well on another."
    )
    if found is None:
        # That there is none is an answer to the question; what it would be for stays open.
        missing = tuple(
            claim.found(None, False if claim is WHICH else None, reason=reason) for claim in CLAIMS
        )
        return Section("constant-head", "What does the constant head do?", text, missing)
    return Section(
        "constant-head",
        f"What does head {found.head} do, which writes nearly the same whatever the input?",
        text,
        _findings(found),
        _figures(found),
        (_table(found),),
    )


def _find(subject: Subject) -> tuple[Head | None, str]:
    ablated, roles = subject.ablated, (subject.matcher, subject.reader)
    zero, mean = (
        {head: grid[head.layer, head.index].item() for head in every_head(subject.model.config)}
        for grid in (ablated.zero, ablated.mean)
    )
    others = [head for head in zero if head not in roles]
    fitting = [head for head in others if zero[head] >= NEEDED and mean[head] <= SPARED * zero[head]]
    if fitting:
        return max(fitting, key=lambda head: zero[head]), ""
    if not others:
        return None, "every head matches or reads"
    best = max(others, key=lambda head: zero[head])
    return (
        None,
        f"of the other heads, {best} costs most: {zero[best]:.3f} nats zeroed, {mean[best]:.3f} averaged",
    )


def _study(subject: Subject, head: Head) -> Constant:
    model, examples = subject.model, subject.published
    site = head.site("hook_result")
    places = [Intervention(site, Zero(), head=head.index, position=where) for where in PLACES.values()]
    found = sweep(model, examples, places, loss)
    fitted = subject.seen.task.sample(1000, subject.seed + 1)
    fresh = subject.seen.task.sample(3000, subject.seed + 2)
    learnt = sweep(model, fresh, [writing(head, learn_constant(model, fitted, head))], loss)
    return Constant(
        head,
        subject.ablated.zero[head.layer, head.index].item(),
        subject.ablated.mean[head.layer, head.index].item(),
        written(model, examples, head),
        routes(model, examples, head),
        dict(zip(PLACES, (found.values - found.clean).tolist(), strict=True)),
        *_without(subject, head),
        (learnt.values[0] - learnt.clean).item(),
    )


def _without(subject: Subject, head: Head) -> tuple[tuple[float, float], tuple[float, float]]:
    """What changes in palindromes when the head is zeroed: the reader's attention, and the final scale."""
    palindromes = subject.published[subject.published.labels == 1]
    reader, scale = subject.reader or head, "ln_final.hook_scale"
    sites = [reader.site("hook_pattern"), *([scale] if scale in subject.model.sites else [])]
    tokens = palindromes.tokens.to(subject.model.W_E.device)
    _, whole = subject.model.run_with_cache(tokens, sites)
    zeroed = Intervention(head.site("hook_result"), Zero(), head=head.index)
    without = run(subject.model, tokens, zeroed, sites=sites).cache
    first = slice(1, HALF + 1)
    attention = [
        cache[sites[0]][:, reader.index, END_POSITION, first].sum(1).mean().item()
        for cache in (whole, without)
    ]
    scales = [
        cache[scale][:, END_POSITION].mean().item() if scale in cache else 1.0 for cache in (whole, without)
    ]
    return (attention[0], attention[1]), (scales[0], scales[1])


def _findings(found: Constant) -> tuple[Finding, ...]:
    head, best = found.head, found.routes[0]
    place = max(found.places, key=lambda name: found.places[name])
    (with_it, without), (before, after) = found.attention, found.scale
    share = found.written.constant[1:END_POSITION].mean().item()
    return (
        ROLE.found(
            str(best),
            best.kept <= (1 - CARRIES) * found.zero,
            f"Head {head} serves the {best}: given its output on that route alone, the model loses "
            f"{best.kept:.3f} nats instead of {found.zero:.3f}.",
        ),
        WHICH.found(
            str(head),
            True,
            f"Head {head} is needed, but hardly for what it says about the input: zeroing it costs "
            f"{found.zero:.3f} nats, its mean in its place {found.mean:.3f}.",
        ),
        WHERE.found(
            place,
            found.places[place] >= found.zero / 2,
            f"The constant is needed at {place}: zeroing it only there costs {found.places[place]:.3f} nats.",
        ),
        ATTENTION.found(
            without - with_it,
            without - with_it >= MOVED,
            "The constant keeps the reading head from taking positions of the first half for faults: on "
            f"palindromes they get {with_it:.3f} of its attention from END, and {without:.3f} without head "
            f"{head}.",
        ),
        FINAL_NORM.found(
            after / before,
            abs(after / before - 1) >= MOVED,
            "Zeroing the head acts through the final norm too: on palindromes its scale goes from "
            f"{before:.3f} to {after:.3f}, which multiplies what the other components say.",
        ),
        LEARNT.found(found.learnt, found.learnt <= NO_LOSS),
        SHARE.found(share, share >= SAME),
    )


def _figures(found: Constant) -> tuple[Illustration, ...]:
    size = found.written.mean.norm(dim=1)
    panels = torch.stack([size, found.written.constant])
    captions = (
        f"Length of what head {found.head} writes at each position, on average.",
        "How much of what it writes there is that average: 1 if it never changes.",
    )
    kinds = {"START and END": (0, END_POSITION)} | {
        name: PLACES[name] for name in ("the first half", "the second half")
    }
    return tuple(
        Illustration(position_points(row[None].cpu().numpy(), range(len(row)), kinds, measure), caption)
        for row, measure, caption in zip(panels, ("length", "constant share"), captions, strict=True)
    )


def _table(found: Constant) -> Table:
    rows = tuple((str(route), route.cut, route.kept) for route in found.routes)
    columns = ("route", "taken away here alone", "taken away everywhere else")
    return Table(
        columns, rows, f"Rise of the loss in nats (zeroing head {found.head} altogether: {found.zero:.4f})."
    )
