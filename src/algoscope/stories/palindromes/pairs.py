"""Which pairs does the model overlook, and which head reports each of them?"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.analysis.through import v_circuit
from algoscope.correlation import best_rank_correlation, rank_correlation
from algoscope.figures.heatmaps import heatmaps
from algoscope.figures.pair_bars import bars_above
from algoscope.model.head import Head
from algoscope.questions.bound import at_least, at_most, less_than
from algoscope.questions.claim import Claim, Finding, all_missing
from algoscope.questions.seen import Seen
from algoscope.questions.study import Illustration, Section, Table
from algoscope.stories.palindromes.mirror_program import predict
from algoscope.stories.palindromes.single_faults import LEAST_SHARE
from algoscope.stories.palindromes.subject import NO_READING, TEXT, Subject, pair_name, subject
from algoscope.tasks.palindromes import HALF, PAIRS

WEAK = 0.1
"""Share of single mismatches that are missed."""
PAIR_NAMES = [pair_name(pair) for pair in range(HALF)]
PUSH = "push towards “not palindrome”, in logits × the final norm's scale"
CORRELATION = "rank correlation over pairs"
AGREE = at_least(0.6, "over ten pairs, one in thirty by chance")

READERS = Claim(
    "pair-readers", "Of every pair that is reported at all, the reading head tells most.",
    "pairs of which another head tells most", at_most(0),
)  # fmt: skip
IDLE = Claim(
    "idle-head", "Neither zeroing nor averaging a head beside the reading head costs anything.",
    "largest rise of the loss in nats, with processed weights", at_most(0.005), TEXT,
    "Ablation testing showed that H1.1 is not useful at all.",
)  # fmt: skip
IDLE_BY_PAIR = Claim(
    "idle-head-by-pair", "The heads beside the reading head report no pair.",
    "largest share of what all heads tell of one pair", less_than(LEAST_SHARE), TEXT,
    "H1.1 is not useful at all",
)  # fmt: skip
OVERLOOKED = Claim(
    "weak-pairs", "No pair is overlooked: whichever alone is broken, the model tells.",
    f"pairs of which {WEAK:.0%} or more are missed", at_most(0),
)  # fmt: skip
PREDICTED = Claim(
    "weak-pairs-rank-correlation", "The position circuits rank the pairs as they are missed.",
    CORRELATION, AGREE,
)  # fmt: skip
NAMED = Claim(
    "weak-pairs-named",
    "The position circuits name the pairs that are missed more often than not, and no others.",
    "pairs that are only predicted, or only missed", at_most(0),
)  # fmt: skip
SURE = Claim(
    "weak-pairs-logit-rank-correlation",
    "The position circuits rank the pairs by how sure the model is of each.",
    CORRELATION, AGREE,
)  # fmt: skip
BY_VALUES = Claim(
    "weak-pairs-v-circuit-rank-correlation",
    "The V-composition circuit alone ranks the pairs as they are missed.",
    CORRELATION, AGREE,
)  # fmt: skip
WRONG_SIGN = Claim(
    "wrong-sign-pairs",
    "Every pair for which the V-composition circuit is the wrong way round is overlooked.",
    "such pairs that are seen all the same", at_most(0), TEXT,
    "it turns out that the model's functionality breaks down at these positions as well!",
)  # fmt: skip
TWO = Claim(
    "two-mismatch-interaction",
    "A second mismatch hides no first one: two broken pairs are missed no more than the more visible alone.",
    "largest rise of the share missed", at_most(0.05),
)  # fmt: skip


def readers(seen: Seen) -> Section:
    """Which head reports which pair?"""
    own = subject(seen)
    faults = own.faults
    panel = {"": faults.told.T.numpy()}
    chart = heatmaps(panel, list(map(str, faults.heads)), PAIR_NAMES, ("head", "pair"), PUSH, middle=0.0)
    caption = (
        "How much further each head pushes towards “not palindrome” at END when only this pair is broken, as "
        f"against palindromes, over {faults.count:,} sequences for each pair."
    )
    return Section(
        "pair-readers",
        "Which head reports which pair?",
        "Averages over random sequences hide what only one pair does. So each of the ten pairs is broken "
        "alone, and each head's push at END is compared with its push on palindromes. An ablation on "
        "sequences that hardly ever have a single fault can't see this; the one here uses the "
        f"{len(own.examples):,} examples.",
        (_most(own), *_beside(own)),
        (Illustration(chart, caption),),
    )


def weakness(seen: Seen) -> Section:
    """Which pairs are overlooked, and do the weights say so?"""
    own = subject(seen)
    missed, predicted, by_values = own.faults.missed, _predicted(own), _by_values(own)
    weak = [pair for pair in range(HALF) if missed[pair] >= WEAK]
    text = (
        f"Each pair is broken alone in {own.faults.count:,} sequences, and the share that the model takes "
        "for palindromes is measured. The prediction runs the position circuits of all heads on a typical "
        "input, in which every number is the mean of all numbers, and takes what is left for “palindrome” "
        "in front of the final norm as log odds: weights, no example and no fitted constant. (It was chosen "
        "over the margin behind the norm when both had been seen on the public ARENA model.) The "
        "published analysis predicts weakness from one circuit: the V-composition value of a pair's later "
        "position less that of its earlier one."
    )
    findings = (
        OVERLOOKED.measured(len(weak), f"overlooked: {_names(weak)}"),
        _correlation(PREDICTED, predicted, missed),
        _both(predicted, missed),
        _correlation(SURE, predicted, -own.faults.logit),
        _correlation(BY_VALUES, by_values, missed),
        _wrong_signs(by_values, missed),
        _two(own),
    )
    question = "Which pairs does the model overlook, and do its weights say so?"
    return Section("weak-pairs", question, text, findings, _figures(own), (_table(own),))


def _most(own: Subject) -> Finding:
    """Which pairs another head tells most of."""
    if own.reader is None:
        return READERS.missing(NO_READING)
    loudest = {pair_name(pair): own.faults.reporters(pair)[:1] for pair in range(HALF)}
    others = {name: head for name, (head,) in ((n, h) for n, h in loudest.items() if h) if head != own.reader}
    silent = [name for name, heads in loudest.items() if not heads]
    said = "".join(f"head {head} tells most of {name}; " for name, head in others.items())
    return READERS.measured(len(others), f"{said}no head tells of {', '.join(silent)}" if silent else said)


def _beside(own: Subject) -> tuple[Finding, ...]:
    """What the heads of the reading head's layer are worth: in a random sequence, and pair by pair."""
    faults, reader = own.faults, own.reader
    others = [head for head in faults.heads if reader and head != reader and head.layer == reader.layer]
    if not others:
        reason = "there is no other head in its layer" if reader else NO_READING
        return all_missing((IDLE, IDLE_BY_PAIR), reason)

    def cost(head: Head) -> float:
        return max(own.zeroed[head], own.averaged[head])

    worst = max(others, key=cost)
    share, pair, teller = max(
        (faults.share(pair, head), pair, head) for head in others for pair in range(HALF)
    )
    return (
        IDLE.measured(
            cost(worst),
            f"head {worst}: {own.zeroed[worst]:z.4f} with zeros, {own.averaged[worst]:z.4f} with its mean",
        ),
        IDLE_BY_PAIR.measured(share, f"head {teller} of {pair_name(pair)}" if share else ""),
    )


def _predicted(own: Subject) -> Float[Tensor, "pair"] | None:
    """The probability of overlooking each pair, from weights alone."""
    if own.reader is None:
        return None
    single = torch.eye(HALF, dtype=torch.bool)
    # Numbers add their noise in front of the final norm, so it is the margin there that keeps an answer safe.
    return torch.sigmoid(-predict(own.model, own.reader.layer, single).margin)


def _by_values(own: Subject) -> Float[Tensor, "pair"] | None:
    """The V-composition circuit alone, as the text reasons; positive is the wrong way round."""
    if own.lacks:
        return None
    values = v_circuit(own.model, *own.circuit, own.direction.vector)
    later, earlier = torch.tensor(PAIRS).T
    return values[earlier] - values[later]


def _correlation(
    claim: Claim, predicted: Float[Tensor, "pair"] | None, measured: Float[Tensor, "pair"]
) -> Finding:
    """Held against the bound only where ties leave room to reach it."""
    if predicted is None:
        return claim.missing("a head that the prediction needs was not found")
    if len(measured.unique()) < 2 or len(predicted.unique()) < 2:
        return claim.missing("all pairs are alike: there is nothing to rank")
    best = best_rank_correlation(predicted, measured)
    if not claim.bound.holds(best):
        ties = int((measured == measured.mode().values).sum())
        return claim.missing(f"{ties} of {HALF} pairs tie, so that no ranking reaches more than {best:.3f}")
    return claim.measured(rank_correlation(predicted, measured), f"of the {best:.3f} that ties allow")


def _both(predicted: Float[Tensor, "pair"] | None, missed: Float[Tensor, "pair"]) -> Finding:
    if predicted is None:
        return NAMED.missing(NO_READING)
    named, so = predicted > 0.5, missed > 0.5
    said = (
        f"predicted: {_names(named.nonzero()[:, 0].tolist())}; missed: {_names(so.nonzero()[:, 0].tolist())}"
    )
    return NAMED.measured(int((named != so).sum()), said)


def _wrong_signs(by_values: Float[Tensor, "pair"] | None, missed: Float[Tensor, "pair"]) -> Finding:
    """Whether the pairs whose V-composition has the wrong sign are those that are missed."""
    if by_values is None:
        return WRONG_SIGN.missing("a head that the circuit needs was not found")
    wrong = (by_values > 0).nonzero()[:, 0].tolist()
    if not wrong:
        return WRONG_SIGN.missing("no pair is the wrong way round")
    said = ", ".join(f"{pair_name(pair)} is missed {missed[pair]:.1%} of the time" for pair in wrong)
    return WRONG_SIGN.measured(sum(missed[pair].item() < WEAK for pair in wrong), said)


def _two(own: Subject) -> Finding:
    """Whether a second fault hides the first one."""
    single = own.faults.missed
    excess = (own.double_faults.missed - torch.minimum(single[:, None], single)).nan_to_num(-1.0)
    a, b = divmod(int(excess.argmax()), HALF)
    return TWO.measured(excess[a, b].item(), f"{pair_name(a)} and {pair_name(b)}")


def _figures(own: Subject) -> tuple[Illustration, ...]:
    predicted, double = _predicted(own), own.double_faults
    panel = {"": double.missed.numpy()}
    grid = heatmaps(panel, PAIR_NAMES, PAIR_NAMES, ("one pair", "another"), "share missed")
    two = Illustration(
        grid,
        f"The share that is taken for palindromes when two pairs are broken, of {double.count} for each two.",
    )
    if predicted is None:
        return (two,)
    measures = {"predicted": predicted.numpy(), "measured": own.faults.missed.numpy()}
    caption = (
        "The probability of overlooking each pair, predicted from weights alone, and the share that the "
        "model overlooks."
    )
    return Illustration(bars_above(PAIR_NAMES, measures, "broken pair"), caption), two


def _table(own: Subject) -> Table:
    predicted, by_values = _predicted(own), _by_values(own)
    rows = tuple(
        (
            pair_name(pair),
            own.faults.missed[pair].item(),
            own.faults.logit[pair].item(),
            None if predicted is None else predicted[pair].item(),
            None if by_values is None else -by_values[pair].item(),
        )
        for pair in range(HALF)
    )
    columns = ("pair", "share missed", "mean logit", "predicted share", "V-composition gap")
    return Table(columns, rows, "Single mismatches, pair by pair. Positive speaks for “not palindrome”.")


def _names(pairs: list[int]) -> str:
    return ", ".join(map(pair_name, pairs)) or "none"
