from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algoscope import checkpoints
from algoscope.errors import UserError
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.report.findings import findings_json
from algoscope.stories.run import run_study
from algoscope.tasks import registry
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.palindromes import Palindromes

DOCS = Path(__file__).parents[2] / "docs/findings.md"
SORTING = f"{Path(__file__).parents[1] / 'tasks/sorting.py'}:Sorting"


def by_id(study):
    return {finding.id: finding for finding in study.findings}


@pytest.fixture(scope="module")
def public_study(reference: Path):
    checkpoint = checkpoints.read(reference / "arena/brackets_model_state_dict.pt", task="brackets")
    return run_study(checkpoint, Brackets(), Brackets().sample(2000, seed=0))


def test_a_head_that_was_built_by_hand_to_decide_is_found(counting_model, majority):
    checkpoint = Checkpoint(counting_model, "majority", {}, (), "counting")
    found = by_id(run_study(checkpoint, majority, majority.sample(300, seed=0)))
    assert found["decisive-head"].value == "0.1"
    assert found["accuracy"].value == 1
    assert found["accuracy-more-ones"].value == 1
    assert found["ln-final-r2"].reason == "the model has no final layer norm"


def test_an_untrained_model_has_no_roles_and_later_findings_say_so(untrained):
    found = by_id(run_study(untrained, Brackets(), Brackets().sample(500, seed=0)))
    assert found["accuracy"].holds is False
    for role in ("elevation-head", "negative-head"):
        assert found[role].value is None
        assert found[role].holds is False
        assert "fewer than 2" in found[role].reason
    assert found["elevation-head-attention"].value is None
    assert found["elevation-head-attention"].reason == "no elevation head was found"
    assert found["decomposition-max-error"].holds


def test_the_same_arguments_give_the_same_findings(untrained):
    task = Brackets()
    first, second = (run_study(untrained, task, task.sample(200, seed=1), seed=1) for _ in range(2))
    assert findings_json(first) == findings_json(second)


@pytest.mark.parametrize("kept", ["unbalanced only", "balanced only"])
def test_examples_of_one_class_leave_open_what_they_cannot_decide(untrained, kept):
    examples = Brackets().sample(200, seed=0)
    examples = examples[examples.labels == (0 if kept == "unbalanced only" else 1)]
    found = by_id(run_study(untrained, Brackets(), examples))
    assert found["elevation-head"].value is None
    assert found["elevation-head"].holds is None
    empty = "accuracy-balanced" if kept == "unbalanced only" else "accuracy-both-failures"
    assert found[empty].value is None
    assert found[empty].reason == "there is no such example"


def test_a_task_with_ten_classes_and_four_answers_can_be_studied():
    task = registry.get(SORTING)
    config = Config(
        n_layers=1,
        d_model=8,
        n_heads=2,
        d_head=4,
        n_ctx=task.n_ctx,
        d_vocab=len(task.vocabulary),
        d_vocab_out=len(task.classes),
        attention_dir="causal",
    )
    checkpoint = Checkpoint(Transformer(config).requires_grad_(False), "sorting", {}, (), "sorter")
    examples = task.sample(100, seed=0)
    found = by_id(run_study(checkpoint, task, examples))
    logits = checkpoint.model(examples.tokens)[:, task.answer]
    assert found["accuracy"].value == (logits.argmax(-1) == examples.labels).double().mean().item()
    assert found["decisive-head"].holds is False


def test_accuracy_is_that_of_an_ordinary_forward_pass(untrained):
    task = Brackets()
    examples = task.sample(300, seed=2)
    right = untrained.model(examples.tokens)[:, 0].argmax(-1) == examples.labels
    found = by_id(run_study(untrained, task, examples))
    assert found["accuracy"].value == right.double().mean().item()
    for name, mask in task.groups(examples).items():
        assert found["accuracy-" + name.replace(" ", "-")].value == right[mask].double().mean().item()


def test_one_example_is_too_few(untrained):
    with pytest.raises(UserError, match="at least 2 examples, not 1"):
        run_study(untrained, Brackets(), Brackets().sample(1, seed=0))


def test_a_study_records_the_model_the_data_and_the_versions(untrained):
    examples = Brackets().sample(100, seed=4)
    trained = replace(untrained, training={"steps": 7})
    study = run_study(trained, Brackets(), examples, seed=4)
    assert study.model["config"] == untrained.model.config.to_dict()
    assert study.model["training"] == {"steps": 7}
    assert study.data["count"] == sum(study.data["groups"].values()) == 100
    assert study.data["source"] == "sampled by the task with seed 4"
    assert study.versions["torch"] == torch.__version__


@pytest.mark.parametrize("task", [Brackets(), Palindromes()], ids=lambda task: task.name)
def test_every_id_of_a_study_is_documented(task):
    config = {"n_layers": 1, "d_model": 8, "n_heads": 1, "d_head": 8, "n_ctx": task.n_ctx}
    config |= {"d_vocab": len(task.vocabulary), "d_vocab_out": 2, "pad_token": task.pad}
    model = Transformer(Config.from_dict(config | {"attention_dir": "causal"})).requires_grad_(False)
    study = run_study(Checkpoint(model, task.name, {}, (), "toy"), task, task.sample(100, seed=0))
    documented = DOCS.read_text(encoding="utf-8")
    assert [finding.id for finding in study.findings if f"`{finding.id}`" not in documented] == []


def test_ids_are_distinct_and_sections_are_named_in_the_json(untrained):
    study = run_study(untrained, Brackets(), Brackets().sample(100, seed=0))
    record = json.loads(findings_json(study))
    ids = [finding["id"] for finding in record["findings"]]
    assert len(set(ids)) == len(ids)
    assert {finding["section"] for finding in record["findings"]} == {
        section.id for section in study.sections if section.findings
    }


def test_on_the_public_model_2_0_is_the_elevation_head_and_2_1_the_negative_head(public_study):
    found = by_id(public_study)
    assert found["elevation-head"].value == "2.0"
    assert found["negative-head"].value == "2.1"
    assert found["elevation-head-attention"].holds
    assert "position, 1:" in found["elevation-head-attention"].claim
    assert found["accuracy"].holds
