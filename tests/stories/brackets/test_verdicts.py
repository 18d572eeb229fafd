"""Every claim has a model on which it holds, and one on which it doesn't."""

from __future__ import annotations

import pytest

from algoscope.stories.brackets.story import STORY

PUBLIC = "public"
VERDICTS = {
    "deciding_heads": {
        "elevation-head": ("ideal", "untrained"),
        "negative-head": ("ideal", "even"),
        "elevation-head-ablation": ("ideal", "shipped"),
    },
    "elevation_attention": {
        "elevation-head-attention": ("ideal", "shipped"),
        "elevation-head-attention-elsewhere": ("ideal", "two positions"),
        "elevation-head-attention-rest": ("ideal", "two positions"),
        "elevation-head-attention-starts-closed": ("shy", "ideal"),
    },
    "before_elevation": {
        "ln-elevation-input-r2": ("shipped", "equal by the norm"),
        "last-mlp-important": ("ideal", "first MLP only"),
        "first-mlp-important": ("first MLP only", "ideal"),
        "embedding-before-elevation": ("ideal", "embedding"),
        "negative-into-elevation": ("told", "ideal"),
        "mlp-sharp-at-half": ("leaning hardly", "shipped"),
    },
    "neurons": {
        "neuron-kinds": ("ideal", "first MLP only"),
        "neurons-above-more-common-later": ("more later", "ideal"),
        "neurons-below-rarer-later": ("rarer later", "ideal"),
        "neurons-exactly-half-last": ("composed", "ideal"),
        "neurons-exactly-half-first": ("composed", "loud"),
        "neurons-exactly-half-by-norm": (PUBLIC, "loud"),
    },
    "tally_attention": {
        "query-uniformity": ("ideal", "leaning"),
        "query-exactly-uniform": ("ideal", "leaning"),
        "tally-before-almost-zero": ("ideal", "even"),
        "tally-after-uniform": ("ideal", "uneven late"),
        "tally-uneven-later": ("uneven late", "uneven early"),
        "tally-less-pronounced-for-close": ("close distracts", "open distracts"),
    },
    "tally_writes": {
        "tally-head": ("ideal", "shipped"),
        "tally-cosine": ("ideal", "orthogonal"),
        "tally-lengths": ("ideal", "unequal"),
        "tally-predicts-difference-r2": ("ideal", "leaning"),
        "tally-without-length-r2": ("ideal, one length", "ideal"),
        "tally-same-when-equal": ("ideal", "leaning"),
        "mlp-alignment": ("ideal", "wide"),
        "mlp-alignment-predicts-strength": ("ideal", "against"),
    },
    "circuit": {
        "elevation-circuit-accuracy": ("ideal", "another reader"),
        "elevation-circuit-accuracy-strict": ("ideal", PUBLIC),
        "elevation-path-edges": ("ideal", "past the MLPs"),
        "elevation-circuit-complete": ("ideal", "another reader"),
    },
    "negative": {
        "negative-head-attention": ("ideal", "needs many"),
        "negative-head-attention-lift": ("ideal", "needs many"),
        "negative-mlps-correlation": ("ideal", "shipped"),
        "negative-patch-flips": ("ideal", "needs many"),
        "negative-patch-spares": ("ideal", "rejects all"),
    },
    "first_bracket": {
        "first-bracket-head": ("ideal", "two notice the first"),
        "first-bracket-head-attention": ("no negative head", "ideal"),
    },
    "nests": {
        "adversarial-family": ("leaning late", "ideal"),
        "adversarial-where-uneven": ("leaning late", "uneven late"),
    },
}
CASES = sorted(
    (model, question, identity, verdict)
    for question, claims in VERDICTS.items()
    for identity, models in claims.items()
    for model, verdict in zip(models, ("holds", "refuted"), strict=True)
)
"""Model by model: a story keeps what it knows of one only."""


@pytest.mark.parametrize(
    ("model", "question", "identity", "verdict"), CASES, ids=lambda value: value.replace(" ", "_")
)
def test_a_claim_is_judged_as_the_model_was_made(ask, request, model, question, identity, verdict):
    found = request.getfixturevalue("public").found if model == PUBLIC else ask(model, question)
    assert found[identity].verdict == verdict, found[identity]


def test_every_claim_is_among_them(ask):
    asked = {question.__name__: set(ask("shipped", question.__name__)) for question in STORY.questions}
    tested = {question: set(claims) for question, claims in VERDICTS.items()}
    assert asked == tested
