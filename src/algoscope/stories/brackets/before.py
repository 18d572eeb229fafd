"""What does the elevation head read, and who wrote it?"""

from __future__ import annotations

from algoscope.analysis.attribution import histograms
from algoscope.figures.histograms import contribution_histograms
from algoscope.figures.shares import against_share
from algoscope.model.component import EMBEDDING, Component
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section
from algoscope.stories.brackets.subject import (
    MOST_POINTS,
    NO_MLP,
    NOT_EVERY_KIND,
    SHARE,
    TEXT,
    Reader,
    Subject,
    points,
    subject_of,
)

# fmt: off
FIT = Claim(
    "ln-elevation-input-r2",
    "The norm before the elevation head acts like one linear map at the position that it reads.",
    "share of variance", at_least(0.9), TEXT)
LAST_MLP = Claim(
    "last-mlp-important", "The last MLP before the elevation head carries most of what that head reads.",
    "share of all push on strings that only fail by total elevation", at_least(0.5), TEXT,
    "mlp0 and especially mlp1 are very important")
FIRST_MLP = Claim(
    "first-mlp-important",
    "The first of several MLPs before the elevation head carries an important part of what that head reads.",
    "share of all push on strings that only fail by total elevation",
    at_least(0.33, "three such components could carry everything"), TEXT,
    "mlp0 and especially mlp1 are very important")
EMBEDDED = Claim(
    "embedding-before-elevation", "The embedding contributes the same to every string.",
    "logits, largest over strings", at_most(0.001, "rounding"), TEXT,
    "the embeddings graph shows an output of zero, in other words no effect on the classification")
NEGATIVE_IN = Claim(
    "negative-into-elevation", "A head in front of the elevation head tells it of negative failures.",
    "logits more on only-negative strings than on balanced and on only-total-elevation ones, the nearer",
    at_least(1), TEXT,
    "one of the main things it does is incorporate information about when there is a negative elevation "
    "failure into this overall elevation branch")
SHARP = Claim(
    "mlp-sharp-at-half",
    "The last MLP tells a share of exactly one half from shares on either side at a glance.",
    "standard deviations of balanced strings, to the nearer side", at_least(4), TEXT,
    "turning more continuous features … into sharp discontinuous features")
# fmt: on
CLAIMS = (FIT, LAST_MLP, FIRST_MLP, EMBEDDED, NEGATIVE_IN, SHARP)
TEXT_ABOVE = (
    "The elevation head is taken to move one position's stream to the answer, so the direction that speaks "
    "for “unbalanced” can be followed back through its OV circuit and the norm before it, linearised at that "
    "position. Along it, the stream there is the sum of what each earlier component wrote. Zero is the mean "
    "over balanced strings. The direction sees only what this head moves directly: what a component does "
    "through a later one is counted there. Its logits are those of a head that moves the whole position; an "
    "edge, measured further below, is weighted by the attention that the head really gives."
)


def before_elevation(seen: Seen) -> Section:
    """What does the elevation head read, and who wrote it?"""
    subject, question = subject_of(seen), "What does the elevation head read, and who wrote it?"
    found = subject.reader
    if found is None:
        return Section("before-elevation", question, TEXT_ABOVE, all_missing(CLAIMS, subject.no_reader))
    findings = (
        FIT.measured(
            found.fit.r2,
            f"before head {found.head}, at position {found.read}; the final norm included, the direction's "
            f"r² is {found.before.r2:.3f}",
        ),
        *_mlps(subject, found),
        _embedding(subject, found),
        _negative(subject, found),
        _sharp(subject, found),
    )
    return Section("before-elevation", question, TEXT_ABOVE, findings, _figures(subject, found))


def _mlps(subject: Subject, found: Reader) -> tuple[Finding, Finding]:
    rows = subject.groups["only total elevation"] & subject.opens
    if not subject.mlps or not rows.any():
        reason = "no such string starts with “(”" if subject.mlps else NO_MLP
        return LAST_MLP.missing(reason), FIRST_MLP.missing(reason)
    means = found.pushed.mean(rows)
    total = sum(means.values())
    if total <= 0:
        reason = "all components together push such strings towards “balanced”"
        return LAST_MLP.missing(reason), FIRST_MLP.missing(reason)
    first, last = (Component.mlp(subject.mlps[index]) for index in (0, -1))
    said = {part: f"{part} contributes {means[part]:.2f} of {total:.2f} logits" for part in (first, last)}
    late = LAST_MLP.measured(means[last] / total, said[last])
    if first == last:
        return late, FIRST_MLP.missing("there is only one MLP before the elevation head")
    note = "What it does through a later MLP is counted there: the text says the same of this direction."
    return late, FIRST_MLP.measured(means[first] / total, said[first], note)


def _embedding(subject: Subject, found: Reader) -> Finding:
    """The text explains it by [start], the same in all inputs; but that stands at another position."""
    most = found.pushed[EMBEDDING].abs().max().item()
    note = f"What stands at position {found.read} differs from string to string: either bracket."
    return EMBEDDED.measured(
        most,
        f"up to {most:.2g} logits from the mean over balanced strings",
        note if found.read not in subject.examples.answer_positions.tolist() else "",
    )


def _negative(subject: Subject, found: Reader) -> Finding:
    kinds = [subject.groups[kind] & subject.opens for kind in ("only negative", "only total elevation")]
    heads = found.pushed.heads
    if not heads or not all(rows.any() for rows in kinds):
        return NEGATIVE_IN.missing("there is no earlier head, or no string of one kind starts with “(”")
    on, off = (found.pushed.mean(rows) for rows in kinds)
    apart = {head: on[head] - max(off[head], 0.0) for head in heads}
    best = max(heads, key=apart.__getitem__)
    said = f"head {best} writes {on[best]:.2f} for only-negative strings, {off[best]:.2f} for the others"
    return NEGATIVE_IN.measured(apart[best], said)


def _sharp(subject: Subject, found: Reader) -> Finding:
    if not subject.mlps:
        return SHARP.missing(NO_MLP)
    values = found.pushed[Component.mlp(subject.mlps[-1])][subject.opens].double()
    balanced = values[subject.opening.labels == 1]
    sides = values[subject.share < 0.5], values[subject.share > 0.5]
    if len(balanced) < 2 or not all(len(side) for side in sides) or balanced.std() == 0:
        return SHARP.missing(NOT_EVERY_KIND)
    below, above = (((side.mean() - balanced.mean()) / balanced.std()).item() for side in sides)
    return SHARP.measured(min(below, above), f"{below:.1f} below one half, {above:.1f} above")


def _figures(subject: Subject, found: Reader) -> tuple[Illustration, ...]:
    config = subject.model.config
    columns = min(5, config.n_heads + (1 if config.d_mlp else 0))
    panels = contribution_histograms(histograms(found.pushed, subject.groups), columns)
    by_part = Illustration(
        panels,
        f"What each component contributes at position {found.read} along the direction before head "
        f"{found.head}. Each line is the share of one kind of input; the height of each panel is its own.",
    )
    if not subject.mlps:
        return (by_part,)
    values = {
        str(part): found.pushed[part][subject.opens][:MOST_POINTS].numpy()
        for part in map(Component.mlp, subject.mlps)
    }
    axes = SHARE, f"through head {found.head}, towards “unbalanced” (logits)"
    share = subject.share[:MOST_POINTS].numpy()
    figure = against_share(values, share, points(subject.opening_groups), axes)
    caption = (
        "What each MLP contributes there against the share of “(”, for strings that start with “(”. A sharp "
        "dip at one half is a test for equality."
    )
    return by_part, Illustration(figure, caption)
