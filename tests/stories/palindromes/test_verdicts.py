"""Every claim of the story holds on one model and is refuted on another."""

from __future__ import annotations

import copy

import pytest
import torch
from tests.stories.palindromes.hand import LATER, hand

from algoscope.model.processing import process
from algoscope.model.transformer import Transformer
from algoscope.questions.seen import Seen, see
from algoscope.stories.palindromes import adversarial, circuits, constant, matching, pairs, program, reading
from algoscope.tasks.palindromes import Palindromes, arena_sample


def noise(model: Transformer, name: str, size: float) -> None:
    """As large as the parameter itself, times `size`."""
    value = dict(model.named_parameters())[name]
    drawn = torch.randn(value.shape, generator=torch.Generator().manual_seed(0))
    value.add_(drawn * value.std() * size)


def faint_positions(model: Transformer) -> None:
    model.W_pos.mul_(0.3)


def no_numbers(model: Transformer) -> None:
    model.W_E.zero_()


def one_reader(model: Transformer) -> None:
    """Head 1.1 writes nothing."""
    model.block(1).attn.W_O[1].zero_()


def swapped(model: Transformer) -> None:
    """What layer 1 read as keys it reads as queries; loud, so that some head still counts as reading."""
    attention = model.block(1).attn
    W_Q, b_Q = attention.W_Q.clone(), attention.b_Q.clone()
    attention.W_Q.copy_(attention.W_K)
    attention.b_Q.copy_(attention.b_K)
    attention.W_K.copy_(W_Q)
    attention.b_K.copy_(b_Q)
    model.W_U.mul_(100)


def fresh_readers(model: Transformer) -> None:
    """Layer 1 never learnt to read layer 0; loud, so that some head still counts as reading."""
    fresh = Transformer(model.config, seed=1).block(1).attn
    for name in ("W_Q", "W_K", "W_V", "W_O"):
        getattr(model.block(1).attn, name).copy_(getattr(fresh, name))
    model.W_U.mul_(100)


def far_away(model: Transformer) -> None:
    """A large constant before the final norm, which no class reads: its scale hardly changes any more."""
    away = torch.ones(model.config.d_model)
    away[::2] = -1
    line = model.W_U[:, 0] - model.W_U[:, 1]
    away -= (away @ line) / (line @ line) * line
    away -= away.mean()
    model.block(1).attn.b_O.add_(10 * away)
    model.W_U.mul_(30)


EDITS = {
    "layer 0 writes elsewhere": ("public", lambda model: noise(model, "blocks.0.attn.W_O", 2)),
    "blurred positions": ("public", lambda model: noise(model, "pos_embed.W_pos", 0.5)),
    "faint positions": ("public", faint_positions),
    "quiet layer 0": ("public", lambda model: model.block(0).attn.W_V.mul_(0.3)),
    "blurred reading": ("public", lambda model: noise(model, "blocks.1.attn.W_O", 0.5)),
    "no numbers": ("public", no_numbers),
    "one reader": ("public", one_reader),
    "swapped": ("public", swapped),
    "fresh readers": ("public", fresh_readers),
    "far away": ("processed", far_away),
    "blurred numbers": ("shipped", lambda model: noise(model, "embed.W_E", 0.5)),
    "deaf": ("shipped", lambda model: noise(model, "blocks.0.attn.W_Q", 2)),
}

HOLDS_REFUTED = {
    reading.reading_head: {
        "reading-head": ("public", "no numbers"),
        "reading-head-separation": ("public", "layer 0 writes elsewhere"),
        "early-components-gap": ("public", "swapped"),
        "second-reader-gap": ("public", "layer 0 writes elsewhere"),
    },
    reading.attention: {
        "offending-attention": ("public", "swapped"),
        "palindrome-attention": ("public", "blurred positions"),
        "first-half-attention": ("public", "swapped"),
    },
    reading.asking: {
        "query-zero-ablation": ("public", "blurred positions"),
        "query-mean-ablation": ("public", "blurred positions"),
        "query-alike": ("quiet layer 0", "public"),
        "query-position": ("shipped", "public"),
    },
    matching.matching_head: {
        "matching-head": ("public", "no numbers"),
        "mirror-attention": ("public", "blurred positions"),
        "self-attention": ("public", "blurred numbers"),
        "other-matching-heads": ("public", "shipped"),
    },
    matching.finding_mirrors: {
        "token-qk-diagonal-share": ("public", "deaf"),
        "lambda-most": ("public", "blurred positions"),
        "lambda-failures": ("public", "shipped"),
        "lambda-not-largest": ("by hand", "public"),
        "position-effect": ("public", "deaf"),
    },
    circuits.composing: {
        "composition-k": ("public", "layer 0 writes elsewhere"),
        "composition-v": ("public", "fresh readers"),
        "composition-q": ("swapped", "public"),
        "composition-others": ("public", "shipped"),
    },
    circuits.through: {
        "k-circuit-exceptions": ("public", "layer 0 writes elsewhere"),
        "k-circuit-exceptions-mean-query": ("public", "blurred numbers"),
        "v-circuit-exceptions": ("public", "blurred numbers"),
    },
    circuits.outputs: {
        "outputs-gap": ("public", "blurred numbers"),
        "values-spread": ("public", "layer 0 writes elsewhere"),
    },
    pairs.readers: {
        "pair-readers": ("shipped", "public"),
        "idle-head": ("shipped", "public"),
        "idle-head-by-pair": ("shipped", "public"),
    },
    pairs.weakness: {
        "weak-pairs": ("shipped", "public"),
        "weak-pairs-rank-correlation": ("public", "blurred positions"),
        "weak-pairs-named": ("public", "layer 0 writes elsewhere"),
        "weak-pairs-logit-rank-correlation": ("public", "blurred positions"),
        "weak-pairs-v-circuit-rank-correlation": ("public", "layer 0 writes elsewhere"),
        "wrong-sign-pairs": ("layer 0 writes elsewhere", "public"),
        "two-mismatch-interaction": ("public", "layer 0 writes elsewhere"),
    },
    constant.constant_head: {
        "third-head-zero": ("public", "swapped"),
        "mean-ablation-no-impact": ("layer 0 writes elsewhere", "public"),
        "constant-head": ("public", "shipped"),
        "constant-head-single-route": ("public", "layer 0 writes elsewhere"),
        "constant-head-one-route-enough": ("public", "no numbers"),
        "constant-head-joint-routes": ("public", "faint positions"),
        "constant-head-reading-head": ("one reader", "public"),
        "constant-head-where": ("public", "faint positions"),
        "constant-head-attention": ("public", "faint positions"),
        "constant-head-final-norm": ("public", "far away"),
        "constant-head-learnt": ("one reader", "blurred reading"),
        "constant-head-share": ("no numbers", "public"),
    },
    adversarial.published: {"published-adversarial": ("public", "shipped")},
    adversarial.guided: {"guided-search": ("public", "shipped")},
    program.program: {
        "program-agreement": ("public", "layer 0 writes elsewhere"),
        "program-beats-rule": ("by hand", "by hand, half of it a layer earlier"),
        "program-agreement-on-mistakes": ("public", "layer 0 writes elsewhere"),
        "program-calibration": ("public", "layer 0 writes elsewhere"),
        "program-agreement-unfitted": ("public", "layer 0 writes elsewhere"),
        "program-adversarial-agreement": ("public", "blurred positions"),
    },
}
CASES = [
    (question, identity, name, verdict)
    for question, claims in HOLDS_REFUTED.items()
    for identity, names in claims.items()
    for name, verdict in zip(names, ("holds", "refuted"), strict=True)
]


@pytest.fixture(scope="session")
def models(public, shipped) -> dict[str, Seen]:
    bases = {"public": public.model, "shipped": shipped.model, "processed": process(public.model)}
    by_hand = {"by hand": hand(), "by hand, half of it a layer earlier": hand([LATER[:5], LATER[5:]])}
    made = {name: see(model, Palindromes(), arena_sample(200)) for name, model in by_hand.items()}
    made |= {"public": public, "shipped": shipped}
    for name, (base, edit) in EDITS.items():
        model = copy.deepcopy(bases[base])
        with torch.no_grad():
            edit(model)
        made[name] = see(model, Palindromes(), arena_sample(200))
    return made


@pytest.mark.parametrize(("question", "identity", "name", "verdict"), CASES)
def test_the_verdict_is(question, identity, name, verdict, models, findings):
    found = findings(models[name], question)[identity]
    assert found.verdict == verdict, (found.value, found.said, found.note)


@pytest.mark.parametrize(("said", "verdict"), [([0.4, -0.4, 0.2], "holds"), ([0.4, 0.4, -0.2], "refuted")])
def test_a_program_is_held_against_the_tasks_rule(said, verdict):
    """The model is wrong about the third of three sequences, and the rule about none."""
    did, rule = torch.tensor([0.4, -0.4, 0.2]), torch.tensor([True, False, False])
    said = torch.tensor(said)
    made = program._findings(program.Compared(None, rule, said, did, said))
    found = {each.id: each for each in made}
    assert found["program-beats-rule"].verdict == verdict
    assert found["program-agreement"].verdict == verdict
    assert found["program-agreement-unfitted"].verdict == verdict
    assert found["program-agreement-on-mistakes"].value == (verdict == "holds")
    assert found["program-calibration"].verdict == verdict
    assert found["program-beats-rule"].value == pytest.approx(1 / 3 if verdict == "holds" else -1 / 3)


def test_every_claim_is_in_the_table(models, findings):
    asked = [findings(models["public"], question) for question in HOLDS_REFUTED]
    table = {identity for claims in HOLDS_REFUTED.values() for identity in claims}
    assert {identity for found in asked for identity in found} == table
