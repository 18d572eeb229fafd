"""What does the tally head write, and do the MLPs read it?"""

from __future__ import annotations

import torch

from algoscope.analysis.linearised import fit_linear
from algoscope.analysis.tally import Tally, input_cosines, predicts
from algoscope.correlation import rank_correlation
from algoscope.figures.bars import grouped_bars
from algoscope.figures.shares import against_share
from algoscope.questions.study import Finding, Illustration, Section
from algoscope.questions.tested import TEXT, Claim
from algoscope.stories.brackets.deciding import MOST_POINTS
from algoscope.stories.brackets.subject import LEAST_TALLY, NO_TALLY, Subject, present
from algoscope.tasks.brackets import CLOSE, OPEN

MUCH_HIGHER = 3.0
"""Times what chance gives."""

ROLE = Claim(
    "tally-head",
    "A head in front of the elevation head tallies brackets where that head reads.",
    "head",
    f"its output explains at least {LEAST_TALLY:g} of the variance of the share of “(”",
    source=TEXT,
)
COSINE = Claim(
    "tally-cosine",
    "What the tally head writes for “(” points against what it writes for “)”.",
    "cosine",
    "at most -0.95",
    "the two vectors have cosine similarity close to -1",
)
DIFFERENCE = Claim(
    "tally-predicts-difference-r2",
    "The tally, times the number of brackets, tells how many more “(” than “)” there are.",
    "share of variance",
    "at least 0.9",
    "we can extract the information n_L - n_R by projecting in the direction of this vector",
)
RAW = Claim(
    "tally-without-length-r2",
    "The tally tells how many more “(” than “)” there are without knowing the number of brackets.",
    "share of variance",
    "at least 0.9",
    "information representing the difference between the number of left and right brackets",
)
SAME_WHEN_EQUAL = Claim(
    "tally-same-when-equal",
    "With as many “(” as “)”, the tally is the same at every length.",
    "spread among such strings, as a share of that among all",
    "at most 0.1",
    "the projection in this direction for balanced sequences is always the same",
)
RANDOM = Claim(
    "mlp-alignment-random",
    "A random vector has a squared cosine of 1 / d_model with an input direction.",
    "expected squared cosine",
    "exactly 1 / d_model",
    source=TEXT,
)
OTHERS = (COSINE, DIFFERENCE, RAW, SAME_WHEN_EQUAL)
TEXT_ABOVE = (
    "A bracket's embedding through the linearised norm and the head's OV circuit is what the head "
    "writes for it, "
    "wherever it attends. Were the two vectors opposite, the output would lie on one axis, and how far "
    "along it "
    "would tell the tally. Its output where the elevation head reads is projected on that axis, on "
    "every string "
    "that starts open. MLPs that use the tally should have input directions along the axis, more than the "
    "1 / d_model that chance gives."
)


def tally_writes(subject: Subject) -> Section:
    """What does the tally head write, and do the MLPs read it?"""
    question = "What does that head write, and do the MLPs read it?"
    found = subject.tally.tally
    best = max(subject.tally.shares.values(), default=None)
    if found is None:
        role = ROLE.found(None, None if best is None else False, reason=subject.tally.reason)
        findings = (role, *(claim.missing(NO_TALLY) for claim in OTHERS), *_alignment(subject, None))
        return Section("tally-writes", question, TEXT_ABOVE, findings)
    claim = (
        f"Head {found.head} tallies: what it writes where the elevation head reads explains {best:.3f} "
        "of the "
        "variance of the share of “(”."
    )
    findings = (
        ROLE.found(str(found.head), True, claim),
        COSINE.found(found.cosine, found.cosine <= -0.95),
        *_predictions(subject, found),
        *_alignment(subject, found),
    )
    return Section("tally-writes", question, TEXT_ABOVE, findings, _figures(subject, found))


def _predictions(subject: Subject, found: Tally) -> tuple[Finding, ...]:
    output = subject.tally_output()
    tokens = subject.opening.tokens
    opens, closes = (tokens == OPEN).sum(1).double(), (tokens == CLOSE).sum(1).double()
    difference, length = opens - closes, opens + closes
    projected = (output @ found.axis).double()
    scaled = fit_linear(torch.stack([projected * length, length], 1), difference[:, None]).r2
    raw = predicts(output, found.axis, difference)
    equal = projected[difference == 0]
    if len(equal) < 2 or projected.std() == 0:
        same = SAME_WHEN_EQUAL.missing("too few strings have as many “(” as “)”")
    else:
        spread = (equal.std() / projected.std()).item()
        same = SAME_WHEN_EQUAL.found(spread, spread <= 0.1)
    return DIFFERENCE.found(scaled, scaled >= 0.9), RAW.found(raw, raw >= 0.9), same


def _alignment(subject: Subject, found: Tally | None) -> tuple[Finding, ...]:
    """For each MLP in front of the elevation head; at least the first two have an id."""
    chance = 1 / subject.model.config.d_model
    layers = subject.mlps or (0, 1)
    findings = [_aligned(subject, found, layer, chance) for layer in layers]
    return (*findings, RANDOM.found(chance, True), _spearman(subject, found))


def _aligned(subject: Subject, found: Tally | None, layer: int, chance: float) -> Finding:
    claim = Claim(
        f"mlp-alignment-{layer}",
        f"The input directions of MLP {layer} lie along what the tally head writes for “)”.",
        "mean squared cosine",
        f"at least {MUCH_HIGHER * chance:.3g}: {MUCH_HIGHER:g} times chance, 1 / d_model",
        "much higher than you would expect by chance",
    )
    if found is None or layer not in subject.mlps:
        return claim.missing(NO_TALLY if found is None else "there is no such MLP before the elevation head")
    value = input_cosines(subject.model, layer, found.other).pow(2).mean().item()
    return claim.found(value, value >= MUCH_HIGHER * chance)


def _spearman(subject: Subject, found: Tally | None) -> Finding:
    claim = Claim(
        "mlp-alignment-predicts-strength",
        "The better a neuron is aligned with the tally, the more it tells the sides of one half apart.",
        "rank correlation, layer by layer",
        "at least 0.5 in every layer",
        "Do the neurons which have particularly high cosine similarity with v_R correspond to the neurons",
    )
    if found is None or not subject.kinds:
        return claim.missing(NO_TALLY if found is None else "no neuron could be classified")
    values = [
        rank_correlation(input_cosines(subject.model, layer, found.other).pow(2), kinds.strength)
        for layer, kinds in subject.kinds.items()
    ]
    if any(value != value for value in values):
        return claim.missing("there are too few neurons")
    return claim.found([*values], min(values) >= 0.5)


def _figures(subject: Subject, found: Tally) -> tuple[Illustration, ...]:
    drawn = slice(MOST_POINTS)
    projected = (subject.tally_output() @ found.axis)[drawn].numpy()
    share = subject.opening.concepts["open_proportion"][drawn].numpy()
    masks = {name: mask.numpy() for name, mask in present(subject.opening_groups, drawn).items()}
    panel = {f"what head {found.head} writes at position {subject.read}, along its axis": projected}
    scatter = against_share(panel, share, masks, ("share of “(” among the brackets", "length along the axis"))
    shares = subject.tally.shares
    bars = grouped_bars(
        {"explained": list(shares.values())},
        [f"head {name}" for name in shares],
        "r² of the share",
        LEAST_TALLY,
    )
    return (
        Illustration(
            scatter,
            "The tally of each string against its share of “(”: the closer to one line, the better the "
            "tally. A "
            "point off the line is a string whose brackets the head did not look at evenly.",
        ),
        Illustration(
            bars,
            "How much of the variance of the share of “(” each earlier head's output explains, where "
            "the elevation "
            "head reads.",
        ),
    )
