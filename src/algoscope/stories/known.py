"""Which text has been written about models of this task?"""

from __future__ import annotations

from collections.abc import Mapping

from algoscope.errors import UserError
from algoscope.stories.brackets.story import STORY as BRACKETS
from algoscope.stories.palindromes.story import STORY as PALINDROMES
from algoscope.stories.story import Story
from algoscope.tasks.task import Task

STORIES: Mapping[str, Story] = {"brackets": BRACKETS, "palindromes": PALINDROMES}
"""By the name of the task, for those that come with algoscope."""


def story_of(task: Task) -> Story | None:
    """The task's own story, or the one that comes with algoscope. Raises UserError for one that is none."""
    story = task.story
    if story is None:
        return STORIES.get(task.name)
    if not isinstance(story, Story):
        raise UserError(
            f"the story of {task.name} is {type(story).__name__}: give an algoscope.stories.story.Story"
        )
    return story
