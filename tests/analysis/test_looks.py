"""Models that look in one way exactly, by weights set by hand, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from algoscope.analysis.batching import everywhere
from algoscope.analysis.look_patterns import elsewhere, judged, named, queries
from algoscope.analysis.looks import (
    FITS,
    LEAST_SHARE,
    Fit,
    Look,
    best_of,
    looks,
    overlap,
    picture,
    steadiness,
)
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

WORDS, SEQ = ("0", "1", "2", "3", "4", "5", "?", "pad"), 8
PAD = 7
SURE = 60.0
"""A score so much above the others leaves them nothing."""


def looking(
    by_place: Tensor | None = None, by_token: Tensor | None = None, direction: str = "bidirectional",
    token_to_place: Tensor | None = None,
) -> Transformer:  # fmt: skip
    """One head without a norm: its scores are these tables, of query and key, times SURE."""
    words, d_model = len(WORDS), len(WORDS) + SEQ
    config = Config(
        n_layers=1, d_model=d_model, n_heads=1, d_head=d_model, n_ctx=SEQ, d_vocab=words, d_vocab_out=2,
        attention_dir=direction, normalization_type="none", pad_token=PAD,
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    model.W_E.copy_(torch.eye(words, d_model))
    model.W_pos.copy_(torch.eye(d_model)[words:])
    attention = model.blocks[0].attn
    attention.W_Q.zero_()
    for table, rows, columns in (
        (by_token, slice(words), slice(words)),
        (by_place, slice(words, None), slice(words, None)),
        (token_to_place, slice(words), slice(words, None)),
    ):
        if table is not None:
            attention.W_Q[0, rows, columns] = table.float() * SURE * d_model**0.5
    attention.W_K[0] = torch.eye(d_model)
    return model


def some(n: int = 200, padded: bool = False, seed: int = 0) -> Examples:
    """Digits and a question mark, answered there with the largest digit; padded ones are 5 to 8 long."""
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(6, (n, SEQ), generator=generator)
    lengths = torch.randint(5, SEQ + 1, (n,), generator=generator) if padded else torch.full((n,), SEQ)
    tokens[torch.arange(SEQ) >= lengths[:, None]] = PAD
    tokens[torch.arange(n), lengths - 1] = 6
    largest = tokens.masked_fill(tokens > 5, -1).amax(1)
    concepts = {"odd": (tokens % 2 == 1) & (tokens < 6), "half": tokens // 2, "largest": largest}
    return Examples(tokens, largest, concepts, tokens == 6)


def copying() -> Examples:
    """3 to 5 digits, then three places that ask for the first three: a token of its own for each."""
    generator = torch.Generator().manual_seed(3)
    lengths = torch.randint(3, 6, (200, 1), generator=generator)
    place = torch.arange(SEQ)
    tokens = torch.randint(3, (200, SEQ), generator=generator)
    asking = (place >= lengths) & (place < lengths + 3)
    tokens = torch.where(asking, 3 + place - lengths, tokens)
    tokens[place >= lengths + 3] = PAD
    return Examples(tokens, tokens[:, :3].flatten(), {}, asking)


def shifted(by: int) -> Tensor:
    """A table that marks, for each query, the key `by` places further."""
    return torch.eye(SEQ + 9).roll(by, 1)[:SEQ, :SEQ]


def column(size: int, key: int) -> Tensor:
    return torch.eye(size)[key].expand(size, size)


ALIKE = torch.eye(len(WORDS))
PLACES = torch.eye(SEQ)
ASKS_IN_TURN = torch.zeros(len(WORDS), SEQ)
ASKS_IN_TURN[[3, 4, 5], [0, 1, 2]] = 1
LARGER = torch.zeros(len(WORDS), len(WORDS))
LARGER[6, :6] = torch.arange(6.0)
BACKWARDS = torch.zeros(SEQ, SEQ)
BACKWARDS[[5, 6, 7], [5, 4, 3]] = 1
FIXED = some()
LAST_THREE = Examples(
    FIXED.tokens, FIXED.tokens[:, :3].flatten() % 6, {}, (torch.arange(SEQ) > 4).expand(200, SEQ)
)


@dataclass(frozen=True)
class Case:
    """A model, and inputs on which only one pattern says what it does."""

    model: Transformer
    examples: Examples = FIXED
    answers_only: bool = False


CASES = {
    "even": Case(looking(), some(padded=True)),
    "self": Case(looking(PLACES), some(padded=True)),
    "previous": Case(looking(shifted(-1)), some(padded=True)),
    "next": Case(looking(shifted(1)), some(padded=True)),
    "first": Case(looking(column(SEQ, 0)), some(padded=True)),
    "last": Case(looking(by_token=column(len(WORDS), 6)), some(padded=True)),
    "prefix": Case(looking(torch.ones(SEQ, SEQ).tril()), some(padded=True)),
    "suffix": Case(looking(torch.ones(SEQ, SEQ).triu()), some(padded=True)),
    "mirrored": Case(looking(PLACES.flip(0))),
    "offset -3": Case(looking(shifted(-3))),
    "offset +4": Case(looking(shifted(4))),
    "counted 0": Case(looking(token_to_place=ASKS_IN_TURN), copying(), True),
    "counted 2": Case(looking(token_to_place=ASKS_IN_TURN.roll(2, 1)), copying(), True),
    "counted back 0": Case(looking(BACKWARDS), LAST_THREE, True),
    "counted back 2": Case(looking(BACKWARDS.roll(-2, 1)), LAST_THREE, True),
    "place 3": Case(looking(column(SEQ, 3))),
    "answer": Case(looking(by_token=LARGER), some(padded=True), True),
    "same token": Case(looking(-2 * PLACES, ALIKE)),
    "own token": Case(looking(by_token=ALIKE)),
    "token 4": Case(looking(by_token=column(len(WORDS), 4))),
    "concept odd": Case(looking(by_token=torch.tensor([0, 1, 0, 1, 0, 1, 0, 0]).expand(8, 8))),
    "same half": Case(looking(by_token=torch.block_diag(*[torch.ones(2, 2)] * 4))),
}  # fmt: skip
CAUSAL = {
    "even": Case(looking(direction="causal"), some(padded=True)),
    "previous": Case(looking(shifted(-1), direction="causal"), some(padded=True)),
    "first": Case(looking(column(SEQ, 0), direction="causal"), some(padded=True)),
    "mirrored": Case(looking(PLACES.flip(0), direction="causal")),
    "same token": Case(looking(-2 * PLACES, ALIKE, "causal")),
}


def look_of(case: Case) -> Look:
    at = case.examples.answered if case.answers_only else everywhere(case.examples)
    return look_at(case.model, case.examples, at)


def look_at(model: Transformer, examples: Examples, at: Tensor, head: Head = Head(0, 0)) -> Look:  # noqa: B008
    return looks(model, examples, [head], {"there": at}, WORDS, (*range(6), -1, -1))["there"][head]


@pytest.mark.parametrize(
    ("name", "case"), [*CASES.items(), *CAUSAL.items()], ids=[*CASES, *(f"{name}, causal" for name in CAUSAL)]
)
def test_a_head_that_looks_in_one_way_is_said_to_and_the_others_lose(name, case):
    look = look_of(case)
    assert look.best.pattern.name == name
    assert look.best.score > 0.999
    assert look.best.fitting
    assert look.words.startswith(look.best.pattern.words)
    assert look.runner_up.explained < 0.95


def test_a_head_looks_at_the_token_after_an_earlier_one_like_its_own():
    look = look_at(induction(), repeated(), everywhere(repeated()), Head(1, 0))
    assert look.best.pattern.name == "after same"
    assert look.best.score > 0.999
    assert look.runner_up.explained < 0.95


def induction() -> Transformer:
    """Head 0.0 copies the previous token to a space of its own; head 1.0 finds its own token there."""
    words, places = len(WORDS), 16
    d_model = 2 * words + places
    config = Config(
        n_layers=2, d_model=d_model, n_heads=1, d_head=d_model, n_ctx=places, d_vocab=words, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    model.W_E.copy_(torch.eye(words, d_model))
    model.W_pos.copy_(torch.eye(d_model)[words:-words])
    first, second = (model.blocks[layer].attn for layer in (0, 1))
    for attention in (first, second):
        attention.W_Q.zero_()
        attention.W_K[0] = torch.eye(d_model)
    sure = SURE * d_model**0.5
    first.W_Q[0, words:-words, words:-words] = torch.eye(places).roll(-1, 1).tril() * sure
    first.W_V[0] = torch.eye(d_model)
    first.W_O.zero_()
    first.W_O[0, :words, -words:] = torch.eye(words)
    second.W_Q[0, :words, -words:] = torch.eye(words) * sure
    return model


def repeated() -> Examples:
    """Token 6 at the start, where there is no previous one, then few enough tokens that many come again."""
    tokens = torch.randint(6, (100, 16), generator=torch.Generator().manual_seed(1))
    tokens[:, 0] = 6
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    answered[:, -1] = True
    return Examples(tokens, tokens[:, 1], {}, answered)


def test_a_head_that_looks_at_random_keys_looks_in_none_of_these_ways():
    scores = torch.randn(SEQ, SEQ, generator=torch.Generator().manual_seed(0))
    look = look_of(Case(looking(scores, torch.randn(8, 8, generator=torch.Generator().manual_seed(1)))))
    assert not look.best.fitting
    assert look.words == "in none of these ways"
    assert look.best.score < FITS


@pytest.mark.parametrize("seed", range(3))
def test_a_model_that_was_never_trained_looks_evenly_or_in_none_of_these_ways(seed):
    config = Config(
        n_layers=2, d_model=16, n_heads=2, d_head=8, n_ctx=SEQ, d_vocab=8, d_vocab_out=2,
        attention_dir="bidirectional", pad_token=PAD,
    )  # fmt: skip
    examples = some(padded=True)
    heads = [Head(layer, index) for layer in (0, 1) for index in (0, 1)]
    found = looks(Transformer(config, seed), examples, heads, {"": everywhere(examples)}, WORDS)[""]
    assert tuple(found) == tuple(heads)
    assert all(look.best.pattern.name == "even" or not look.best.fitting for look in found.values())


def test_two_heads_of_one_layer_are_told_apart_and_come_in_the_order_asked_for():
    config = Config(
        n_layers=1, d_model=SEQ, n_heads=2, d_head=SEQ, n_ctx=SEQ, d_vocab=8, d_vocab_out=2,
        attention_dir="bidirectional", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    model.W_E.zero_()
    model.W_pos.copy_(PLACES)
    attention = model.blocks[0].attn
    attention.W_K.copy_(PLACES.expand(2, -1, -1))
    attention.W_Q.copy_(torch.stack([shifted(-1), shifted(1)]) * SURE * SEQ**0.5)
    places = {"all": everywhere(FIXED), "last": FIXED.answered}
    found = looks(model, FIXED, [Head(0, 1), Head(0, 0)], places, WORDS)
    assert [look.best.pattern.name for look in found["all"].values()] == ["next", "previous"]
    # The last place has no next one: that head looks anywhere from there.
    assert [look.best.pattern.name for look in found["last"].values()] == ["even", "previous"]
    with pytest.raises(UserError, match=r"head 1\.0 does not exist"):
        looks(model, FIXED, [Head(1, 0)], places, WORDS)


def best_and_all(attention, asked, patterns):
    [overlaps], there = overlap(attention[None].double(), asked, patterns)
    return best_of(patterns, overlaps, there)


def test_a_share_of_attention_is_its_score():
    """0.6 to the place before, 0.4 to itself: by hand, on rows of which the first has no place before."""
    attention = torch.eye(4) * 0.4 + torch.eye(4).roll(-1, 1) * 0.6
    tokens = torch.tensor([[0, 1, 2, 3]])
    examples = Examples(tokens, torch.tensor([0]), {}, torch.tensor([[True, False, False, False]]))
    model = looking()
    asked = queries(model.config, examples, everywhere(examples))
    fits = {fit.pattern.name: fit for fit in best_and_all(attention, asked, named(4, WORDS, {}))[1]}
    assert fits["previous"].score == pytest.approx(0.6)
    assert fits["previous"].share == 0.75
    assert fits["self"].score == pytest.approx(0.4)
    # Even puts a quarter on each: min(0.6, 0.25) + min(0.4, 0.25).
    assert fits["even"].score == fits["previous"].even == pytest.approx(0.5)


def test_slow_and_obvious_loops_find_the_same_keys():
    examples = copying()
    config = looking(direction="causal").config
    at = judged(config, examples, everywhere(examples))
    asked = queries(config, examples, at)
    marks = {pattern.name: (pattern.keys(asked) & asked.seen).tolist() for pattern in named(SEQ, WORDS, {})}
    for row, (example, query) in enumerate(at.nonzero().tolist()):
        tokens = [token for token in examples.tokens[example].tolist() if token != PAD]
        start = tokens.index(3)
        wanted: dict[str, list[bool]] = {
            name: [False] * SEQ
            for name in ("mirrored", "same token", "after same", "counted 1", "counted back 1")
        }
        for key in range(query + 1):
            wanted["mirrored"][key] = key == len(tokens) - 1 - query
            wanted["same token"][key] = key != query and tokens[key] == tokens[query]
            wanted["after same"][key] = key > 0 and tokens[key - 1] == tokens[query]
            wanted["counted 1"][key] = query >= start and key == query - start + 1
            wanted["counted back 1"][key] = query >= start and key == start - (query - start) - 1
        assert wanted == {name: marks[name][row] for name in wanted}


def test_a_narrow_pattern_takes_over_only_if_it_fits_better_on_its_own_rows():
    """First, but at the token after an earlier same one in half of the rows that have one, or in all."""
    examples = repeated()
    asked = queries(induction().config, examples, everywhere(examples))
    patterns = {pattern.name: pattern for pattern in named(16, WORDS, {})}
    keys = patterns["after same"].keys(asked) & asked.seen
    there = keys.any(1)
    first = torch.eye(16).double()[torch.zeros(len(keys), dtype=torch.long)]
    both = torch.where(there[:, None], keys / keys.sum(1, keepdim=True).clamp(min=1), first)
    half = (first + both) / 2
    for attention, name in ((first, "first"), (half, "first"), (both, "after same")):
        best, _ = best_and_all(attention, asked, tuple(patterns.values()))
        assert best.pattern.name == name


def test_where_the_best_pattern_has_no_key_another_is_named():
    """At place 7 itself, and before that 4 places back, which places 0 to 3 can't."""
    model = looking(torch.cat([shifted(-4)[:-1], PLACES[-1:]]), direction="causal")
    at = torch.zeros(200, SEQ, dtype=torch.bool)
    at[:, 4:] = True
    look = look_at(model, FIXED, at)
    assert (look.best.pattern.name, look.best.share) == ("last", 0.25)
    assert look.otherwise.pattern.name == "offset -4"
    assert look.words == "at the last place where it can, otherwise 4 places before its own"
    assert look.score == pytest.approx(1)


def test_attention_without_a_key_for_the_best_pattern_counts_against_the_whole():
    """Half of the rows mirror, the others look at what they may, which no pattern says."""
    look = look_of(CAUSAL["mirrored"])
    assert look.best.pattern.name == "mirrored"
    assert look.otherwise.pattern.name == "even"
    assert look.score == pytest.approx(1)
    assert look_of(CASES["self"]).otherwise is None


def test_places_without_a_choice_are_not_judged():
    examples = some(padded=True)
    real = examples.tokens != PAD
    causal = judged(looking(direction="causal").config, examples, everywhere(examples))
    assert not causal[:, 0].any()
    assert torch.equal(causal[:, 1:], real[:, 1:])
    assert torch.equal(judged(looking().config, examples, everywhere(examples)), real)
    first = torch.zeros_like(real)
    first[:, 0] = True
    assert looks(looking(direction="causal"), examples, [Head(0, 0)], {"first": first}, WORDS) == {}


def test_padding_on_the_left_moves_the_first_place():
    examples = some(padded=True)
    places = torch.arange(SEQ).expand_as(examples.tokens)
    left = Examples(examples.tokens.flip(1), examples.labels, {}, examples.answered.flip(1), places)
    model = looking(by_token=column(len(WORDS), 6))
    found = look_at(model, left, everywhere(left))
    assert found.best.pattern.name == "first"
    assert found.best.score > 0.999


def test_too_few_rows_with_a_key_are_not_tried():
    examples = some()
    look = look_of(Case(looking(), examples))
    assert look["offset +6"].share == pytest.approx(2 / SEQ)
    assert look["offset +8"] is None
    assert all(fit.share >= LEAST_SHARE for fit in look.fits)


def test_the_runner_up_is_nearest_of_those_that_mark_other_keys():
    first, last, same, near = named(SEQ, WORDS, {})[4:8]
    best = Fit(first, 0.95, 0.3, 1.0)
    fits = (best, Fit(same, 0.95, 0.3, 1.0), Fit(near, 0.9, 0.3, 1.0), Fit(last, 0.93, 0.3, 0.5))
    assert Look(Head(0, 0), best, None, fits, None).runner_up is fits[2]


def test_looking_by_place_is_steady_and_looking_by_token_is_not():
    assert look_of(CASES["previous"]).steady > 0.999
    assert look_of(CASES["token 4"]).steady < FITS


def test_a_row_that_no_other_compares_with_says_nothing_of_steadiness():
    examples = some(1)
    asked = queries(looking().config, examples, everywhere(examples))
    assert steadiness(torch.eye(SEQ).double(), asked.kind) is None


def test_elsewhere_is_where_a_later_layer_can_read_it():
    config = induction().config
    answered = torch.tensor([[False, True, False, True, False]])
    examples = Examples(torch.zeros(1, 5, dtype=torch.long), torch.tensor([0, 0]), {}, answered)
    assert elsewhere(config, examples, 0).tolist() == [[True, False, True, False, False]]
    assert not elsewhere(config, examples, 1).any()
    both = Config(**config.to_dict() | {"attention_dir": "bidirectional"})
    assert elsewhere(both, examples, 0).tolist() == [[True, False, True, False, True]]


def test_a_picture_shows_the_mean_from_each_place_that_was_judged():
    case = CASES["counted 0"]
    shown = picture(case.model, case.examples, look_of(case), case.examples.answered)
    assert shown.query.tolist() == [3, 4, 5, 6, 7]
    assert torch.allclose(shown.attention, shown.target, atol=1e-5)
    # From place 4, an input of 3 digits asks for its second, one of 4 for its first.
    of_three = (case.examples.tokens[:, 3] == 3).sum()
    of_four = (case.examples.tokens[:, 4] == 3).sum()
    assert shown.attention[1, 1].item() == pytest.approx((of_three / (of_three + of_four)).item())


def test_a_picture_is_blank_where_the_pattern_has_no_key():
    case = CASES["previous"]
    shown = picture(case.model, case.examples, look_of(case), everywhere(case.examples))
    assert shown.target[0].isnan().all()
    assert not shown.target[1:].isnan().any()


@given(st.integers(0, 999), st.sampled_from(["causal", "bidirectional"]))
@settings(max_examples=20, deadline=None)
def test_scores_are_shares_and_the_order_of_examples_changes_nothing(seed, direction):
    generator = torch.Generator().manual_seed(seed)
    tables = (torch.randn(size, size, generator=generator) / SURE * 3 for size in (SEQ, len(WORDS)))
    model = looking(*tables, direction)
    examples = some(20, padded=True, seed=seed)
    order = torch.randperm(20, generator=generator)
    look, again = (look_of(Case(model, each)) for each in (examples, examples[order]))
    for fit, same in zip(look.fits, again.fits, strict=True):
        assert 0 <= fit.score <= 1
        assert fit.pattern.name == same.pattern.name
        assert (fit.score, fit.even, fit.share) == pytest.approx((same.score, same.even, same.share))
    assert look.steady == pytest.approx(again.steady)
