"""Do the text's own sequences fool the model, and does it fail where it is known to be weak?"""

from __future__ import annotations

import torch

from algoscope.analysis.accuracy import answer_logits
from algoscope.questions.bound import at_least, more_than
from algoscope.questions.claim import Claim
from algoscope.questions.seen import Seen
from algoscope.questions.study import Section
from algoscope.stories.palindromes.palindrome_search import NEIGHBOURS, STEPS, WEAKEST
from algoscope.stories.palindromes.subject import TEXT, shown, subject
from algoscope.tasks.palindromes import END, HALF, START

_UP = tuple(range(1, HALF + 1))
PUBLISHED = (
    (START, *_UP, *(10, 9, 8, 7, 6, 5, 4, 3, 15, 1), END),
    (START, *(1, 2, 3, 15, 5, 6, 7, 8, 9, 10), *_UP[::-1], END),
    (START, *(1, 2, 3, 3, 3, 6, 7, 8, 9, 10), *(10, 9, 8, 7, 6, 3, 3, 3, 2, 3), END),
    (START, *_UP, *(10, 9, 8, 7, 6, 5, 15, 3, 15, 1), END),
)
"""Sequences that the text's author made by hand for the public model's weak positions."""

FOOLED = Claim(
    "published-adversarial",
    "Each of the four published sequences, none of them a palindrome, fools the model.",
    "probability of a palindrome", more_than(0.5).each(), TEXT,
    "All four of these examples are non-palindromes, and the non-palindromic violations come at these weak "
    "positions (1, 2, 4 and 17, 19, 20). The model classifies them as palindromes!",
)  # fmt: skip
WEAK = Claim(
    "guided-search", "Most sequences that are broken only where the model is weakest fool it.",
    "share of the sequences tried", at_least(0.5),
)  # fmt: skip


def published(seen: Seen) -> Section:
    """Do the published adversarial sequences fool the model?"""
    own = subject(seen)
    examples = own.seen.task.examples(torch.tensor(PUBLISHED))
    probability = answer_logits(own.model, examples).softmax(-1)[:, 1].tolist()
    fooled = sum(sure > 0.5 for sure in probability)
    return Section(
        "published-adversarial",
        "Do the published adversarial sequences fool the model?",
        "Four sequences were made by hand to break the public model where its V-composition circuit has the "
        "wrong sign. They say nothing about a model with other weak pairs, where their probabilities are an "
        "ordinary answer to an ordinary question.",
        (FOOLED.measured(probability, f"{fooled} of {len(probability)} do"),),
        inputs=shown(own, examples),
    )


def guided(seen: Seen) -> Section:
    """Does the model fail where its weights, and its mistakes, say that it is weak?"""
    own = subject(seen)
    found = own.fooled
    best = f", one to {found.probability[0].item():.4f}" if len(found) else ""
    said = f"{len(found):,} different ones of {found.tried:,} tried{best}"
    return Section(
        "guided-search",
        "Does the model fail where it is known to be weak?",
        f"A search walks for {STEPS} steps, looks at {NEIGHBOURS} neighbours each time and changes mirrored "
        "numbers together, so that no other pair breaks. It starts at sequences that are broken at one of "
        f"the {WEAKEST} pairs that the weights push least for, at one of the {WEAKEST} that are missed most "
        f"often, at {WEAKEST} twos of pairs missed most often together, and at sequences that were missed "
        "when pairs were broken at random. Every find is checked against the task's rule.",
        (WEAK.measured(len(found) / found.tried, said),),
        inputs=shown(own, found.examples[:5]),
    )
