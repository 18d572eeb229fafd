"""The study of a balanced-bracket classifier: ordered questions, each with its findings.

Follows ARENA 1.5.1 and goes on where it stops, but finds heads by what they do, so that it can be asked of
any seed.
"""

from __future__ import annotations

from algoscope.questions import generic
from algoscope.questions.seen import Observed
from algoscope.questions.study import Section
from algoscope.questions.tested import TEXT
from algoscope.stories.brackets.before import before_elevation
from algoscope.stories.brackets.circuit import circuit
from algoscope.stories.brackets.deciding import deciding_heads, elevation_attention
from algoscope.stories.brackets.fooling import fooling
from algoscope.stories.brackets.negative import first_bracket, negative
from algoscope.stories.brackets.neurons import neurons
from algoscope.stories.brackets.patterns import patterns
from algoscope.stories.brackets.subject import Subject
from algoscope.stories.brackets.tally import tally_attention
from algoscope.stories.brackets.tally_writes import tally_writes


def questions(seen: Observed, seed: int) -> tuple[Section, ...]:
    """The study's sections, in the order of the argument."""
    subject = Subject(seen, seed)
    return (
        generic.accuracy(seen, TEXT),
        generic.decomposition(seen, TEXT),
        deciding_heads(subject),
        elevation_attention(subject),
        before_elevation(subject),
        neurons(subject),
        tally_attention(subject),
        tally_writes(subject),
        circuit(subject),
        negative(subject),
        first_bracket(subject),
        fooling(subject),
        patterns(subject),
    )
