"""The model that is studied, and what every question about it starts from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.attribution import Direction, class_direction
from algoscope.analysis.batching import BATCH
from algoscope.analysis.circuits import mean_norm_scale
from algoscope.analysis.composition import Composition, composition
from algoscope.analysis.mirror import Matching, matching
from algoscope.discovery.adversarial import Fooled
from algoscope.interventions.families import heads
from algoscope.interventions.metrics import loss
from algoscope.interventions.sources import Mean, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head, every_head
from algoscope.model.processing import process
from algoscope.model.transformer import Transformer
from algoscope.questions.roles import Role, strongest_head
from algoscope.questions.seen import Observed, observe
from algoscope.stories.palindromes.mirror_program import Tables, read_tables
from algoscope.stories.palindromes.palindrome_search import guided_search, unguided_search
from algoscope.stories.palindromes.single_faults import SingleFaults, missed_double_faults, single_faults
from algoscope.tasks.palindromes import END_POSITION, PAIRS, arena_sample
from algoscope.tasks.task import Examples

TEXT = "ARENA palindromes, July 2023"
"""The published analysis that the study follows."""
OURS = "algoscope"
SINGLE, DOUBLE = 1000, 200
"""Sequences for each pair, and for each two pairs."""
LEAST_CONTRAST = 0.1
"""Of attention: a mirror image that matches gets so much more than one that doesn't."""
NO_MATCHING = "no matching head was found"
NO_READING = "no reading head was found"


@dataclass(frozen=True)
class MatchingRole:
    """The head that looks at the mirror image more if it matches, if there is one."""

    head: Head | None
    contrast: dict[Head, float]
    """Of every head in front of the reading head."""
    reason: str = ""


@dataclass(frozen=True)
class Ablated:
    """How much each head's ablation raises the loss, in nats."""

    zero: Float[Tensor, "layer head"]
    mean: Float[Tensor, "layer head"]


@dataclass(frozen=True)
class Subject:
    """A palindrome model with processed weights, the published examples, and the parts that heads play."""

    raw: Transformer
    seen: Observed
    """Of the processed model, on the study's own examples."""
    seed: int
    """Of everything that is drawn at random."""

    @property
    def model(self) -> Transformer:
        return self.seen.model

    @cached_property
    def small(self) -> Examples:
        """The published data set of 100."""
        return arena_sample(100)

    @cached_property
    def published(self) -> Examples:
        """The published data set of 500."""
        return arena_sample(500)

    @cached_property
    def direction(self) -> Direction:
        """Along which the logit of "not palindrome" grows over the other, after the final norm."""
        return class_direction(self.model, towards=0, against=1, name="not palindrome")

    @cached_property
    def scale(self) -> float:
        """What the first norm divides by, on average over the first five of the published 100."""
        return mean_norm_scale(self.model, self.small.tokens[:5], layer=0)

    @cached_property
    def composition(self) -> Composition:
        return composition(self.model)

    @cached_property
    def reading(self) -> Role:
        """The head that pushes sequences that are no palindromes furthest."""
        rows = self.seen.examples.labels == 0
        return strongest_head(self.seen.pushed, rows, "not palindrome")

    @cached_property
    def reader(self) -> Head | None:
        return None if self.reading.head is None else Head.parse(self.reading.head)

    @cached_property
    def matching(self) -> MatchingRole:
        last = self.reader.layer if self.reader else self.model.config.n_layers
        earlier = [head for head in every_head(self.model.config) if head.layer < last]
        if not earlier:
            return MatchingRole(None, {}, f"no layer comes before the reading head {self.reader}")
        contrast = {head: found.contrast for head, found in self.matches.items() if head in earlier}
        best = max(contrast, key=lambda head: contrast[head])
        if not contrast[best] >= LEAST_CONTRAST:
            least = f"less than {LEAST_CONTRAST:g}"
            return MatchingRole(None, contrast, f"the best head, {best}, has {contrast[best]:.3f}: {least}")
        return MatchingRole(best, contrast)

    @property
    def matcher(self) -> Head | None:
        return self.matching.head

    @cached_property
    def matches(self) -> dict[Head, Matching]:
        """Each head's attention to mirror images over the published 500, by whether they match."""
        mismatch = self.published.concepts["mismatch"]
        return {
            head: matching(self.patterns[head.layer][:, head.index], mismatch, PAIRS)
            for head in every_head(self.model.config)
        }

    @cached_property
    def patterns(self) -> tuple[Float[Tensor, "batch head query key"], ...]:
        """Each layer's attention on the published 500."""
        return patterns(self.model, self.published)

    @cached_property
    def ablated(self) -> Ablated:
        """On the published 500."""
        config, found = self.model.config, []
        for source in (Zero(), Mean()):
            swept = sweep(self.model, self.published, heads(config, source), loss)
            found.append((swept.values - swept.clean).cpu().unflatten(0, (config.n_layers, config.n_heads)))
        return Ablated(*found)

    @cached_property
    def tables(self) -> Tables | None:
        """What the heads in the reading head's layer meet; None without a reading head."""
        return None if self.reader is None else read_tables(self.model, self.reader.layer)

    @cached_property
    def faults(self) -> SingleFaults:
        """Each pair broken alone, 1,000 times."""
        return single_faults(self.model, self.direction, SINGLE, self.seed)

    @cached_property
    def double_faults(self) -> Float[Tensor, "pair pair"]:
        """The share missed with each two pairs broken, 200 times."""
        return missed_double_faults(self.model, DOUBLE, self.seed)

    @cached_property
    def fooled(self) -> Fooled:
        """What the guided search finds; without a reading head, what a search finds that knows nothing."""
        if self.tables is None:
            return self.fooled_unguided
        return guided_search(self.model, self.tables, self.seed)

    @cached_property
    def fooled_unguided(self) -> Fooled:
        return unguided_search(self.model, self.seed)


def subject(seen: Observed, seed: int) -> Subject:
    """Process the weights of a model that was observed, and observe it again."""
    return Subject(seen.model, observe(process(seen.model), seen.task, seen.examples), seed)


@torch.no_grad()
def patterns(model: Transformer, examples: Examples) -> tuple[Float[Tensor, "batch head query key"], ...]:
    """Every head's attention, layer by layer. On the CPU."""
    sites = [f"blocks.{layer}.attn.hook_pattern" for layer in range(model.config.n_layers)]
    found: list[list[Tensor]] = [[] for _ in sites]
    for part in examples.batches(BATCH):
        _, cache = model.run_with_cache(part.tokens.to(model.W_E.device), sites)
        for parts, site in zip(found, sites, strict=True):
            parts.append(cache[site].cpu())
    return tuple(torch.cat(parts) for parts in found)


def answer_attention(subject: Subject, head: Head) -> Float[Tensor, "batch key"]:
    """A head's attention from END on the published 500."""
    return subject.patterns[head.layer][:, head.index, END_POSITION]
