"""What a model did on a task's examples: computed once, then read by every question of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.analysis.attribution import (
    Contributions,
    class_direction,
    contributions,
    margins,
    pull_back,
)
from algoscope.analysis.components import Components, decompose
from algoscope.analysis.linearised import LinearFit, fit_norm
from algoscope.errors import UserError
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples, Task


@dataclass(frozen=True)
class Observed:
    """A model's answers, and what they were made of. One row per answer: one per example for most tasks."""

    model: Transformer
    task: Task
    examples: Examples
    groups: Mapping[str, Bool[Tensor, "batch"]]
    logits: Float[Tensor, "batch *answer class"]
    components: Components
    """Of the residual stream where the answer is read, before the final norm."""
    fit: LinearFit
    """The final norm, linearised there."""
    pushed: Contributions | None
    """Towards class 0 as against class 1, centred on class 1; towards the true class if there are more than
    two. None if there is no example of class 1 to centre on."""

    @property
    def row_groups(self) -> dict[str, Bool[Tensor, "row"]]:
        """The groups as masks over rows."""
        return {name: self.rows(mask) for name, mask in self.groups.items()}

    def rows(self, mask: Bool[Tensor, "batch"]) -> Bool[Tensor, "row"]:
        """The answers that the marked examples ask for."""
        return mask.repeat_interleave(self.examples.labels[:1].numel())

    @property
    def where(self) -> str:
        """Where the answer is read, in words."""
        answer = self.task.answer
        if isinstance(answer, slice):
            return "the answer positions"
        return "the last position" if answer == -1 else f"position {answer}"


def observe(model: Transformer, task: Task, examples: Examples) -> Observed:
    """Run the model over the examples. Raises UserError if there are too few examples, or classes."""
    if len(task.classes) < 2:
        raise UserError(f"the task {task.name} has {len(task.classes)} classes: a study needs at least 2")
    if len(examples) < 2:
        raise UserError(f"a study needs at least 2 examples, not {len(examples)}: give more")
    components = decompose(model, examples, examples.answer)
    fit = fit_norm(model.ln_final, components.resid)
    return Observed(
        model,
        task,
        examples,
        task.groups(examples),
        _logits(model, components.resid).unflatten(0, examples.labels.shape),
        components,
        fit,
        _pushed(model, task, components, fit, examples.labels.flatten()),
    )


@torch.no_grad()
def _logits(model: Transformer, resid: Float[Tensor, "row d_model"]) -> Float[Tensor, "row class"]:
    """The model's own reading of its residual stream: what a forward pass gives, without another one."""
    return model.read_out(resid.to(model.W_E.device), Taps(model.sites)).cpu()


def _pushed(
    model: Transformer, task: Task, components: Components, fit: LinearFit, labels: Tensor
) -> Contributions | None:
    if len(task.classes) > 2:
        return margins(model, components, fit, labels)
    centre = torch.eq(labels, 1)
    if not centre.any():
        return None
    after = class_direction(model, towards=0, against=1, name=task.classes[0])
    return contributions(components, pull_back(after, fit, "before the final norm"), centre)
