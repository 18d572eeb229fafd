"""The study of a palindrome classifier: ordered questions, each with its findings.

Follows the published analysis of the ARENA challenge of July 2023, but finds the heads by what they do, so
that it can be asked of any model, and goes on where it stops.
"""

from __future__ import annotations

from algoscope.questions import generic
from algoscope.questions.seen import Observed
from algoscope.questions.study import Section
from algoscope.stories.palindromes import (
    ablations,
    adversarial,
    attribution,
    circuits,
    composing,
    constant,
    faithful,
    matching,
    pairs,
    paths,
    performance,
    program,
    reading,
)
from algoscope.stories.palindromes.subject import TEXT, subject

QUESTIONS = (
    performance.performance,
    performance.processing,
    attribution.attribution,
    matching.matching_head,
    matching.token_circuit,
    matching.position_circuit,
    matching.repeated,
    composing.composing,
    reading.attention,
    reading.asking,
    circuits.key_circuit,
    circuits.value_circuit,
    circuits.outputs,
    ablations.head_ablations,
    ablations.qkv_ablations,
    pairs.readers,
    constant.constant_head,
    pairs.weakness,
    adversarial.published,
    adversarial.searched,
    program.program,
    faithful.circuit,
    paths.paths,
)
"""In the order of the argument: the published analysis first, then what it leaves open."""


def questions(seen: Observed, seed: int) -> tuple[Section, ...]:
    """The study's sections."""
    studied = subject(seen, seed)
    sections = [question(studied) for question in QUESTIONS]
    sections.insert(2, generic.decomposition(studied.seen, TEXT))
    return tuple(sections)
