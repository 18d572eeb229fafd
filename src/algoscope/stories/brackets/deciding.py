"""Which heads reject a string, for which fault, and where do they look?"""

from __future__ import annotations

from algoscope.figures.attention import attention_bars
from algoscope.figures.scatter import two_heads
from algoscope.figures.shares import against_share
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Mean
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head
from algoscope.questions import generic
from algoscope.questions.roles import EXPECTED, Role
from algoscope.questions.study import Finding, Illustration, Section
from algoscope.questions.tested import TEXT, Claim
from algoscope.stories.brackets.subject import LEAST_ATTENTION, NO_ELEVATION, Subject, present

MOST_ELSEWHERE = 0.05
"""What "about 0" may mean of one position's attention: less than twice an even share of 42 positions."""
ABLATED = 400
"""Strings for an ablation: its share is then known to a few per cent."""
MOST_POINTS = 1500
"""As many as a browser draws without delay, and as an eye can tell apart."""
SHARE = "share of “(” among the brackets"
TOWARDS = "towards “unbalanced” (logits)"


def deciding_heads(subject: Subject) -> Section:
    """Which heads reject a string, and for which of its two possible faults?"""
    elevation, negative = subject.elevation, subject.negative
    same = ""
    if elevation.head and elevation.head == negative.head:
        same = f" Here one head, {elevation.head}, is the strongest for both faults."
    return Section(
        "deciding-heads",
        "Which heads reject a string, and for which of its two faults?",
        "A string read from the right fails in two ways: its total elevation is not zero (as many “(” as "
        "“)” are needed), or some suffix has negative elevation (a “(” that nothing to its right closes). "
        f"Each component's output at {subject.seen.where} is measured along the direction that speaks for "
        "“unbalanced”, brought in front of the final norm by the linear map; zero is the mean over "
        "balanced strings. The elevation head is the head that pushes strings with only the first fault "
        "furthest, the negative head likewise for only the second." + same,
        (
            _role("elevation-head", "that the numbers of “(” and “)” differ", elevation),
            _role("negative-head", "that some suffix holds more “(” than “)”", negative),
            _ablated(subject),
        ),
        generic.contribution_figures(subject.seen) + _scatters(subject),
    )


READS_ONE = Claim(
    "elevation-head-attention",
    "From the answer's position, the elevation head reads mostly one position.",
    "attention",
    f"at least {LEAST_ATTENTION:g}, so more than to all other positions together",
    "an average attention of around 0.5 on position 1",
)
ELSEWHERE = Claim(
    "elevation-head-attention-elsewhere",
    "The elevation head gives each other position hardly any attention.",
    "attention, largest at another position",
    f"at most {MOST_ELSEWHERE:g}: “about 0”",
    "an average of about 0 for all other tokens",
)
ALL_ELSEWHERE = Claim(
    "elevation-head-attention-rest",
    "All other positions together get next to none of the elevation head's attention.",
    "attention, all other positions together",
    "at most 0.1: what is said to move is then nine tenths of what moves",
    "So 2.0 is just moving information from residual stream 1 to residual stream 0",
)
STARTS_CLOSED = Claim(
    "elevation-head-attention-starts-closed",
    "The elevation head reads that position less in strings that start with “)”.",
    "attention",
    "at most half of what it gives it in strings that start with “(”",
    "the model actually deals with bracket strings that open with a right paren slightly differently",
)


def elevation_attention(subject: Subject) -> Section:
    """Where does the elevation head look?"""
    text = (
        f"What a head adds at {subject.seen.where} is carried there from the positions that it attends to. A "
        "string that starts with “)” is wrong whatever follows, so only strings that start with “(” are "
        "averaged. If the head reads one position, then what it says about the whole string stands there "
        "already, written by earlier layers."
    )
    question = "Where does the elevation head look?"
    if subject.attention is None or subject.read is None:
        reason = NO_ELEVATION if subject.elevation.head is None else "no string starts with “(”"
        findings = tuple(
            claim.missing(reason) for claim in (READS_ONE, ELSEWHERE, ALL_ELSEWHERE, STARTS_CLOSED)
        )
        return Section("elevation-attention", question, text, findings)
    mean, read = subject.attention[subject.opens].mean(0), subject.read
    value, others = mean[read].item(), mean.clone().index_fill(0, mean.argmax(), 0)
    place = int(others.argmax())
    claim = (
        f"From {subject.seen.where}, head {subject.elevation.head} reads mostly one position, {read}: "
        f"{value:.3f} of its attention over the {len(subject.opening):,} strings that start open."
    )
    chart = attention_bars(mean.numpy(), subject.answer, read, "strings that start open")
    caption = f"Mean attention of head {subject.elevation.head} from {subject.seen.where} to each position."
    findings = (
        READS_ONE.found(value, value >= LEAST_ATTENTION, claim),
        ELSEWHERE.found(
            others.max().item(),
            others.max().item() <= MOST_ELSEWHERE,
            f"Head {subject.elevation.head} gives each other position hardly any attention: at most "
            f"{others.max().item():.3f}, to position {place}.",
        ),
        ALL_ELSEWHERE.found(others.sum().item(), others.sum().item() <= 0.1),
        _starts_closed(subject, STARTS_CLOSED, value),
    )
    return Section("elevation-attention", question, text, findings, (Illustration(chart, caption),))


def _starts_closed(subject: Subject, claim: Claim, opening: float) -> Finding:
    if subject.attention is None or subject.read is None or subject.opens.all():
        return claim.missing("no string starts with “)”")
    value = subject.attention[~subject.opens, subject.read].mean().item()
    return claim.found(value, value <= opening / 2)


def _role(identity: str, fault: str, role: Role) -> Finding:
    claim = f"One head rejects strings whose only fault is {fault}."
    if role.head:
        claim = (
            f"Head {role.head} rejects strings whose only fault is {fault}: it pushes them towards "
            f"“unbalanced” by {role.push:.2f} logits on average, more than any other head."
        )
    holds = None if role.push is None else role.head is not None
    return Finding(identity, claim, role.head, "head", EXPECTED, holds, TEXT, role.reason)


def _ablated(subject: Subject) -> Finding:
    """Is the head responsible, or only the largest of several?"""
    claim = Claim(
        "elevation-head-ablation",
        "Without the elevation head, the model accepts strings whose only fault is their total elevation.",
        "share of such strings that are still rejected",
        "at most 0.5",
        "2.0 seems to be largely responsible for classifying brackets as unbalanced when they have "
        "non-zero net "
        "elevation",
    )
    some = subject.opening[subject.opening_groups["only total elevation"]][:ABLATED]
    balanced = subject.examples.tokens[subject.examples.labels == 1][:ABLATED]
    if subject.elevation.head is None or not len(some) or not len(balanced):
        return claim.missing(subject.elevation.reason or "no such string starts open")
    head = Head.parse(subject.elevation.head)
    source = Mean(per="position", over=balanced)
    without = sweep(subject.model, some, [Intervention(head.site("hook_z"), source, head=head.index)])
    value = without.values[0].argmax(-1).eq(0).double().mean().item()
    said = f"With head {head} at its mean over balanced strings, the model still rejects"
    return claim.found(
        value, value <= 0.5, f"{said} {value:.2f} of strings whose only fault is total elevation."
    )


def _scatters(subject: Subject) -> tuple[Illustration, ...]:
    """One head against the other, and each against the share; none unless there are two different ones."""
    seen, elevation, negative = subject.seen, subject.elevation.head, subject.negative.head
    if seen.pushed is None or not (elevation and negative) or elevation == negative:
        return ()
    drawn = slice(MOST_POINTS)
    one, other = seen.pushed[elevation][drawn].numpy(), seen.pushed[negative][drawn].numpy()
    masks = {name: mask.numpy() for name, mask in present(seen.row_groups, drawn).items()}
    names = f"elevation head {elevation}", f"negative head {negative}"
    first = min(MOST_POINTS, len(seen.examples))
    against = two_heads(one, other, masks, (f"{names[0]}: {TOWARDS}", f"{names[1]}: {TOWARDS}"))
    share = seen.examples.concepts["open_proportion"][drawn].numpy()
    by_share = against_share({names[0]: one, names[1]: other}, share, masks, (SHARE, TOWARDS))
    return (
        Illustration(
            against,
            f"What head {elevation} contributes against what head {negative} does: a point for each of the "
            f"first {first:,} strings. Balanced strings lie around zero; each fault moves a string away from "
            "there in its own direction.",
        ),
        Illustration(
            by_share,
            "The same contributions against the share of “(”. A string can only be balanced where the "
            "share is "
            "one half (dotted).",
        ),
    )
