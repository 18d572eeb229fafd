"""Put to a model what every task is asked, and what a text about its task asks beyond that."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace

import torch

import algoscope
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.questions.claim import Finding
from algoscope.questions.seen import Seen, see
from algoscope.questions.standard import ANATOMY, OPENING, Question
from algoscope.questions.study import Section, Study
from algoscope.stories.known import story_of
from algoscope.stories.story import Story
from algoscope.tasks.task import Examples, Task

UNTRAINED = 200
"""Examples that an untrained model is asked on: its verdicts are far from every bound, or worth little."""

Tell = Callable[[str], None]
"""Called with what is being done, before it is done."""


def run_study(
    checkpoint: Checkpoint,
    task: Task,
    examples: Examples,
    seed: int = 0,
    source: str | None = None,
    tell: Tell = lambda doing: None,
) -> Study:
    """The study of this model on these examples: standard questions, and those of a text about the task.

    An untrained model of the same shape is asked the same, so that each finding knows whether it says
    anything about training. `source` says where the examples come from; by default, that the task sampled
    them with `seed`. The same arguments give the same findings. Raises UserError for too few examples.
    """
    seen, story = see(checkpoint.model, task, examples, seed), story_of(task)
    sections = _asked(seen, story, tell)
    control = see(_untrained(checkpoint.model, seed), task, examples[:UNTRAINED], seed)
    beside = _asked(control, story, lambda doing: tell(f"{doing} (of an untrained model)"))
    return Study(
        title=f"How the model {checkpoint.name} does the task {task.name}",
        task=task.name,
        model={
            "name": checkpoint.name,
            "config": checkpoint.model.config.to_dict(),
            "training": dict(checkpoint.training) or None,
            "inferred": [asdict(inference) for inference in checkpoint.inferred],
        },
        data={
            "source": source or f"sampled by the task with seed {seed}",
            "count": len(examples),
            "kept": len(seen.kept),
            "groups": {name: int(mask.sum()) for name, mask in seen.groups.items()},
        },
        seed=seed,
        versions={
            "algoscope": algoscope.__version__,
            "torch": str(torch.__version__),
            "python": platform.python_version(),
        },
        sections=_compared(sections, beside),
    )


def _asked(seen: Seen, story: Story | None, tell: Tell) -> tuple[Section, ...]:
    """Every section: the standard opening, the text's own, the rest of the standard ones."""
    own = story.questions if story else ()
    found = []
    for question in (*OPENING, *own, *ANATOMY):
        tell(_named(question))
        section = question(seen)
        found.append(story.told(section) if story and question not in own else section)
    _refuse_twice("section", [section.id for section in found])
    _refuse_twice("finding", [each.id for section in found for each in (*section.findings, *section.checks)])
    return tuple(found)


def _refuse_twice(what: str, ids: Sequence[str]) -> None:
    twice = [name for name, count in Counter(ids).items() if count > 1]
    if twice:
        raise UserError(f"there are two {what}s {twice[0]!r}: give the story's own another id")


def _named(question: Question) -> str:
    return getattr(question, "__name__", type(question).__name__).replace("_", " ")


def _untrained(model: Transformer, seed: int) -> Transformer:
    fresh = Transformer(model.config, seed=seed).to(model.W_E.device, model.W_E.dtype)
    return fresh.eval().requires_grad_(False)


def _compared(sections: tuple[Section, ...], beside: tuple[Section, ...]) -> tuple[Section, ...]:
    """The sections, each finding with whether it holds of the other model too."""
    there = {finding.id: finding.holds for section in beside for finding in section.findings}

    def compared(finding: Finding) -> Finding:
        return replace(finding, untrained=there.get(finding.id))

    return tuple(replace(each, findings=tuple(map(compared, each.findings))) for each in sections)
