"""What does the tally head write, and do the MLPs read it?"""

from __future__ import annotations

import torch

from algoscope.analysis.linearised import fit_linear
from algoscope.analysis.tally import Tally, input_cosines, predicts
from algoscope.correlation import best_rank_correlation, rank_correlation
from algoscope.figures import points as figure
from algoscope.figures.shares import against_share
from algoscope.questions.bound import Exists, at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section
from algoscope.stories.brackets.subject import (
    LEAST_TALLY,
    MOST_POINTS,
    NO_MLP,
    SHARE,
    TEXT,
    Subject,
    points,
    subject_of,
)
from algoscope.tasks.brackets import CLOSE, OPEN

CORRELATED = at_least(0.5)

# fmt: off
ROLE = Claim(
    "tally-head", "A head in front of the elevation head tallies brackets where that head reads.", "head",
    Exists(f"its output explains at least {LEAST_TALLY:g} of the variance of the share of “(”"), TEXT)
COSINE = Claim(
    "tally-cosine", "What the tally head writes for “(” points against what it writes for “)”.",
    "cosine", at_most(-0.95), TEXT, "the two vectors have cosine similarity close to -1")
LENGTHS = Claim(
    "tally-lengths", "The two vectors are as long as each other, to a tenth.",
    "length of the shorter over that of the longer", at_least(0.9))
DIFFERENCE = Claim(
    "tally-predicts-difference-r2",
    "The tally, times the number of brackets, tells how many more “(” than “)” there are.",
    "share of variance", at_least(0.9), TEXT,
    "we can extract the information … by projecting in the direction of this vector")
ALONE = Claim(
    "tally-without-length-r2",
    "The tally tells how many more “(” than “)” there are without knowing the number of brackets.",
    "share of variance", at_least(0.9), TEXT,
    "it writes a vector representing the total elevation to residual stream 1")
SAME_WHEN_EQUAL = Claim(
    "tally-same-when-equal", "With as many “(” as “)”, the tally is the same at every length.",
    "spread among such strings, as a share of that among all", at_most(0.1), TEXT,
    "the projection in this direction for balanced sequences is always the same")
ALIGNED = Claim(
    "mlp-alignment", "The input directions of the MLPs lie along what the tally head writes for “)”.",
    "times chance, of the mean squared cosine, MLP by MLP", at_least(3, "“much higher”").each(), TEXT,
    "much higher than you would expect by chance")
PREDICTS = Claim(
    "mlp-alignment-predicts-strength",
    "The better a neuron is aligned with the tally, the more it tells the sides of one half apart.",
    "rank correlation over neurons, MLP by MLP", CORRELATED.each())
# fmt: on
OTHERS = (COSINE, LENGTHS, DIFFERENCE, ALONE, SAME_WHEN_EQUAL, ALIGNED, PREDICTS)
TEXT_ABOVE = (
    "A bracket's embedding through the linearised norm and the head's OV circuit is what the head writes for "
    "it, wherever it attends. Were the two vectors opposite, the output would lie on one axis, and how far "
    "along it would tell the tally. Its output where the elevation head reads is projected on that axis, on "
    "every string that starts open. MLPs that use the tally should have input directions along it: the "
    "squared cosine is then larger than the 1 / d_model that a random vector has on average, and largest for "
    "the strongest neurons, those whose mean contribution through the elevation head differs most between "
    "one side of one half and one half itself."
)


def tally_writes(seen: Seen) -> Section:
    """What does the tally head write, and do the MLPs read it?"""
    subject, question = subject_of(seen), "What does that head write, and do the MLPs read it?"
    role = subject.tally
    if role.tally is None:
        absent = ROLE.measured("", role.reason) if role.shares else ROLE.missing(role.reason)
        return Section("tally-writes", question, TEXT_ABOVE, (absent, *all_missing(OTHERS, role.reason)))
    found = role.tally
    explained = f"what head {found.head} writes explains {role.shares[found.head]:.3f} of the variance"
    findings = (
        ROLE.measured(str(found.head), explained),
        COSINE.measured(found.cosine, f"through a norm that one linear map explains to {found.r2:.3f}"),
        _lengths(found),
        *_predictions(subject, found),
        _aligned(subject, found),
        _predicts(subject, found),
    )
    return Section("tally-writes", question, TEXT_ABOVE, findings, _figures(subject, found))


def _lengths(found: Tally) -> Finding:
    one, other = found.one.norm().item(), found.other.norm().item()
    note = "A tally does not need it: where numbers are equal, it is merely not zero, as the text says."
    ratio = min(one, other) / max(one, other)
    return LENGTHS.measured(ratio, f"{one:.2f} for “(” and {other:.2f} for “)”", note)


def _predictions(subject: Subject, found: Tally) -> tuple[Finding, ...]:
    output, tokens = subject.written(found.head), subject.opening.tokens
    opens, closes = (tokens == OPEN).sum(1).double(), (tokens == CLOSE).sum(1).double()
    difference, length = opens - closes, opens + closes
    projected = (output @ found.axis).double()
    scaled = fit_linear(torch.stack([projected * length, length], 1), difference[:, None]).r2
    note = "Attention takes a mean, so what is written is the difference divided by the length."
    equal = projected[difference == 0]
    same = SAME_WHEN_EQUAL.missing("too few strings have as many “(” as “)”")
    if len(equal) >= 2 and projected.std() > 0:
        same = SAME_WHEN_EQUAL.measured((equal.std() / projected.std()).item(), f"of {len(equal):,} strings")
    alone = ALONE.measured(predicts(output, found.axis, difference), note=note)
    return DIFFERENCE.measured(scaled), alone, same


def _aligned(subject: Subject, found: Tally) -> Finding:
    if not subject.mlps:
        return ALIGNED.missing(NO_MLP)
    means = [input_cosines(subject.model, layer, found.other).pow(2).mean().item() for layer in subject.mlps]
    width = subject.model.config.d_model
    said = ", ".join(f"{mean:.4f} in MLP {layer}" for layer, mean in zip(subject.mlps, means, strict=True))
    return ALIGNED.measured([mean * width for mean in means], f"{said}; by chance {1 / width:.4f}")


def _predicts(subject: Subject, found: Tally) -> Finding:
    if not subject.kinds:
        return PREDICTS.missing(subject.no_kinds)
    pairs = [
        (input_cosines(subject.model, layer, found.other).pow(2), kinds.strength)
        for layer, kinds in subject.kinds.items()
    ]
    # The negation covers NaN too: one of the two is constant.
    if not all(best_rank_correlation(*pair) >= CORRELATED.limit for pair in pairs):
        return PREDICTS.missing("too many neurons of a layer tie to be put into an order")
    return PREDICTS.measured([rank_correlation(*pair) for pair in pairs])


def _figures(subject: Subject, found: Tally) -> tuple[Illustration, ...]:
    projected = (subject.written(found.head) @ found.axis)[:MOST_POINTS].numpy()
    share, masks = subject.share[:MOST_POINTS].numpy(), points(subject.opening_groups)
    panel = {f"what head {found.head} writes, along its axis": projected}
    scatter = against_share(panel, share, masks, (SHARE, "length along the axis"))
    caption = (
        "The tally of each string against its share of “(”: the closer to one line, the better the tally. A "
        "point off the line is a string whose brackets the head did not look at evenly."
    )
    neurons = {
        f"MLP {layer}": {
            f"{layer}.{neuron}": (cosine**2, strength)
            for neuron, (cosine, strength) in enumerate(zip(cosines, kinds.strength.tolist(), strict=True))
        }
        for layer, kinds in subject.kinds.items()
        for cosines in [input_cosines(subject.model, layer, found.other).tolist()]
    }
    axes = f"squared cosine with what head {found.head} writes for “)”", "strength (logits)"
    aligned = "Each point is a neuron: how well it is aligned with the tally, and how strongly it responds."
    return Illustration(scatter, caption), Illustration(figure.points(neurons, axes), aligned)
