"""Where does the algorithm fail? Strings that fool the model, sought with and without a plan."""

from __future__ import annotations

import torch
from torch import Tensor

from algoscope.analysis.accuracy import answer_logits
from algoscope.analysis.patterns import pattern_with_mean_keys, split_by_order
from algoscope.correlation import rank_correlation
from algoscope.discovery.adversarial import Fooled, among, search
from algoscope.discovery.error_rates import ErrorRate, error_rates
from algoscope.figures.heatmaps import heatmaps
from algoscope.questions.study import Finding, Illustration, Section, ShownInput, Table
from algoscope.questions.tested import Claim
from algoscope.stories.brackets.subject import NO_TALLY, Subject
from algoscope.tasks.bracket_strings import LONGEST, Mix
from algoscope.tasks.brackets import CLOSE, OPEN, Brackets
from algoscope.tasks.changes import token_changes

RATED = 20_000
EACH_KIND = 2_000
WALKERS, STEPS, NEIGHBOURS = 100, 8, 10
SHOWN = 8
KINDS = ("dyck", "one_flipped", "two_flipped", "two_swapped", "random", "shuffled")

BEST = Claim(
    "adversarial-best",
    "There are strings that the model is sure of, and wrong about.",
    "probability of the wrong answer",
    "at least 0.9 for the worst that is found",
)
GUIDED = Claim(
    "adversarial-family",
    "Two nested halves with “)(” between them, A)(B, are taken for balanced.",
    "highest probability of “balanced”, over all depths of A and B",
    "at least 0.9",
)
WHERE = Claim(
    "adversarial-where-uneven",
    "A)(B fools the model where the tally head looks unevenly from the position behind A).",
    "rank correlation of unevenness and of the probability of “balanced”, over all depths",
    "at least 0.5",
    "these patches are important for generating adversarial examples",
)
UNGUIDED = Claim(
    "adversarial-unguided",
    "A search that knows nothing of the circuit finds such strings too.",
    "different strings that fool the model",
    "at least 1",
)
RATE = Claim(
    "errors-per-million",
    "On strings of the sampler, mistakes are rare.",
    "wrong answers per million strings",
    "at most 1000",
)
TEXT_ABOVE = (
    "The tally is exact only where attention is even, so a string should fool the model where it is "
    "not. The guided "
    "search tries every A)(B, A and B being nests “((…))” of any depths that fit: they have as many “(” "
    "as “)” and "
    "one suffix, that from “(B”, that is below zero by one. It then walks from the most misleading ones by "
    "turning one or two brackets at a time. The unguided search takes the same walk from strings of the "
    "sampler. Every string counted here was checked against the rule. The rates are those of fresh strings."
)


def fooling(subject: Subject) -> Section:
    """Which strings fool the model, and how often?"""
    model, task = subject.model, Brackets()
    family, depths = nests()
    tokens = task.encode(family)
    balanced = answer_logits(model, task.examples(tokens)).double().softmax(-1)[:, 1]
    nested = among(model, task, tokens)
    walk = token_changes((OPEN, CLOSE), changes=2)
    settings = {"steps": STEPS, "neighbours": NEIGHBOURS, "seed": subject.seed}
    worst = tokens[balanced.argsort(descending=True)[:WALKERS]]
    guided = search(model, task, worst, walk, **settings)
    start = task.sample(WALKERS, subject.seed + 1).tokens
    unguided = search(model, task, start, walk, **settings)
    rates = error_rates(model, task, RATED, subject.seed + 2)
    findings = (
        _best([nested, guided, unguided]),
        _rate(rates),
        _family(family, balanced),
        _where(subject, balanced, depths),
        UNGUIDED.found(
            len(unguided),
            len(unguided) >= 1,
            f"A search from random strings finds {len(unguided):,} strings that fool the model, in "
            f"{unguided.tried:,} tries; the guided one {len(guided):,} in {guided.tried:,}.",
        ),
    )
    return Section(
        "fooling",
        "Which strings fool the model, and how often?",
        TEXT_ABOVE,
        findings,
        (_grid(balanced, depths),),
        (_rate_table(rates, subject),),
        _shown({"A)(B": nested, "guided": guided, "unguided": unguided}),
    )


def nests() -> tuple[list[str], list[tuple[int, int]]]:
    """Every A)(B that fits, with the depths of A and B."""
    room = LONGEST // 2 - 1
    depths = [(a, b) for a in range(1, room + 1) for b in range(room - a + 1)]
    return ["(" * a + ")" * a + ")(" + "(" * b + ")" * b for a, b in depths], depths


def _best(found: list[Fooled]) -> Finding:
    hits = [(each.probability[0].item(), each.tokens[0]) for each in found if len(each)]
    if not hits:
        tried = sum(each.tried for each in found)
        return BEST.found(0.0, False, reason=f"none was found in {tried:,} tries")
    value, tokens = max(hits, key=lambda hit: hit[0])
    claim = f"The model is sure of its answer to {text(tokens)}, and wrong."
    return BEST.found(value, value >= 0.9, claim)


def _family(family: list[str], balanced: Tensor) -> Finding:
    value, best = balanced.max().item(), family[int(balanced.argmax())]
    return GUIDED.found(value, value >= 0.9, f"Of all A)(B, {best} looks most balanced to the model.")


def _where(subject: Subject, balanced: Tensor, depths: list[tuple[int, int]]) -> Finding:
    """Unevenness is that over the suffix of the “(” that begins “(B”, whose tally the model must get "
    "right."""
    found = subject.tally.tally
    if found is None:
        return WHERE.missing(subject.tally.reason or NO_TALLY)
    left, right = Brackets().encode(["(" * LONGEST, ")" * LONGEST])
    pattern = pattern_with_mean_keys(subject.model, left, right, found.head.layer)[found.head.index]
    moved = [suffix.moved for suffix in split_by_order(pattern, range(LONGEST + 1)).suffix]
    uneven = torch.tensor([moved[2 * a + 2] for a, _ in depths])
    value = rank_correlation(uneven, balanced)
    if value != value:
        return WHERE.missing("one of the two is constant")
    reason = f"unevenness is that over a suffix up to {LONGEST} brackets, for shorter strings too"
    return WHERE.found(value, value >= 0.5, reason=reason)


def _rate(rates: dict[str, ErrorRate]) -> Finding:
    wrong, count = sum(rate.wrong for rate in rates.values()), sum(rate.count for rate in rates.values())
    total = ErrorRate(wrong, count)
    claim = (
        f"Of {count:,} fresh strings, the model gets {wrong} wrong (95 % sure: at most {total.at_most:,.0f}"
    )
    return RATE.found(total.per_million, total.per_million <= 1000, f"{claim} per million).")


def _rate_table(rates: dict[str, ErrorRate], subject: Subject) -> Table:
    rows = list(rates.items())
    for kind in KINDS:
        only = Mix(**{name: float(name == kind) for name in KINDS})
        found = error_rates(subject.model, Brackets(only), EACH_KIND, subject.seed + 3).values()
        total = ErrorRate(sum(rate.wrong for rate in found), sum(rate.count for rate in found))
        rows.append((f"sampled as “{kind.replace('_', ' ')}”", total))
    return Table(
        ("kind of string", "strings", "wrong", "wrong per million", "at most (95 %)"),
        tuple(
            (name, rate.count, rate.wrong, round(rate.per_million), round(rate.at_most))
            for name, rate in rows
        ),
        "Mistakes on fresh strings: by fault, and by how the sampler made them.",
    )


def _grid(balanced: Tensor, depths: list[tuple[int, int]]) -> Illustration:
    most = max(a for a, _ in depths)
    grid = torch.full((most, most), torch.nan)
    for value, (a, b) in zip(balanced.tolist(), depths, strict=True):
        grid[a - 1, b] = value
    figure = heatmaps(
        {"probability of “balanced” for A)(B": grid.numpy()},
        [str(2 * a) for a in range(1, most + 1)],
        [str(2 * b) for b in range(most)],
        ("length of A", "length of B"),
        "probability of “balanced”",
    )
    return Illustration(
        figure, "None of these strings is balanced. Where the map is dark, the model takes them for balanced."
    )


def _shown(found: dict[str, Fooled]) -> tuple[ShownInput, ...]:
    task = Brackets()
    return tuple(
        ShownInput(
            task.show(tokens),
            f"{how}: “{task.classes[1 - int(label)]}” with probability {probability:.5f}, and it is "
            f"{task.classes[int(label)]}",
        )
        for how, fooled in found.items()
        for tokens, label, probability in zip(
            fooled.tokens[: SHOWN // 2], fooled.labels, fooled.probability.tolist(), strict=False
        )
    )


def text(tokens: Tensor) -> str:
    """The brackets alone."""
    return "".join({OPEN: "(", CLOSE: ")"}.get(token, "") for token in tokens.tolist())
