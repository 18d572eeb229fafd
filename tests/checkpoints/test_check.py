"""Is a model at chance told from one that knows its task, and are the assumptions listed then?"""

from __future__ import annotations

import pytest
import torch

from algoscope import checkpoints
from algoscope.checkpoints.check import Score, assumptions, check, doubt, score
from algoscope.checkpoints.checkpoint import Checkpoint, write
from algoscope.checkpoints.settings import Inference
from algoscope.tasks import registry
from algoscope.tasks.task import Examples

SURE = Inference("n_layers", 2, "number of blocks")
UNSURE = Inference("act_fn", "relu", "usual for the task", assumed=True)


def of(model, inferred=()):
    return Checkpoint(model, None, {}, tuple(inferred), "toy")


@pytest.mark.parametrize(
    ("right", "chance", "at_chance"), [(54, 0.5, True), (55, 0.5, False), (0, 0.01, True), (11, 0.01, False)]
)
def test_chance_is_up_to_a_tenth_of_the_way_from_the_best_constant_answer(right, chance, at_chance):
    assert Score("t", right, 100, chance).at_chance is at_chance


def test_a_doubt_lists_what_the_file_does_not_say(padded_model):
    found = of(padded_model, [SURE, UNSURE])
    assert assumptions(found) == (UNSURE,)
    said = doubt(found, Score("brackets", 50, 100, 0.5))
    assert said is not None
    assert "50.0% of answers are right, where one constant answer gets 50.0%" in said
    assert said.endswith("which its file does not say: act_fn: relu")


def test_without_an_assumption_or_above_chance_there_is_no_doubt(padded_model):
    assert doubt(of(padded_model, [SURE]), Score("brackets", 50, 100, 0.5)) is None
    assert doubt(of(padded_model, [UNSURE]), Score("brackets", 90, 100, 0.5)) is None


@pytest.mark.parametrize("name", ["brackets", "first-unique", "sorting"])
def test_a_score_is_the_share_of_right_rows_counted_one_by_one(name):
    model, task = checkpoints.read(name).model, registry.get(name)
    examples = task.sample(30, seed=5)
    found = score(model, task, examples)
    logits, right = model(examples.tokens, examples.position_ids), 0
    for row in range(len(examples.labels)):
        answer = logits[examples.row_example[row], examples.row_position[row]]
        label = examples.labels[row]
        right += int(torch.equal(answer > 0, label) if examples.sets else answer.argmax() == label)
    assert (found.right, found.answers) == (right, len(examples.labels))


def test_chance_is_the_share_of_the_most_frequent_answer(padded_model):
    labels = torch.tensor([0, 2, 2, 1])
    answered = torch.zeros(4, 5, dtype=torch.bool)
    answered[:, 0] = True
    examples = Examples(torch.full((4, 5), 2), labels, {}, answered, None)
    assert score(padded_model, registry.get("brackets"), examples).chance == 0.5


def test_a_task_that_only_the_file_names_is_not_run(tmp_path, padded_model):
    trap = tmp_path / "trap.py"
    trap.write_text("raise RuntimeError('it was run')")
    write(tmp_path / "toy.safetensors", padded_model, task=f"{trap}:Trap")
    found, scored = check(str(tmp_path / "toy.safetensors"))
    assert found.task == f"{trap}:Trap"
    assert scored is None
