"""One model in training, in memory: fresh examples, a step, an evaluation, and nothing on disk or screen."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from algoscope.errors import UserError
from algoscope.model.device import usable
from algoscope.model.transformer import Transformer
from algoscope.tasks import registry
from algoscope.tasks.answers import Labels, right, surprise
from algoscope.tasks.task import Examples, Task
from algoscope.training.interrupt import at_the_end
from algoscope.training.recipe import Recipe

REPORT_EVERY = 10
EVALUATE_EVERY = 250
EVALUATED = 5_000
CHUNK_STEPS = 16
"""Batches drawn by one call of the task's sampler, which would cost more than the step at one a call."""

TRAINING, EVALUATION, FINAL = range(3)
"""The streams of seeds: no two samples of a run share one."""


@dataclass(frozen=True)
class Progress:
    """How far a run is."""

    step: int
    steps: int
    loss: float
    """Mean cross-entropy in nats over the steps since the last report."""
    accuracy: float | None
    """Share of a fresh sample answered right; None between evaluations."""


class Run:
    """A transformer learning a task. Iterate over it to train; what it has learnt is `run.model`.

    Step s draws its batch from a seed derived from the run's seed and s alone, and the learning rate
    depends on s alone, so a run that is put back to step s goes on exactly as it would have.
    """

    def __init__(self, task: Task, recipe: Recipe, seed: int = 0, device: str = "cpu") -> None:
        if seed < 0:
            raise UserError(f"seed is {seed}: give a whole number of at least 0")
        self.task, self.recipe, self.seed = registry.get(task), recipe, seed
        self.model = Transformer(recipe.config(self.task), seed=seed).to(usable(device))
        if not recipe.biases:
            for name, parameter in self.model.named_parameters():
                # `b_Q` and the like, and the `b` of a layer norm.
                parameter.requires_grad_(not name.rpartition(".")[2].startswith("b"))
        self.parameters = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True
        )
        self.step = 0
        self.loss: float | None = None
        """Mean cross-entropy over the steps of the last report."""
        self.seconds = 0.0
        """Time spent in steps and evaluations, over all sittings."""
        self._chunk: tuple[int, Examples] | None = None

    @property
    def done(self) -> bool:
        return self.step >= self.recipe.steps

    def __iter__(self) -> Iterator[Progress]:
        """Train from the current step to the last, with a report now and then.

        Ctrl-C arrives between two steps, never within one. Raises UserError if the loss diverges.
        """
        device = self.model.W_E.device
        while not self.done:
            started = time.perf_counter()
            total, first = torch.zeros((), device=device), self.step
            while True:
                with at_the_end():
                    total += self.advance()
                if self.done or self.step % REPORT_EVERY == 0:
                    break
            self.loss = total.item() / (self.step - first)
            if not math.isfinite(self.loss):
                raise UserError(f"the loss is {self.loss} at step {self.step}: try a lower --lr")
            accuracy = self.evaluate() if self.done or self.step % EVALUATE_EVERY == 0 else None
            self.seconds += time.perf_counter() - started
            yield Progress(self.step, self.recipe.steps, self.loss, accuracy)

    def advance(self) -> Float[Tensor, ""]:
        """Take one step. The loss of its batch, before the step."""
        examples = self.batch(self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = one_cycle(self.step, self.recipe.steps, self.recipe.lr)
        logits, labels = answers(self.model, examples)
        loss = surprise(logits, labels).mean()
        self.optimizer.zero_grad()
        loss.backward()
        clip_grad_norm_(self.parameters, self.recipe.clip)
        self.optimizer.step()
        self.step += 1
        return loss.detach()

    def evaluate(self) -> float:
        """Accuracy on a sample that is fresh at every step."""
        seed = derived_seed(self.seed, EVALUATION, self.step)
        return score(self.model, self.task.sample(EVALUATED, seed))[1]

    def batch(self, step: int) -> Examples:
        """The examples of this step, the same ones whenever they are asked for."""
        index, within = divmod(step, CHUNK_STEPS)
        if self._chunk is None or self._chunk[0] != index:
            seed = derived_seed(self.seed, TRAINING, index)
            examples = self.task.sample(CHUNK_STEPS * self.recipe.batch, seed)
            self._chunk = index, examples.to(self.model.W_E.device)
        return self._chunk[1][within * self.recipe.batch : (within + 1) * self.recipe.batch]


def answers(model: Transformer, examples: Examples) -> tuple[Float[Tensor, "row class"], Labels]:
    """Logits and labels at every answer of every example, in one row each."""
    return examples.at_answers(model(examples.tokens, examples.position_ids)), examples.labels


@torch.no_grad()
def score(model: Transformer, examples: Examples, batch: int = 1000) -> tuple[float, float]:
    """Mean cross-entropy in nats per answer, and the share of examples with every answer right."""
    loss, wrong = 0.0, 0
    for part in examples.to(model.W_E.device).batches(batch):
        logits, labels = answers(model, part)
        loss += surprise(logits, labels).sum().item()
        wrong += len(part.row_example[~right(logits, labels)].unique())
    return loss / len(examples.labels), (len(examples) - wrong) / len(examples)


def one_cycle(step: int, steps: int, peak: float) -> float:
    """The learning rate of a step: a cosine from peak / 25 up over the first 30 % of the steps, and another
    down to peak / 250,000. As torch's OneCycleLR with its defaults, but a function of the step alone.

    Source: Smith & Topin, Super-convergence (2017).
    """
    low, end = peak / 25, peak / 250_000
    top = 0.3 * steps - 1
    if step <= top:
        return _cosine(low, peak, step / top if top else 1.0)
    return _cosine(peak, end, (step - top) / (steps - 1 - top) if step < steps - 1 else 1.0)


def _cosine(start: float, stop: float, share: float) -> float:
    return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2


def derived_seed(seed: int, stream: int, index: int) -> int:
    """A seed for one sample of a run, unrelated to those of its other samples and of other runs."""
    return int(np.random.SeedSequence((seed, stream, index)).generate_state(1)[0])
