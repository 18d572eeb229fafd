"""Is the model fooled by two nests side by side, and where the tally head looks unevenly?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.analysis.patterns import pattern_with_mean_keys, split_by_order
from algoscope.correlation import best_rank_correlation, rank_correlation
from algoscope.figures.heatmaps import heatmaps
from algoscope.questions.bound import at_least
from algoscope.questions.claim import Claim, Finding
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, ShownInput
from algoscope.stories.brackets.subject import TEXT, Subject, subject_of
from algoscope.tasks.bracket_strings import LONGEST
from algoscope.tasks.brackets import Brackets

SHOWN = 4
CORRELATED = at_least(0.5)

# fmt: off
FAMILY = Claim(
    "adversarial-family", "Two nested halves with “)(” between them, A)(B, are taken for balanced.",
    "highest probability of “balanced”, over all depths of A and B", at_least(0.9))
UNEVEN = Claim(
    "adversarial-where-uneven",
    "A)(B fools the model where the tally head looks unevenly from the position behind A).",
    "rank correlation of unevenness and of the probability of “balanced”, over all depths", CORRELATED, TEXT,
    "these patches are important for generating adversarial examples")
# fmt: on
TEXT_ABOVE = (
    "The tally is exact only where attention is even, so a string should fool the model where it is not. "
    "Tried is every A)(B, A and B being nests “((…))” of any depths that fit: they have as many “(” as “)” "
    "and one suffix, that from “(B”, that is below zero by one."
)


def nests(seen: Seen) -> Section:
    """Do two nests side by side fool the model?"""
    strings, depths = pairs_of_nests()
    examples = Brackets().examples(Brackets().encode(strings))
    balanced = answer_logits(seen.model, examples).double().softmax(-1)[:, 1]
    best = int(balanced.argmax())
    a, b = depths[best]
    said = f"{balanced[best]:.5f} for A of {2 * a} and B of {2 * b} brackets"
    findings = FAMILY.measured(balanced[best].item(), said), _where(subject_of(seen), balanced, depths)
    return Section(
        "nests",
        "Do two nests side by side fool the model?",
        TEXT_ABOVE,
        findings,
        (_grid(balanced, depths),),
        inputs=tuple(
            ShownInput(
                Brackets().show(examples.tokens[row]),
                f"“balanced” with probability {balanced[row]:.3f}, and it is not",
            )
            for row in balanced.argsort(descending=True)[:SHOWN].tolist()
            if balanced[row] > 0.5
        ),
    )


def pairs_of_nests() -> tuple[list[str], list[tuple[int, int]]]:
    """Every A)(B that fits, with the depths of A and B."""
    room = LONGEST // 2 - 1
    depths = [(a, b) for a in range(1, room + 1) for b in range(room - a + 1)]
    return ["(" * a + ")" * a + ")(" + "(" * b + ")" * b for a, b in depths], depths


def _where(subject: Subject, balanced: Float[Tensor, "string"], depths: list[tuple[int, int]]) -> Finding:
    """Unevenness is that over the suffix that begins with “(B”, whose tally the model must get right."""
    found = subject.tally.tally
    if found is None:
        return UNEVEN.missing(subject.tally.reason)
    left, right = Brackets().encode(["(" * LONGEST, ")" * LONGEST])
    pattern = pattern_with_mean_keys(subject.model, left, right, found.head.layer)[found.head.index]
    moved = [suffix.moved for suffix in split_by_order(pattern, range(LONGEST + 1)).suffix]
    uneven = torch.tensor([moved[2 * a + 2] for a, _ in depths]).double()
    # The negation covers NaN too: one of the two is constant.
    if not best_rank_correlation(uneven, balanced) >= CORRELATED.limit:
        return UNEVEN.missing("too many strings tie to be put into an order")
    note = f"Unevenness is that over a suffix up to {LONGEST} brackets, for shorter strings too."
    return UNEVEN.measured(rank_correlation(uneven, balanced), f"over {len(depths)} strings", note)


def _grid(balanced: Float[Tensor, "string"], depths: list[tuple[int, int]]) -> Illustration:
    most = max(a for a, _ in depths)
    grid = torch.full((most, most), torch.nan)
    for value, (a, b) in zip(balanced.tolist(), depths, strict=True):
        grid[a - 1, b] = value
    figure = heatmaps(
        {"": grid.numpy()},
        [str(2 * a) for a in range(1, most + 1)],
        [str(2 * b) for b in range(most)],
        ("length of A", "length of B"),
        "probability of “balanced” for A)(B",
    )
    caption = (
        "None of these strings is balanced. Where the map is dark, the model takes them for balanced; grey "
        "ones would be too long."
    )
    return Illustration(figure, caption)
