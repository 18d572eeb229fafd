"""What every task's model is asked, in the order of a reader's questions."""

from __future__ import annotations

from collections.abc import Callable

from algoscope.questions.accuracy import accuracy
from algoscope.questions.alone import alone
from algoscope.questions.attribution import attribution
from algoscope.questions.composition import composition
from algoscope.questions.decomposition import decomposition
from algoscope.questions.edges import edges
from algoscope.questions.edges_alone import edges_alone
from algoscope.questions.explained import explained
from algoscope.questions.fooling import fooling
from algoscope.questions.inputs import inputs
from algoscope.questions.jointly import jointly
from algoscope.questions.looks import looks
from algoscope.questions.needed import needed
from algoscope.questions.neurons import neurons
from algoscope.questions.reads import reads
from algoscope.questions.seen import Seen
from algoscope.questions.study import Section
from algoscope.questions.weak_spots import weak_spots

Question = Callable[[Seen], Section]
"""From what a model did to what was asked of it, found and drawn. Never knows of reports, or of a task."""

OPENING: tuple[Question, ...] = (explained, accuracy, decomposition)
"""How does it do the task, does it, and may it be taken apart? A text's own questions come after these."""

ANATOMY: tuple[Question, ...] = (
    attribution,
    needed,
    inputs,
    jointly,
    looks,
    reads,
    composition,
    neurons,
    edges,
    edges_alone,
    alone,
    fooling,
    weak_spots,
)
"""Which parts do the work, what does each read and write, and where does it fail?"""

STANDARD = (*OPENING, *ANATOMY)
