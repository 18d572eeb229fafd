from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.maximum import Maximum
from algoscope.tasks.modular_addition import ModularAddition
from algoscope.tasks.palindromes import Palindromes
from algoscope.training.recipe import KNOWN, OTHERWISE, recipe_for


def test_the_brackets_model_has_the_shape_of_the_public_one():
    config = recipe_for(Brackets()).config(Brackets())
    assert config == Config(
        n_layers=3, d_model=56, n_heads=2, d_head=28, d_mlp=56, act_fn="relu", n_ctx=42, d_vocab=5,
        d_vocab_out=2, attention_dir="bidirectional", normalization_type="LN", eps=1e-5, pad_token=1,
    )  # fmt: skip


def test_the_palindrome_model_has_the_shape_of_the_public_one():
    config = recipe_for(Palindromes()).config(Palindromes())
    assert config == Config(
        n_layers=2, d_model=28, n_heads=2, d_head=14, n_ctx=22, d_vocab=33, d_vocab_out=2,
        attention_dir="causal", normalization_type="LN", eps=1e-5,
    )  # fmt: skip


def test_neurons_may_be_added_to_a_task_that_usually_has_none():
    config = replace(recipe_for(Palindromes()), d_mlp=12).config(Palindromes())
    assert (config.d_mlp, config.act_fn) == (12, "relu")


def test_a_gated_mlp_that_is_usual_is_left_out_with_the_mlp():
    task = Palindromes()
    task.usual = {**task.usual, "gated_mlp": True, "normalization_type": "RMS"}
    recipe = recipe_for(task)
    assert not recipe.config(task).gated_mlp
    config = replace(recipe, d_mlp=12).config(task)
    assert (config.gated_mlp, config.normalization_type) == (True, "RMS")


def test_the_maximum_model_has_one_head_and_nothing_else():
    recipe = recipe_for(Maximum())
    config = recipe.config(Maximum())
    assert (config.n_layers, config.n_heads, config.d_mlp) == (1, 1, None)
    assert config.normalization_type == "none"
    assert not recipe.biases


def test_the_modular_addition_model_is_one_layer_with_an_mlp():
    config = recipe_for(ModularAddition()).config(ModularAddition())
    assert config.n_layers == 1
    assert config.d_mlp is not None


def test_a_task_of_the_users_own_gets_a_model_with_its_vocabulary_and_classes(small):
    task = small("Reversed")
    config = recipe_for(task).config(task)
    assert (config.d_vocab, config.d_vocab_out, config.n_ctx) == (2, 2, 4)
    assert config.attention_dir == "bidirectional"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"batch": -1}, "batch is -1"),
        ({"d_mlp": -1}, "0 for none"),
        ({"lr": 0.0}, "must be above 0"),
        ({"lr": float("nan")}, "must be above 0"),
        ({"n_heads": 3}, "does not divide into 3 heads"),
    ],
)
def test_a_recipe_that_trains_nothing_is_refused(tiny, change, message):
    with pytest.raises(UserError, match=message):
        replace(tiny, **change)


def test_the_documentation_lists_the_recipes_as_they_are():
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    assert f"| | {' | '.join(f'`{name}`' for name in OTHERWISE.to_dict())} |" in page
    for task, recipe in {**KNOWN, "your own task": OTHERWISE}.items():
        assert f"| {task} | {' | '.join(map(written, recipe.to_dict().values()))} |" in page


def written(value: bool | float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}"
