"""What every task's model is asked, in the order of a reader's questions."""

from __future__ import annotations

from collections.abc import Callable

from algoscope.questions.seen import Seen
from algoscope.questions.study import Section

Question = Callable[[Seen], Section]
"""From what a model did to what was asked of it, found and drawn. Never knows of reports, or of a task."""

OPENING: tuple[Question, ...] = ()
"""Does it do the task, and may it be taken apart? A text's own questions come after these."""

ANATOMY: tuple[Question, ...] = ()
"""Which parts do the work, what does each read and write, and where does it fail?"""

STANDARD = (*OPENING, *ANATOMY)
