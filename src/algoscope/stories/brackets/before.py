"""What does the elevation head read, and who wrote it?"""

from __future__ import annotations

from algoscope.analysis.attribution import histograms
from algoscope.analysis.directions import attention_norm_fit
from algoscope.analysis.linearised import fit_norm
from algoscope.analysis.reading import values_at
from algoscope.figures.histograms import contribution_histograms
from algoscope.figures.shares import against_share
from algoscope.model.head import Head
from algoscope.questions.study import Finding, Illustration, Section, Table
from algoscope.questions.tested import OURS, TEXT, Claim
from algoscope.stories.brackets.deciding import MOST_POINTS, SHARE
from algoscope.stories.brackets.subject import FITTED, NO_MLP, Subject, present

LEAST_R2 = 0.9
IMPORTANT = 1 / 3
"""Of what all components push together: three such components could carry everything."""
SHARP = 4.0
"""How many spreads of balanced strings apart an unbalanced kind must lie to be told apart at a glance."""

FIT = Claim(
    "ln-elevation-input-r2",
    "The norm before the elevation head acts like one linear map at the position that it reads.",
    "share of variance",
    f"at least {LEAST_R2:g}",
    source=TEXT,
)
EMBEDDING = Claim(
    "embedding-before-elevation",
    "The embedding contributes the same to every string.",
    "logits, largest over strings",
    "at most 0.001: rounding",
    "the embeddings graph shows an output of zero, in other words no effect on the classification",
)
FIRST_MLP = Claim(
    "first-mlp-important",
    "The first MLP carries an important part of what the elevation head reads.",
    "share of all push on strings that only fail by total elevation",
    f"at least {IMPORTANT:.2f}",
    "mlp0 and especially mlp1 are very important",
)
LAST_MLP = Claim(
    "last-mlp-important",
    "The last MLP before the elevation head carries most of what it reads.",
    "share of all push on strings that only fail by total elevation",
    "at least 0.5, and more than any other component",
    "mlp0 and especially mlp1 are very important",
)
NEGATIVE_IN = Claim(
    "negative-into-elevation",
    "A head of the layer before tells the elevation branch about negative failures.",
    "logits more on only-negative than on only-total-elevation strings",
    "a head whose mean is at least 1 logit on only-negative strings, and more there than on the others",
    "one of the main things it does is incorporate information about when there is a negative elevation "
    "failure",
)
SHARP_MLP = Claim(
    "mlp-sharp-at-half",
    "The last MLP tells a share of exactly one half from all others.",
    "spreads of balanced strings, to the nearer side",
    f"at least {SHARP:g}, on both sides",
    "turning more continuous features … into sharp discontinuous features",
)
CLAIMS = (FIT, LAST_MLP, FIRST_MLP, EMBEDDING, NEGATIVE_IN, SHARP_MLP)
TEXT_ABOVE = (
    "The elevation head is taken to move one position's stream to the answer, so the direction that "
    "speaks for "
    "“unbalanced” can be followed back through its OV circuit and the norm before it, linearised at that "
    "position. Along it, the stream there is the sum of what each earlier component wrote. Zero is the mean "
    "over balanced strings. The direction sees only what this head moves directly: what a component does "
    "through a later one is counted there."
)


def before_elevation(subject: Subject) -> Section:
    """What does the elevation head read, and who wrote it?"""
    question = "What does the elevation head read, and who wrote it?"
    if subject.pushed is None or subject.before is None or subject.input_fit is None:
        reason = subject.elevation.reason or "there is nothing to centre on or to average"
        return Section("before-elevation", question, TEXT_ABOVE, tuple(c.missing(reason) for c in CLAIMS))
    fit = subject.input_fit
    findings = (
        FIT.found(
            fit.r2,
            fit.r2 >= LEAST_R2,
            f"The norm before head {subject.elevation.head} acts like one linear map at position "
            f"{subject.read}.",
        ),
        *_mlps(subject),
        *_embedding(subject),
        _negative(subject),
        _sharp(subject),
    )
    text, figures = TEXT_ABOVE + subject.caution, _figures(subject)
    return Section("before-elevation", question, text, findings, figures, (_norms(subject),))


def _mlps(subject: Subject) -> tuple[Finding, ...]:
    assert subject.pushed is not None
    rows = subject.seen.groups["only total elevation"] & subject.opens
    if not subject.mlps or not rows.any():
        reason = "no such string starts open" if subject.mlps else NO_MLP
        return LAST_MLP.missing(reason), FIRST_MLP.missing(reason)
    means = subject.pushed.mean(rows)
    total = sum(means.values())
    last, first = f"MLP {subject.mlps[-1]}", f"MLP {subject.mlps[0]}"
    if total <= 0:
        reason = "all components together push such strings towards “balanced”"
        return LAST_MLP.missing(reason), FIRST_MLP.missing(reason)
    share = {name: mean / total for name, mean in means.items()}
    said = "{} contributes {:.2f} of the {:.2f} logits that strings with only a total elevation failure get."
    return (
        LAST_MLP.found(
            share[last],
            share[last] >= 0.5 and share[last] == max(share.values()),
            said.format(last, means[last], total),
        ),
        FIRST_MLP.found(share[first], share[first] >= IMPORTANT, said.format(first, means[first], total)),
    )


def _embedding(subject: Subject) -> tuple[Finding, Finding]:
    """On all strings, as the text says it, and on those that start open, where it is true by construction."""
    assert subject.pushed is not None
    values = subject.pushed["embedding"].abs()
    opening = Claim(
        "embedding-before-elevation-starts-open",
        "Among strings that start open, the embedding contributes the same to all.",
        EMBEDDING.unit,
        EMBEDDING.expected,
        source=OURS,
    )
    most, most_open = values.max().item(), values[subject.opens].max().item()
    reason = (
        "the text explains it by [start], the same in all inputs; but this is another position, whose "
        "token is "
        "either bracket"
    )
    return (
        EMBEDDING.found(most, most <= 0.001, reason=reason if subject.read != subject.answer else ""),
        opening.found(most_open, most_open <= 0.001),
    )


def _negative(subject: Subject) -> Finding:
    assert subject.pushed is not None
    only_negative = subject.seen.groups["only negative"] & subject.opens
    only_total = subject.seen.groups["only total elevation"] & subject.opens
    heads = subject.pushed.heads
    if not heads or not only_negative.any() or not only_total.any():
        return NEGATIVE_IN.missing(
            "there is no earlier head, or no string of one of the two kinds starts open"
        )
    on, off = subject.pushed.mean(only_negative), subject.pushed.mean(only_total)
    best = max(heads, key=lambda head: on[head] - off[head])
    claim = (
        f"Head {best} writes {on[best]:.2f} logits for strings that are only negative, {off[best]:.2f} "
        "for those "
        "that only fail by total elevation."
    )
    return NEGATIVE_IN.found(on[best] - off[best], on[best] >= 1 and on[best] > off[best], claim)


def _sharp(subject: Subject) -> Finding:
    assert subject.pushed is not None
    if not subject.mlps:
        return SHARP_MLP.missing(NO_MLP)
    values = subject.pushed[f"MLP {subject.mlps[-1]}"][subject.opens].double()
    share = subject.opening.concepts["open_proportion"]
    balanced = values[subject.opening.labels == 1]
    sides = [values[share < 0.5], values[share > 0.5]]
    if len(balanced) < 2 or not all(len(side) for side in sides) or balanced.std() == 0:
        return SHARP_MLP.missing("there is not every kind of string among those that start open")
    apart = min(((side.mean() - balanced.mean()) / balanced.std()).item() for side in sides)
    return SHARP_MLP.found(apart, apart >= SHARP)


def _norms(subject: Subject) -> Table:
    """How linear each norm on the way is, at the one position that matters and over all."""
    assert subject.elevation.head is not None
    assert subject.input_fit is not None
    head, last = Head.parse(subject.elevation.head), subject.model.config.n_layers - 1
    some = subject.examples[:FITTED]
    stream = values_at(subject.model, some, f"blocks.{last}.hook_resid_post")
    everywhere = fit_norm(subject.model.ln_final, stream).r2
    before = attention_norm_fit(subject.model, some, head.layer, None).r2
    rows: list[tuple[str, str, float | None, float]] = [
        ("final norm", f"position {subject.answer}", subject.seen.fit.r2, everywhere),
        (f"before head {head}", f"position {subject.read}", subject.input_fit.r2, before),
    ]
    if subject.tally.tally is not None:
        rows.append((f"before head {subject.tally.tally.head}", "–", None, subject.tally.tally.r2))
    return Table(
        ("norm", "at", "r² there", "r² over all positions"),
        tuple(rows),
        f"Share of variance (over all positions: of the first {len(some):,} strings) that one linear "
        "map explains of each norm that a direction is taken through. "
        "The direction "
        f"before head {head} went through two: their product is "
        f"{subject.input_fit.r2 * subject.seen.fit.r2:.3f}.",
    )


def _figures(subject: Subject) -> tuple[Illustration, ...]:
    assert subject.pushed is not None
    config = subject.model.config
    columns = min(5, config.n_heads + (1 if config.d_mlp else 0))
    panels = contribution_histograms(histograms(subject.pushed, subject.seen.groups), columns)
    found = [
        Illustration(
            panels,
            f"What each component contributes at position {subject.read} along the direction before head "
            f"{subject.elevation.head}. Each line is the share of one kind of input; the height of each "
            "panel "
            "is its own.",
        )
    ]
    if subject.mlps:
        drawn = slice(MOST_POINTS)
        values = {f"MLP {i}": subject.pushed[f"MLP {i}"][subject.opens][drawn].numpy() for i in subject.mlps}
        masks = {name: mask.numpy() for name, mask in present(subject.opening_groups, drawn).items()}
        share = subject.opening.concepts["open_proportion"][drawn].numpy()
        axes = SHARE, f"through head {subject.elevation.head}, towards “unbalanced” (logits)"
        found.append(
            Illustration(
                against_share(values, share, masks, axes),
                "What each MLP contributes there against the share of “(”, for strings that start with "
                "“(”. A sharp "
                "dip at one half is a test for equality.",
            )
        )
    return tuple(found)
