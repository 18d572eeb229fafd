"""What every task's model is asked, in the order of a reader's questions."""

from __future__ import annotations

from collections.abc import Callable

from algoscope.questions.accuracy import accuracy
from algoscope.questions.attribution import attribution
from algoscope.questions.decomposition import decomposition
from algoscope.questions.edges import edges
from algoscope.questions.fooling import fooling
from algoscope.questions.neurons import neurons
from algoscope.questions.seen import Seen
from algoscope.questions.study import Section
from algoscope.questions.weak_spots import weak_spots

Question = Callable[[Seen], Section]
"""From what a model did to what was asked of it, found and drawn. Never knows of reports, or of a task."""

OPENING: tuple[Question, ...] = (accuracy, decomposition)
"""Does it do the task, and may it be taken apart? A text's own questions come after these."""

ANATOMY: tuple[Question, ...] = (attribution, neurons, edges, fooling, weak_spots)
"""Which parts do the work, what does each read and write, and where does it fail?"""

STANDARD = (*OPENING, *ANATOMY)
