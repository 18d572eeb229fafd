"""The study of a balanced-bracket classifier: ordered questions, each with its findings.

Follows ARENA 1.5.1 and goes on where it stops, but finds heads by what they do, so that it can be asked of
any seed.
"""

from __future__ import annotations

from algoscope.studies import generic
from algoscope.studies.brackets.before import before_elevation
from algoscope.studies.brackets.circuit import circuit
from algoscope.studies.brackets.deciding import deciding_heads, elevation_attention
from algoscope.studies.brackets.fooling import fooling
from algoscope.studies.brackets.negative import first_bracket, negative
from algoscope.studies.brackets.neurons import neurons
from algoscope.studies.brackets.patterns import patterns
from algoscope.studies.brackets.subject import Subject
from algoscope.studies.brackets.tally import tally_attention
from algoscope.studies.brackets.tally_writes import tally_writes
from algoscope.studies.observed import Observed
from algoscope.studies.study import Section
from algoscope.studies.tested import TEXT


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
