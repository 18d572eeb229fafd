"""What every part of a model puts out on many inputs: what a partner's output is taken from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.explanation.inputs import Inputs, Language, read_inputs, read_language
from algoscope.explanation.steps import PerHead, outputs
from algoscope.model.component import Component
from algoscope.model.layers import Stream
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples, Task

MOST_VALUES = 60_000_000
"""Numbers that are kept: 240 MB."""
MOST_INPUTS = 3000
MOST_ROWS = 80_000


@dataclass(frozen=True, eq=False)
class Pool:
    """Examples with all that the model puts out on them."""

    model: Transformer
    task: Task
    examples: Examples
    inputs: Inputs
    heads: list[PerHead]
    mlps: list[Stream]
    logits: Float[Tensor, "row class"]

    def value(self, component: Component) -> Float[Tensor, "batch seq d"]:
        """A head's mix of values (`hook_z`), or what an MLP writes."""
        if component.head is not None:
            return self.heads[component.layer][:, :, component.index]
        return self.mlps[component.layer]

    def first(self, count: int) -> Pool:
        """The same of the first inputs alone."""
        examples = self.examples[:count]
        return replace(
            self,
            examples=examples,
            inputs=read_inputs(examples, self.inputs.language),
            heads=[each[:count] for each in self.heads],
            mlps=[each[:count] for each in self.mlps],
            logits=self.logits[: len(examples.labels)],
        )

    @cached_property
    def identity(self) -> Int[Tensor, "batch seq"]:
        """A number for all that a place can see: where two agree, one can't stand in for the other."""
        inputs = self.inputs
        generator = torch.Generator().manual_seed(0)
        shape = (inputs.tokens.shape[1], inputs.language.size)
        random = torch.randint(-(2**62), 2**62, shape, generator=generator).to(inputs.tokens.device)
        marks = random[inputs.place.expand_as(inputs.tokens), inputs.tokens].where(inputs.real, 0)
        seen = marks.cumsum(1) if inputs.language.causal else marks.sum(1, keepdim=True) + inputs.place
        return seen + inputs.position_ids[:, :1] * 1_000_003


def room(model: Transformer, seq: int) -> int:
    """How many inputs of this length a pool may hold."""
    config = model.config
    each = seq * config.n_layers * (config.n_heads * config.d_head + (config.d_model if config.d_mlp else 0))
    return max(400, min(MOST_INPUTS, MOST_ROWS // seq, MOST_VALUES // each))


def fill(model: Transformer, task: Task, examples: Examples) -> Pool:
    """The pool of these examples, in the language that they show."""
    language = read_language(task, examples, model.config.attention_dir == "causal")
    return filled(model, task, examples, language)


def filled(model: Transformer, task: Task, examples: Examples, language: Language) -> Pool:
    """The pool of these examples of a language."""
    heads, mlps, logits = outputs(model, examples)
    return Pool(model, task, examples, read_inputs(examples, language), heads, mlps, logits)
