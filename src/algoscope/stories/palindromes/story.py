"""The published analysis of the ARENA challenge of July 2023, put to any palindrome classifier.

It names heads of one model; here they are found by what they do, and the questions go on where it stops.
"""

from __future__ import annotations

from algoscope.stories.palindromes import (
    adversarial,
    circuits,
    constant,
    matching,
    pairs,
    program,
    reading,
    weights,
)
from algoscope.stories.palindromes.subject import TEXT
from algoscope.stories.story import Story, Wording

STORY = Story(
    TEXT,
    questions=(
        weights.processing,
        reading.reading_head,
        matching.matching_head,
        matching.finding_mirrors,
        circuits.composing,
        reading.attention,
        reading.asking,
        circuits.through,
        circuits.outputs,
        pairs.readers,
        constant.constant_head,
        pairs.weakness,
        adversarial.published,
        adversarial.guided,
        program.program,
    ),
    wordings={"loss": Wording("this model was trained for long enough to get loss close to zero")},
)
"""In the order of the argument: the published analysis first, then what it leaves open."""
