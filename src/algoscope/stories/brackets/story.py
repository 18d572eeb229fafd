"""ARENA 1.5.1, "Understanding the total elevation circuit", put to the test, and where it stops, carried on.

Heads are found by what they do, so that any seed can be asked.
"""

from __future__ import annotations

from algoscope.stories.brackets.before import before_elevation
from algoscope.stories.brackets.circuit import circuit
from algoscope.stories.brackets.deciding import deciding_heads, elevation_attention
from algoscope.stories.brackets.first_bracket import first_bracket
from algoscope.stories.brackets.negative import negative
from algoscope.stories.brackets.nests import nests
from algoscope.stories.brackets.neurons import neurons
from algoscope.stories.brackets.subject import TEXT
from algoscope.stories.brackets.tally_attention import tally_attention
from algoscope.stories.brackets.tally_writes import tally_writes
from algoscope.stories.story import Story

STORY = Story(
    TEXT,
    questions=(
        deciding_heads,
        elevation_attention,
        before_elevation,
        neurons,
        tally_attention,
        tally_writes,
        circuit,
        negative,
        first_bracket,
        nests,
    ),
)
