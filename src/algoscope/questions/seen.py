"""What a model did on a task's examples: computed once, then read by every question of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.accuracy import all_right, answer_logits
from algoscope.analysis.attribution import (
    Contributions,
    class_direction,
    contributions,
    margins,
    pull_back,
)
from algoscope.analysis.components import Components, decompose, read_out
from algoscope.analysis.linearised import LinearFit, fit_norm
from algoscope.discovery.needs import Needs, needs
from algoscope.errors import UserError
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.answers import right, surprise
from algoscope.tasks.task import Examples, Task

KEPT = 5000
"""Examples whose activations are held. Answers are judged on all; more than this many change no verdict that
rests on activations, and their memory would grow without end."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A model, a task and examples, with what the model made of them. What is expensive is computed when it
    is first asked for, and once."""

    model: Transformer
    task: Task
    examples: Examples
    seed: int = 0
    """Of everything that is drawn at random."""

    @cached_property
    def groups(self) -> Mapping[str, Bool[Tensor, "batch"]]:
        """The task's kinds of input, over all examples."""
        return self.task.groups(self.examples)

    @cached_property
    def logits(self) -> Float[Tensor, "row class"]:
        """At every answer of every example. On the CPU."""
        if len(self.examples) > len(self.kept):
            return answer_logits(self.model, self.examples)
        return read_out(self.model, self.components)

    @cached_property
    def right(self) -> Bool[Tensor, "row"]:
        """Which answers are right."""
        return right(self.logits, self.examples.labels)

    @cached_property
    def surprise(self) -> Float[Tensor, "row"]:
        """The cross-entropy of each answer with the truth, in nats."""
        return surprise(self.logits, self.examples.labels)

    @cached_property
    def inputs_right(self) -> Bool[Tensor, "batch"]:
        """Which inputs have every answer right."""
        return all_right(self.right, self.examples)

    @cached_property
    def kept(self) -> Examples:
        """The first examples, up to KEPT: those whose activations are held."""
        return self.examples[:KEPT] if len(self.examples) > KEPT else self.examples

    @cached_property
    def kept_groups(self) -> Mapping[str, Bool[Tensor, "batch"]]:
        return {name: mask[: len(self.kept)] for name, mask in self.groups.items()}

    @cached_property
    def row_groups(self) -> Mapping[str, Bool[Tensor, "row"]]:
        """The groups as masks over the rows of the kept examples."""
        return {name: self.rows(mask) for name, mask in self.kept_groups.items()}

    def rows(self, mask: Bool[Tensor, "batch"]) -> Bool[Tensor, "row"]:
        """The answers that the marked ones of the kept examples ask for."""
        return mask[self.kept.row_example]

    @cached_property
    def components(self) -> Components:
        """Of the residual stream at every answer of the kept examples, before the final norm."""
        return decompose(self.model, self.kept, self.kept.answered)

    @cached_property
    def fit(self) -> LinearFit:
        """The final norm, linearised there."""
        return fit_norm(self.model.ln_final, self.components.resid)

    @cached_property
    def pushed(self) -> Contributions | None:
        """Towards class 0 as against class 1, centred on class 1, where there are just two; else towards the
        truth. None if there is no example of class 1 to centre on."""
        labels = self.kept.labels
        if len(self.task.classes) > 2 or self.kept.sets:
            return margins(self.model, self.components, self.fit, labels)
        centre = torch.eq(labels, 1)
        if not centre.any():
            return None
        after = class_direction(self.model, towards=0, against=1, name=self.task.classes[0])
        return contributions(self.components, pull_back(after, self.fit, "before the final norm"), centre)

    @cached_property
    def needs(self) -> Needs:
        """What it costs to take each head and MLP away, on some of the kept examples."""
        return needs(self.model, self.kept, self.seed)

    @property
    def needed_heads(self) -> tuple[Head, ...]:
        """The heads that are needed, or stand in for one another, in the order of the computation."""
        return tuple(part.head for part in sorted(set(self.needs.used)) if part.head)

    @property
    def one_answer(self) -> bool:
        """Whether every input has a single answer."""
        return len(self.examples.labels) == len(self.examples)

    @property
    def where(self) -> str:
        """Where the answer is read, in words."""
        places = self.examples.answer_positions.tolist()
        if len(places) == 1:
            last = places[0] == self.examples.tokens.shape[1] - 1
            return f"the last position, {places[0]}" if last else f"position {places[0]}"
        same = bool((self.examples.answered == self.examples.answered[:1]).all())
        return "the answer positions" if same else "the answer positions (which differ from input to input)"


def see(model: Transformer, task: Task, examples: Examples, seed: int = 0) -> Seen:
    """The model on these examples. Raises UserError if there are too few examples, or classes."""
    if len(task.classes) < 2 and not examples.sets:
        raise UserError(f"the task {task.name} has {len(task.classes)} classes: a study needs at least 2")
    if len(examples) < 2:
        raise UserError(f"a study needs at least 2 examples, not {len(examples)}: give more")
    return Seen(model, task, examples, seed)
