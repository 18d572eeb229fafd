"""The study of a balanced-bracket classifier: ordered questions, each with its findings.

Follows ARENA 1.5.1, but finds the heads by what they do, so that it can be asked of any seed.
"""

from __future__ import annotations

from algoscope.analysis.attention import attention_from
from algoscope.figures.attention import attention_bars
from algoscope.figures.scatter import two_heads
from algoscope.studies import generic
from algoscope.studies.observed import Observed
from algoscope.studies.roles import EXPECTED, Role, strongest_head
from algoscope.studies.study import Finding, Illustration, Section

SOURCE = "ARENA 1.5.1"
LEAST_ATTENTION = 0.5
"""More than to all other positions together."""
MOST_POINTS = 2000
"""As many as a browser draws without delay, and as an eye can tell apart."""


def questions(seen: Observed, seed: int) -> tuple[Section, ...]:
    """The study's sections, in the order of the argument."""
    groups = seen.row_groups
    elevation = strongest_head(seen.pushed, groups["only total elevation"], "only total elevation")
    negative = strongest_head(seen.pushed, groups["only negative"], "only negative")
    return (
        generic.accuracy(seen, SOURCE),
        generic.decomposition(seen, SOURCE),
        deciding_heads(seen, elevation, negative),
        elevation_attention(seen, elevation),
    )


def deciding_heads(seen: Observed, elevation: Role, negative: Role) -> Section:
    """Which heads reject a string, and for which of its two possible faults?"""
    findings = (
        _role("elevation-head", "that the numbers of “(” and “)” differ", elevation),
        _role("negative-head", "that some suffix holds more “(” than “)”", negative),
    )
    same = ""
    if elevation.head and elevation.head == negative.head:
        same = f" Here one head, {elevation.head}, is the strongest for both faults."
    return Section(
        "deciding-heads",
        "Which heads reject a string, and for which of its two faults?",
        "A string read from the right fails in two ways: its total elevation is not zero (as many “(” as "
        "“)” are needed), or some suffix has negative elevation (a “(” that nothing to its right closes). "
        f"Each component's output at {seen.where} is measured along the direction that speaks for "
        "“unbalanced”, brought in front of the final norm by the linear map; zero is the mean over "
        "balanced strings. The elevation head is the head that pushes strings with only the first fault "
        "furthest, the negative head likewise for only the second." + same,
        findings,
        generic.contribution_figures(seen) + _scatter(seen, elevation, negative),
    )


def elevation_attention(seen: Observed, elevation: Role) -> Section:
    """Where does the elevation head look?"""
    question = "Where does the elevation head look?"
    text = (
        f"What a head adds at {seen.where} is carried there from the positions that it attends to. A string "
        "that starts with “)” is wrong whatever follows, so only strings that start with “(” are averaged. "
        "If the head reads one position, then what it says about the whole string stands there already, "
        "written by earlier layers."
    )
    open_first = seen.examples[seen.examples.concepts["starts_open"]]
    if elevation.head is None or not len(open_first):
        reason = "no elevation head was found" if elevation.head is None else "no string starts with “(”"
        return Section("elevation-attention", question, text, (_attention(None, "", reason),))
    assert isinstance(seen.task.answer, int), "brackets have one answer"
    mean = attention_from(seen.model, open_first, elevation.head, seen.task.answer).mean(0)
    most = int(mean.argmax())
    claim = (
        f"From {seen.where}, head {elevation.head} reads mostly one position, {most}: {mean[most]:.3f} of "
        f"its attention over the {len(open_first):,} strings that start open."
    )
    chart = attention_bars(mean.numpy(), seen.task.answer, most, "strings that start open")
    caption = f"Mean attention of head {elevation.head} from {seen.where} to each position."
    finding = _attention(mean[most].item(), claim)
    return Section("elevation-attention", question, text, (finding,), (Illustration(chart, caption),))


def _role(identity: str, fault: str, role: Role) -> Finding:
    claim = f"One head rejects strings whose only fault is {fault}."
    if role.head:
        claim = (
            f"Head {role.head} rejects strings whose only fault is {fault}: it pushes them towards "
            f"“unbalanced” by {role.push:.2f} logits on average, more than any other head."
        )
    holds = None if role.push is None else role.head is not None
    return Finding(identity, claim, role.head, "head", EXPECTED, holds, SOURCE, role.reason)


def _attention(value: float | None, claim: str, reason: str = "") -> Finding:
    return Finding(
        "elevation-head-attention",
        claim or "From the answer's position, the elevation head reads mostly one position.",
        value,
        "attention",
        f"at least {LEAST_ATTENTION:g}, so more than to all other positions together",
        None if value is None else value >= LEAST_ATTENTION,
        SOURCE,
        reason,
    )


def _scatter(seen: Observed, elevation: Role, negative: Role) -> tuple[Illustration, ...]:
    """One head against the other; none unless there are two different ones."""
    if seen.pushed is None or not (elevation.head and negative.head) or elevation.head == negative.head:
        return ()
    drawn = slice(MOST_POINTS)
    chart = two_heads(
        seen.pushed[elevation.head][drawn].numpy(),
        seen.pushed[negative.head][drawn].numpy(),
        {name: mask[drawn].numpy() for name, mask in seen.row_groups.items() if mask[drawn].any()},
        (
            f"elevation head {elevation.head}: towards “unbalanced” (logits)",
            f"negative head {negative.head}: towards “unbalanced” (logits)",
        ),
    )
    caption = (
        f"What head {elevation.head} contributes against what head {negative.head} does: a point for each of "
        f"the first {min(MOST_POINTS, len(seen.examples)):,} strings. Balanced strings lie around zero; each "
        "fault moves a string away from there in its own direction."
    )
    return (Illustration(chart, caption),)
