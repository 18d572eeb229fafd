"""The story can be put to any model of the task, and says why where it can't measure something."""

from __future__ import annotations

import pytest
import torch

from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.questions.claim import Finding
from algoscope.questions.seen import Seen, see
from algoscope.stories.brackets.deciding import elevation_attention
from algoscope.stories.brackets.story import STORY
from algoscope.stories.brackets.subject import Subject, subject_of
from algoscope.tasks.brackets import Brackets

MAKES = {
    "attention-only": {"n_layers": 2, "n_heads": 3},
    "one layer": {"n_layers": 1, "n_heads": 2, "d_mlp": 8, "act_fn": "gelu"},
    "no norm": {"n_layers": 2, "n_heads": 1, "d_mlp": 8, "act_fn": "relu", "normalization_type": "none"},
    "five layers, causal": {
        "n_layers": 5, "n_heads": 1, "attention_dir": "causal", "d_mlp": 4, "act_fn": "relu",
    },
}  # fmt: skip


def a_model(make: str, force: float = 1) -> Transformer:
    usual = {"d_model": 8, "d_head": 4, "n_ctx": 42, "d_vocab": 5, "d_vocab_out": 2, "pad_token": 1}
    config = Config.from_dict(usual | {"attention_dir": "bidirectional"} | MAKES[make])
    model = Transformer(config, seed=1).requires_grad_(False)
    model.unembed.W_U.mul_(force)
    return model


def told(seen: Seen) -> dict[str, Finding]:
    return {finding.id: finding for question in STORY.questions for finding in question(seen).findings}


@pytest.mark.parametrize("force", [1, 100])
@pytest.mark.parametrize("make", MAKES)
def test_any_architecture_can_be_asked_and_what_is_absent_has_a_reason(make, force):
    """With force, heads are found to have parts, so that later questions are asked too."""
    found = told(see(a_model(make, force), Brackets(), Brackets().sample(150, seed=0)))
    assert len(found) > 40
    assert all(finding.note for finding in found.values() if finding.value is None)


@pytest.mark.parametrize("label", [0, 1])
def test_examples_of_one_class_leave_questions_open(label):
    examples = Brackets().sample(200, seed=0)
    found = told(see(a_model("one layer"), Brackets(), examples[examples.labels == label]))
    assert found["elevation-head"].verdict == "open"
    assert found["elevation-circuit-accuracy"].verdict == "open"


def test_strings_that_all_start_closed_leave_the_elevation_head_unread(models):
    examples = Brackets().sample(600, seed=0)
    chosen = ~examples.concepts["starts_open"]
    # One balanced string, to measure pushes from; it is the only one that starts open.
    chosen[int(examples.labels.argmax())] = True
    found = told(see(models["ideal"](), Brackets(), examples[chosen]))
    assert found["elevation-head"].value == "2.0"
    assert found["elevation-head-ablation"].note == "no such string starts with “(”"
    assert found["tally-head"].note == "fewer than two strings start with “(”"


def test_a_part_that_no_head_plays_is_refuted_once_and_leaves_the_rest_open(ask):
    found = {**ask("shipped", "tally_writes"), **ask("shipped", "tally_attention")}
    assert found.pop("tally-head").value == ""
    assert {finding.verdict for finding in found.values()} == {"open"}
    assert len({finding.note for finding in found.values()}) == 1


def test_ties_that_no_order_could_resolve_leave_a_rank_correlation_open(ask):
    assert ask("tied", "tally_writes")["mlp-alignment-predicts-strength"].verdict == "open"
    assert ask("ideal", "nests")["adversarial-where-uneven"].verdict == "open"


def test_without_norms_no_neuron_can_use_one(ask):
    assert ask("ideal", "neurons")["neurons-exactly-half-by-norm"].verdict == "open"


def test_where_no_query_is_uneven_there_is_no_place_for_it(ask):
    assert ask("ideal", "tally_attention")["tally-uneven-later"].verdict == "open"


def test_a_subject_is_made_once_for_all_questions(seen_of):
    seen = seen_of("shipped")
    assert subject_of(seen) is subject_of(seen)
    assert subject_of(seen_of("ideal")) is not subject_of(seen)


def test_heads_are_found_where_the_hand_put_them(seen_of):
    subject = Subject(seen_of("ideal"))
    assert [str(subject.elevation.head), str(subject.negative.head)] == ["2.0", "2.1"]
    assert str(subject.tally.tally.head) == "0.0"
    assert subject.reader.read == 1
    assert subject.mlps == (0, 1)


def test_attention_is_averaged_over_strings_that_start_open_only(ask, seen_of):
    """A shy head looks evenly at a string that starts with “)”: all of 1 is from the others."""
    found = {finding.id: finding for finding in elevation_attention(seen_of("shy")).findings}
    assert found["elevation-head-attention"].value == pytest.approx(1, abs=1e-6)
    closed = seen_of("shy").kept[~seen_of("shy").kept.concepts["starts_open"]]
    even = (1 / (closed.tokens != Brackets.pad).sum(1)).double().mean().item()
    # Even over all but position 1, which is shunned.
    less = found["elevation-head-attention-starts-closed"].value
    assert less < even
    assert torch.isfinite(torch.tensor(less))


@pytest.mark.parametrize(
    ("model", "question", "values"),
    [
        (
            "ideal",
            "elevation_attention",
            {
                "elevation-head-attention": 1,
                "elevation-head-attention-elsewhere": 0,
                "elevation-head-attention-rest": 0,
                "elevation-head-attention-starts-closed": 1,
            },
        ),
        (
            "two positions",
            "elevation_attention",
            {"elevation-head-attention-elsewhere": 0.5, "elevation-head-attention-rest": 0.5},
        ),
        # 0.2 along “)” is 4 logits; balanced strings start with “(”, so zero is none of it.
        ("embedding", "before_elevation", {"embedding-before-elevation": 4}),
        # Of 8 neurons in each layer, two detect a side; none is of another kind.
        ("ideal", "neurons", {"neuron-kinds": 4 / 16, "neurons-above-more-common-later": 0}),
        ("more later", "neurons", {"neurons-above-more-common-later": 1, "neurons-below-rarer-later": 1}),
        ("rarer later", "neurons", {"neurons-below-rarer-later": 0.5}),
        ("composed", "neurons", {"neurons-exactly-half-last": 0.5, "neurons-exactly-half-first": 0}),
        (
            "ideal",
            "tally_attention",
            {"query-exactly-uniform": 1, "tally-before-almost-zero": 1, "tally-after-uniform": 1},
        ),
        # Positions 28 to 35, of 1 to 40.
        ("uneven late", "tally_attention", {"tally-after-uniform": 32 / 40, "tally-uneven-later": 30.5 / 39}),
        # Two of 8 input directions lie along the tally, then four, in 52 dimensions.
        (
            "ideal",
            "tally_writes",
            {"tally-cosine": -1, "tally-lengths": 1, "tally-same-when-equal": 0, "mlp-alignment": [13, 26]},
        ),
        ("unequal", "tally_writes", {"tally-cosine": 0, "tally-lengths": 0.5}),
        (
            "ideal",
            "circuit",
            {
                "elevation-circuit-accuracy": 1,
                "elevation-circuit-accuracy-strict": 1,
                "elevation-circuit-complete": 0,
            },
        ),
        # Two heads move 0.5 and 0.45 of the same.
        ("another reader", "circuit", {"elevation-circuit-complete": 45 / 95}),
        (
            "ideal",
            "negative",
            {"negative-head-attention": 1, "negative-patch-flips": 1, "negative-patch-spares": 0},
        ),
        ("no negative head", "first_bracket", {"first-bracket-head-attention": 1}),
    ],
)
def test_a_number_is_what_the_weights_were_set_to_give(ask, model, question, values):
    found = ask(model, question)
    assert {name: found[name].value for name in values} == {
        name: pytest.approx(value, abs=2e-3) for name, value in values.items()
    }
