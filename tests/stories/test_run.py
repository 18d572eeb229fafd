from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.questions.majority import Majority

from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.errors import UserError
from algoscope.model.transformer import Transformer
from algoscope.questions.bound import at_least
from algoscope.questions.claim import Claim
from algoscope.questions.standard import STANDARD
from algoscope.questions.study import Section
from algoscope.report.findings import findings_json
from algoscope.stories.run import run_study
from algoscope.stories.story import Story, Wording
from algoscope.tasks import registry
from algoscope.tasks.brackets import Brackets
from algoscope.training.recipe import Recipe

DIGITS = f"{Path(__file__).parents[1] / 'tasks/digits.py'}:Digits"
SURE = Claim("always-sure", "The model is sure.", "least probability", at_least(0.5))


def sureness(seen):
    """A question of a text's own."""
    return Section(
        "sureness", "How sure?", "", (SURE.measured(seen.logits.softmax(-1).amax(-1).min().item()),)
    )


class Told(Majority):
    name = "told"
    story = Story(
        "A paper", (sureness,), {"accuracy": Wording("it makes no mistakes", "It is always right.")}
    )


@pytest.fixture(scope="module")
def told(counting):
    said = []
    study = run_study(counting, Told(), Told().sample(200, seed=0), seed=3, tell=said.append)
    return study, said


def test_a_head_that_was_built_by_hand_to_decide_is_found_and_needed(told):
    study, _ = told
    assert study["decisive-head"].value == "0.1"
    assert study["needed-parts"].value == ["0.1"]
    assert study["accuracy"].value == 1


def test_a_texts_own_questions_come_after_the_opening_and_its_words_change_no_bound(told):
    study, _ = told
    assert [section.id for section in study.sections][:5] == [
        "explained",
        "accuracy",
        "decomposition",
        "sureness",
        "attribution",
    ]
    assert len(study.sections) == len(STANDARD) + 1
    claim = study["accuracy"].claim
    assert (claim.sentence, claim.quote, claim.source) == (
        "It is always right.",
        "it makes no mistakes",
        "A paper",
    )
    assert (claim.id, str(claim.bound)) == ("accuracy", "at least 0.99")
    assert study["loss"].claim.source == "algoscope"


def test_each_finding_knows_whether_an_untrained_model_meets_it_too(told):
    study, _ = told
    assert study["accuracy"].untrained is False
    assert study["always-sure"].untrained is True
    assert "An untrained model of this shape meets it too." in study["always-sure"].caveats


def test_what_is_being_done_is_told_before_it_is_done(told):
    _, said = told
    assert said[:3] == ["explained", "accuracy", "decomposition"]
    assert "sureness (of an untrained model)" in said


def test_a_study_records_the_model_the_data_and_the_versions(told, counting):
    study, _ = told
    assert study.model["config"] == counting.model.config.to_dict()
    assert study.data["count"] == study.data["kept"] == sum(study.data["groups"].values()) == 200
    assert study.data["source"] == "sampled by the task with seed 3"
    assert study.versions["torch"] == torch.__version__
    record = json.loads(findings_json(study))
    assert {each["section"] for each in record["findings"]} <= {section.id for section in study.sections}
    assert [each["id"] for each in record["checks"]] == ["decomposition-max-error"]


@pytest.mark.parametrize(("training", "recorded"), [({}, None), ({"steps": 7}, {"steps": 7})])
def test_how_the_model_was_trained_is_recorded_where_the_file_says_it(counting, training, recorded):
    checkpoint = replace(counting, training=training)
    assert run_study(checkpoint, Majority(), Majority().sample(20, seed=0)).model["training"] == recorded


def test_the_same_arguments_give_the_same_findings(told, counting):
    again = run_study(counting, Told(), Told().sample(200, seed=0), seed=3)
    assert findings_json(again) == findings_json(told[0])


def test_an_untrained_model_has_no_roles_and_what_needs_them_says_so_once(untrained_study):
    study = untrained_study
    assert study["accuracy"].holds is False
    assert study["elevation-head"].holds is False
    assert "fewer than 2" in study["elevation-head"].said + study["elevation-head"].note
    (section,) = [section for section in study.sections if section.id == "elevation-attention"]
    assert len(section.open) == 1 < len(section.findings)
    assert study["decomposition-max-error"].holds


@pytest.mark.parametrize("label", [0, 1])
def test_examples_of_one_class_leave_open_what_they_cannot_decide(untrained, label):
    examples = Brackets().sample(150, seed=0)
    study = run_study(untrained, Brackets(), examples[examples.labels == label])
    assert study["elevation-head"].holds is None


def test_a_users_own_task_with_several_answers_gets_every_standard_question():
    task = registry.get(DIGITS)
    recipe = Recipe(n_layers=1, d_model=8, n_heads=2, d_mlp=8, steps=1, batch=1, lr=1e-3)
    model = Transformer(recipe.config(task), seed=0).requires_grad_(False)
    examples = task.sample(100, seed=0)
    study = run_study(Checkpoint(model, "digits", {}, (), "own"), task, examples)
    assert len(study.sections) == len(STANDARD) >= 12
    right = examples.at_answers(model(examples.tokens)).argmax(-1) == examples.labels
    assert study["accuracy"].value == right.double().mean().item()
    assert len(study["accuracy-by-answer"].value) == 4


def test_a_story_may_not_take_a_standard_questions_id(counting):
    def twice(seen):
        return replace(sureness(seen), id="accuracy")

    class Twice(Majority):
        name = "twice"
        story = Story("A paper", (twice,))

    with pytest.raises(UserError, match="there are two sections 'accuracy'"):
        run_study(counting, Twice(), Twice().sample(20, seed=0))


def test_a_story_that_is_none_is_refused(counting):
    class Wrong(Majority):
        name = "wrong"
        story = "once upon a time"

    with pytest.raises(UserError, match="the story of wrong is str: give an algoscope"):
        run_study(counting, Wrong(), Wrong().sample(20, seed=0))


def test_one_example_is_too_few(untrained):
    with pytest.raises(UserError, match="at least 2 examples, not 1"):
        run_study(untrained, Brackets(), Brackets().sample(1, seed=0))
