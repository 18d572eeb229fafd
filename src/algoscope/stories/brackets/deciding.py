"""Which heads reject a string, for which of its two faults, and where does the elevation head look?"""

from __future__ import annotations

from algoscope.figures.attention import attention_bars
from algoscope.figures.scatter import two_heads
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.sources import Mean
from algoscope.interventions.sweep import sweep
from algoscope.model.component import Component
from algoscope.questions.bound import Exists, at_least, at_most
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.roles import CRITERION, Role
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section
from algoscope.stories.brackets.subject import MOST_POINTS, TEXT, Reader, Subject, points, subject_of

ABLATED = 400
"""Strings for an ablation: its share is then known to a few per cent."""

# fmt: off
ELEVATION = Claim(
    "elevation-head", "One head rejects strings whose only fault is that the numbers of “(” and “)” differ.",
    "head", Exists(CRITERION), TEXT)
NEGATIVE = Claim(
    "negative-head", "One head rejects strings whose only fault is that some suffix holds more “(” than “)”.",
    "head", Exists(CRITERION), TEXT)
ABLATION = Claim(
    "elevation-head-ablation",
    "Without the elevation head, the model accepts strings whose only fault is their total elevation.",
    "share of such strings that are still rejected", at_most(0.5), TEXT,
    "Head 2.0 copies this signal to residual stream 0, where it then goes through the classifier and leads "
    "to a classification as unbalanced")
READS_ONE = Claim(
    "elevation-head-attention", "From the answer's position, the elevation head reads mostly one position.",
    "attention, mean over strings that start with “(”",
    at_least(0.5, "more than to all other positions together"), TEXT,
    "an average attention of around 0.5 on position 1")
ELSEWHERE = Claim(
    "elevation-head-attention-elsewhere",
    "The elevation head gives each other position hardly any attention.",
    "attention, largest at another position",
    at_most(0.05, "less than twice an even share of 42 positions"), TEXT,
    "an average of about 0 for all other tokens")
REST = Claim(
    "elevation-head-attention-rest",
    "All other positions together get next to none of the elevation head's attention.",
    "attention, all other positions together",
    at_most(0.1, "what is said to move is then nine tenths of what moves"), TEXT,
    "So 2.0 is just moving information from residual stream 1 to residual stream 0")
STARTS_CLOSED = Claim(
    "elevation-head-attention-starts-closed",
    "In strings that start with “)”, the elevation head reads that position much less.",
    "times the attention that it gives it in strings that start with “(”", at_most(0.5), TEXT,
    "the model actually deals with bracket strings that open with a right paren slightly differently")
# fmt: on


def deciding_heads(seen: Seen) -> Section:
    """Which heads reject a string, and for which of its two faults?"""
    subject = subject_of(seen)
    elevation, negative = subject.elevation.head, subject.negative.head
    one = f" Here one head, {elevation}, is the strongest for both faults."
    return Section(
        "deciding-heads",
        "Which heads reject a string, and for which of its two faults?",
        "A string read from the right fails in two ways: its total elevation is not zero (as many “(” as “)” "
        "are needed), or some suffix has negative elevation (a “(” that nothing to its right closes). Each "
        f"component's output at {seen.where} is measured along the direction that speaks for “unbalanced”, "
        "brought in front of the final norm by a linear map; zero is the mean over balanced strings. The "
        "elevation head is the head that pushes strings with only the first fault furthest, the negative "
        "head likewise for only the second." + (one if elevation and elevation == negative else ""),
        (_role(ELEVATION, subject.elevation), _role(NEGATIVE, subject.negative), _ablated(subject)),
        _scatter(subject),
    )


def _role(claim: Claim, role: Role) -> Finding:
    if role.push is None:
        return claim.missing(role.reason)
    if role.head is None:
        return claim.measured("", role.reason)
    return claim.measured(str(role.head), f"head {role.head} pushes such strings by {role.push:.2f} logits")


def _ablated(subject: Subject) -> Finding:
    """Is the head responsible, or only the largest of several?"""
    some = subject.opening[subject.opening_groups["only total elevation"]][:ABLATED]
    head = subject.elevation.head
    if head is None or not len(some):
        return ABLATION.missing(subject.elevation.reason or "no such string starts with “(”")
    balanced = subject.examples.tokens[subject.examples.labels == 1][:ABLATED]
    ablated = Intervention(head.site("hook_z"), Mean(per="position", over=balanced), head=head.index)
    rejected = sweep(subject.model, some, [ablated]).values[0].argmax(-1).eq(0).double().mean().item()
    said = f"with head {head} at its mean over balanced strings, {rejected:.2f} of {len(some)} are rejected"
    return ABLATION.measured(rejected, said)


def _scatter(subject: Subject) -> tuple[Illustration, ...]:
    """One head against the other; none unless there are two different ones."""
    pushed, elevation, negative = subject.seen.pushed, subject.elevation.head, subject.negative.head
    if pushed is None or elevation is None or negative is None or elevation == negative:
        return ()
    one, other = (pushed[Component.of(head)][:MOST_POINTS].numpy() for head in (elevation, negative))
    labels = (
        f"head {elevation} towards “unbalanced” (logits)",
        f"head {negative} towards “unbalanced” (logits)",
    )
    caption = (
        f"What head {elevation} contributes against what head {negative} does: a point for each of the first "
        f"{len(one):,} strings. Balanced strings lie around zero; each fault moves a string away from there."
    )
    return (Illustration(two_heads(one, other, points(subject.groups), labels), caption),)


def elevation_attention(seen: Seen) -> Section:
    """Where does the elevation head look?"""
    subject, question = subject_of(seen), "Where does the elevation head look?"
    text = (
        f"What a head adds at {seen.where} is carried there from the positions that it attends to. A string "
        "that starts with “)” is wrong whatever follows, so only strings that start with “(” are averaged. "
        "If the head reads one position, then what it says about the whole string stands there already, "
        "written by earlier layers."
    )
    found, claims = subject.reader, (READS_ONE, ELSEWHERE, REST, STARTS_CLOSED)
    if found is None:
        return Section("elevation-attention", question, text, all_missing(claims, subject.no_reader))
    mean, answer = found.attention[subject.opens].mean(0), int(seen.kept.answer_positions[0])
    chart = attention_bars(mean.numpy(), answer, found.read, "strings that start open")
    caption = f"Mean attention of head {found.head} from {seen.where} to each position."
    most, others = mean[found.read].item(), mean.clone().index_fill(0, mean.argmax(), 0)
    said = f"head {found.head} gives position {found.read} {most:.3f}, over {len(subject.opening):,} strings"
    findings = (
        READS_ONE.measured(most, said),
        ELSEWHERE.measured(others.max().item(), f"position {int(others.argmax())} gets {others.max():.3f}"),
        REST.measured(others.sum().item(), f"{others.sum():.3f} goes elsewhere"),
        _starts_closed(subject, found, most),
    )
    return Section("elevation-attention", question, text, findings, (Illustration(chart, caption),))


def _starts_closed(subject: Subject, found: Reader, opening: float) -> Finding:
    if subject.opens.all():
        return STARTS_CLOSED.missing("no string starts with “)”")
    closed = found.attention[~subject.opens, found.read].mean().item()
    return STARTS_CLOSED.measured(closed / opening, f"{closed:.3f}, against {opening:.3f}")
