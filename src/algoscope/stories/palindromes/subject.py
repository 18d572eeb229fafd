"""The model that the text's questions are about, its weights in a plain form, and what heads do in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.analysis.attention import attention_patterns
from algoscope.analysis.attribution import Direction, class_direction
from algoscope.analysis.mirror import Matching, matching
from algoscope.discovery.adversarial import Fooled
from algoscope.interventions.families import heads
from algoscope.interventions.metrics import loss
from algoscope.interventions.sources import Mean, Source, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.head import Head, every_head
from algoscope.model.processing import process
from algoscope.model.transformer import Transformer
from algoscope.questions.roles import Role, strongest_head
from algoscope.questions.seen import Seen
from algoscope.questions.study import ShownInput
from algoscope.stories.palindromes.mirror_program import Tables, read_tables
from algoscope.stories.palindromes.palindrome_search import guided_search
from algoscope.stories.palindromes.single_faults import (
    DoubleFaults,
    SingleFaults,
    double_faults,
    single_faults,
)
from algoscope.tasks.palindromes import PAIRS
from algoscope.tasks.task import Examples

TEXT = "ARENA palindromes, July 2023"
"""The published analysis that the story puts to the test."""
SOME = 1000
"""Of the kept examples, the first: what attention and interventions are measured on."""
SINGLE, DOUBLE = 1000, 200
"""Sequences for each pair, and for each two pairs."""
LEAST_CONTRAST = 0.1
"""Of attention: a mirror image that matches gets so much more than one that doesn't."""
NO_MATCHING = "no matching head was found"
NO_READING = "no reading head was found"


@dataclass(frozen=True, eq=False)
class Subject:
    """A palindrome model with processed weights, examples of the user, and the parts heads play."""

    seen: Seen
    """The processed model on these examples."""

    @property
    def model(self) -> Transformer:
        return self.seen.model

    @property
    def examples(self) -> Examples:
        return self.seen.examples

    @property
    def seed(self) -> int:
        return self.seen.seed

    @cached_property
    def direction(self) -> Direction:
        """Along which the logit of "not palindrome" grows over the other, after the final norm."""
        return class_direction(self.model, towards=0, against=1, name="not palindrome")

    @cached_property
    def reading(self) -> Role:
        """The head that pushes sequences that are no palindromes furthest."""
        return strongest_head(self.seen.pushed, self.examples.labels == 0, "not palindrome")

    @property
    def reader(self) -> Head | None:
        return self.reading.head

    @cached_property
    def matches(self) -> dict[Head, Matching]:
        """Each head's attention to mirror images, by whether they match."""
        mismatch = self.examples.concepts["mismatch"]
        return {head: matching(pattern, mismatch, PAIRS) for head, pattern in self.patterns.items()}

    @cached_property
    def contrast(self) -> dict[Head, float]:
        """How much more attention a mirror image gets for being equal; of the heads before the reading head.

        NaN where no pair both matches and differs in the examples.
        """
        last = self.reader.layer if self.reader else self.model.config.n_layers
        return {
            head: (found.matched - found.mismatched).nanmean().item()
            for head, found in self.matches.items()
            if head.layer < last
        }

    @cached_property
    def matcher(self) -> Head | None:
        """The head that looks at the mirror image more if it matches, if there is one."""
        enough = {head: value for head, value in self.contrast.items() if value >= LEAST_CONTRAST}
        return max(enough, key=enough.__getitem__, default=None)

    @property
    def lacks(self) -> str:
        """Which of the two heads is missing; empty if neither is."""
        return NO_READING if self.reader is None else NO_MATCHING if self.matcher is None else ""

    @property
    def circuit(self) -> tuple[Head, Head]:
        """The matching and the reading head, where neither is missing."""
        assert self.matcher is not None, self.lacks
        assert self.reader is not None, self.lacks
        return self.matcher, self.reader

    @cached_property
    def patterns(self) -> dict[Head, Float[Tensor, "batch query key"]]:
        """Each head's attention."""
        return {
            head: attention_patterns(self.model, self.examples, head)
            for head in every_head(self.model.config)
        }

    @cached_property
    def zeroed(self) -> dict[Head, float]:
        """How much zeroing each head's output raises the loss, in nats."""
        return self._rises(Zero())

    @cached_property
    def averaged(self) -> dict[Head, float]:
        """The same with its mean over examples in its place, position by position."""
        return self._rises(Mean())

    def _rises(self, source: Source) -> dict[Head, float]:
        found = sweep(self.model, self.examples, heads(self.model.config, source), loss)
        rises = (found.values - found.clean).tolist()
        return dict(zip(every_head(self.model.config), rises, strict=True))

    @cached_property
    def tables(self) -> Tables | None:
        """What the heads in the reading head's layer meet; None without a reading head."""
        return None if self.reader is None else read_tables(self.model, self.reader.layer)

    @cached_property
    def faults(self) -> SingleFaults:
        """Each pair broken alone."""
        return single_faults(self.model, self.direction, SINGLE, self.seed)

    @cached_property
    def double_faults(self) -> DoubleFaults:
        """Each two pairs broken."""
        return double_faults(self.model, DOUBLE, self.seed)

    @cached_property
    def fooled(self) -> Fooled:
        """What a search finds that starts where the model is known to be weak."""
        return guided_search(self.model, self.tables, self.faults, self.double_faults, self.seed)


_SUBJECTS: WeakKeyDictionary[Seen, Subject] = WeakKeyDictionary()


def subject(seen: Seen) -> Subject:
    """The subject of all questions that are asked of `seen`: made when the first of them asks."""
    if seen not in _SUBJECTS:
        # Not a field of Seen, and without a reference to it: both go when the study does.
        plain = Seen(process(seen.model), seen.task, seen.kept[:SOME], seen.seed)
        _SUBJECTS[seen] = Subject(plain)
    return _SUBJECTS[seen]


@torch.no_grad()
def shown(subject: Subject, examples: Examples) -> tuple[ShownInput, ...]:
    """Inputs with their faults marked, each with the probability that the model gives to a palindrome."""
    task, probability = subject.seen.task, answer_logits(subject.model, examples).softmax(-1)[:, 1]
    return tuple(
        ShownInput(task.show(tokens, probability=sure), task.classes[label])
        for tokens, label, sure in zip(
            examples.tokens, examples.labels.tolist(), probability.tolist(), strict=True
        )
    )


def pair_name(index: int) -> str:
    """A pair as its two positions, the later one first: "20–1" is the outermost, 0."""
    return f"{PAIRS[index][0]}–{PAIRS[index][1]}"
