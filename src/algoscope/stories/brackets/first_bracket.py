"""What rejects a string that starts with a closing bracket?"""

from __future__ import annotations

from algoscope.analysis.attention import attention_from
from algoscope.figures.bars import grouped_bars
from algoscope.interventions.families import heads
from algoscope.interventions.sources import FromRun
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head, every_head
from algoscope.questions.bound import Exists, at_least
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section
from algoscope.stories.brackets.pairs import first_turned
from algoscope.stories.brackets.subject import Subject, subject_of
from algoscope.tasks.task import Examples

PAIRS = 96
HALF = 0.5

# fmt: off
FIRST = Claim(
    "first-bracket-head", "One head rejects strings that start with “)”.", "head",
    Exists("its output from the string with “()” in front makes the model accept half of those with “)(”"))
READS = Claim(
    "first-bracket-head-attention", "That head reads the first bracket.",
    "attention from the answer’s position to the first bracket", at_least(0.5))
# fmt: on
TEXT_ABOVE = (
    "A string that starts with “)” is wrong whatever follows. To see which head notices, balanced strings "
    "are put behind “)(” and behind “()”: the two differ in their first brackets only. Each head’s output on "
    "the second is patched into the run on the first; the head that moves them furthest towards “balanced” "
    "is the one that had rejected them."
)


def first_bracket(seen: Seen) -> Section:
    """Which head rejects a string that starts with a closing bracket?"""
    subject, question = subject_of(seen), "What rejects a string that starts with “)”?"
    pairs = first_turned(subject.examples, PAIRS)
    if pairs is None:
        missing = all_missing((FIRST, READS), "no balanced string is short enough")
        return Section("first-bracket", question, TEXT_ABOVE, missing)
    wrong, right = pairs
    found = sweep(subject.model, wrong, heads(subject.model.config, FromRun(right.tokens)))
    margin = found.values[..., 0] - found.values[..., 1]
    drop = ((found.clean[:, 0] - found.clean[:, 1]).mean() - margin.mean(1)).cpu()
    best, names = int(drop.argmax()), every_head(subject.model.config)
    rejected, accepted = found.clean.argmax(-1).eq(0), found.values[best].argmax(-1).eq(1)
    shares = rejected.double().mean().item(), accepted.double().mean().item()
    bars = grouped_bars(
        {"logits towards “balanced”": drop.tolist()},
        [f"head {name}" for name in names],
        "logits towards “balanced”",
    )
    caption = f"How far each head’s output on “()…”, patched into “)(…”, moves {len(wrong)} strings."
    findings = _findings(subject, names[best], wrong, *shares)
    return Section("first-bracket", question, TEXT_ABOVE, findings, (Illustration(bars, caption),))


def _findings(
    subject: Subject, head: Head, wrong: Examples, rejected: float, accepted: float
) -> tuple[Finding, ...]:
    """Which head it is, if the model rejects such strings and accepts them with that head's other output."""
    said = f"with head {head} patched, the model accepts {accepted:.2f} of {len(wrong)} strings"
    if rejected < HALF:
        said = f"the model rejects only {rejected:.2f} of {len(wrong)} strings with “)(” in front"
    if rejected < HALF or accepted < HALF:
        return FIRST.measured("", said), READS.missing(f"there is no such head: {said}")
    attention = attention_from(subject.model, wrong, head, wrong.answered)[:, 1].mean().item()
    return FIRST.measured(str(head), said), READS.measured(attention, f"head {head} to position 1")
