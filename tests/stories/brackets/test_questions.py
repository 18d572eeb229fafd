"""The study can be put to any model of the task."""

from __future__ import annotations

import pytest
import torch

from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.questions.seen import observe
from algoscope.stories.brackets.negative import below_zero
from algoscope.stories.brackets.pairs import first_turned, with_balanced
from algoscope.stories.brackets.questions import questions
from algoscope.tasks.brackets import Brackets

MAKES = {
    "attention-only": {"n_layers": 2, "n_heads": 3},
    "one layer": {"n_layers": 1, "n_heads": 2, "d_mlp": 8, "act_fn": "gelu"},
    "no norm": {"n_layers": 2, "n_heads": 1, "d_mlp": 8, "act_fn": "relu", "normalization_type": "none"},
    "five layers, causal": {
        "n_layers": 5,
        "n_heads": 1,
        "attention_dir": "causal",
        "d_mlp": 4,
        "act_fn": "relu",
    },
}


def a_model(make: str) -> Transformer:
    usual = {"d_model": 8, "d_head": 4, "n_ctx": 42, "d_vocab": 5, "d_vocab_out": 2, "pad_token": 1}
    config = Config.from_dict(usual | {"attention_dir": "bidirectional"} | MAKES[make])
    return Transformer(config, seed=1).requires_grad_(False)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    from algoscope.stories.brackets import fooling

    for name, value in {"RATED": 200, "EACH_KIND": 20, "WALKERS": 5, "STEPS": 2, "NEIGHBOURS": 3}.items():
        monkeypatch.setattr(fooling, name, value)


@pytest.mark.parametrize("make", MAKES)
def test_any_architecture_can_be_studied_and_what_is_absent_has_a_reason(make):
    sections = questions(observe(a_model(make), Brackets(), Brackets().sample(300, seed=0)), 0)
    findings = [finding for section in sections for finding in section.findings]
    assert len({finding.id for finding in findings}) == len(findings) > 50
    assert all(finding.reason for finding in findings if finding.value is None)
    assert next(finding for finding in findings if finding.id == "accuracy").holds is False


def test_a_model_with_strong_roles_of_its_own_is_followed_through_every_question():
    """Scaled up, an untrained model's heads push hard, so that roles are found and later questions asked."""
    model = a_model("no norm")
    with torch.no_grad():
        model.unembed.W_U.mul_(100)
    sections = questions(observe(model, Brackets(), Brackets().sample(300, seed=0)), 0)
    found = {finding.id: finding for section in sections for finding in section.findings}
    assert found["elevation-head-attention"].value is not None or found["elevation-head"].value is None


@pytest.mark.parametrize("label", [0, 1])
def test_examples_of_one_class_leave_questions_open(label):
    examples = Brackets().sample(200, seed=0)
    seen = observe(a_model("one layer"), Brackets(), examples[examples.labels == label])
    found = {finding.id: finding for section in questions(seen, 0) for finding in section.findings}
    assert found["elevation-head"].value is None
    assert found["circuit-only-accuracy"].holds is None


def test_pairs_have_one_length_and_a_balanced_partner():
    examples = Brackets().sample(400, seed=0)
    chosen, partners = with_balanced(examples, examples.labels == 0, most=50)
    assert len(chosen) == len(partners) == 50
    assert torch.equal((chosen.tokens == 1).sum(1), (partners.tokens == 1).sum(1))
    assert (chosen.labels == 0).all()
    assert (partners.labels == 1).all()


def test_turning_the_first_two_brackets_breaks_a_balanced_string_and_nothing_else():
    wrong, right = first_turned(Brackets().sample(100, seed=0), most=20)
    assert (wrong.labels == 0).all()
    assert (right.labels == 1).all()
    assert torch.equal(wrong.tokens[:, 3:], right.tokens[:, 3:])
    assert wrong.tokens[:, 1:3].tolist() == [[4, 3]] * len(wrong)


def test_suffixes_below_zero_are_those_of_brackets_that_nothing_closes():
    examples = Brackets().examples(Brackets().encode(["()(", "(())"]))
    low, bracket = below_zero(examples.tokens, examples.concepts["suffix_elevation"])
    assert low[0, :5].tolist() == [False, True, False, True, False]
    assert not low[1].any()
    assert bracket.sum(1).tolist() == [3, 4]
