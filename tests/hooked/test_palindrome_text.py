"""The published analysis of the palindrome classifier runs cell by cell, and prints its numbers."""

from __future__ import annotations

import functools
import re
from contextlib import redirect_stdout
from io import StringIO
from types import SimpleNamespace

import einops
import numpy as np
import plotly.express as px
import plotly.graph_objects as go
import pytest
import torch
from jaxtyping import Float
from torch import Tensor, nn

from algoscope.hooked import HookedTransformer, HookedTransformerConfig, HookPoint, utils
from algoscope.tasks.palindromes import HALF, VALUES, Palindromes, arena_sample

REPLACED = (1, 2, 3, 4)
"""Imports, and the loading of a file."""
RANDOM = ("Mean: ", "Std: ", "")
"""Labels of what the notebook draws at random, in its cell 20."""
NUMBER = re.compile(r"(.*?)(-?\d+\.\d+(?:e-?\d+)?)")


class PalindromeDataset:
    """The class of the challenge, on our task."""

    def __init__(self, size: int, max_value: int, half_length: int) -> None:
        assert (max_value + 1, half_length) == (VALUES, HALF)
        examples = arena_sample(size)
        self.toks, self.is_palindrome = examples.tokens, examples.labels
        self.str_toks = [Palindromes().words(row) for row in self.toks]

    def __getitem__(self, rows: slice) -> tuple[Tensor, Tensor]:
        return self.toks[rows], self.is_palindrome[rows]


def loaded(path) -> HookedTransformer:
    """As in the notebook's cell 4."""
    cfg = HookedTransformerConfig(
        n_layers=2, n_ctx=22, d_model=28, d_head=14, n_heads=2, d_mlp=None, d_vocab=33, d_vocab_out=2,
        act_fn="relu", attn_only=True, attention_dir="causal", normalization_type="LN", init_weights=True,
        use_attn_result=True, use_split_qkv_input=True, use_hook_tokens=True, seed=42, device="cpu",
    )  # fmt: skip
    model = HookedTransformer(cfg)
    state_dict = model.center_writing_weights(torch.load(path, map_location="cpu", weights_only=True))
    state_dict = model.center_unembed(state_dict)
    state_dict = model.fold_layer_norm(state_dict)
    state_dict = model.fold_value_biases(state_dict)
    model.load_state_dict(state_dict, strict=False)
    return model


@pytest.fixture
def names(reference, viewer, shown_figures):
    """What the replaced cells leave behind."""
    drawn = []
    return {
        **{"t": torch, "nn": nn, "np": np, "px": px, "go": go, "einops": einops, "functools": functools},
        **{"Float": Float, "Tensor": Tensor, "utils": utils, "HookPoint": HookPoint, "cv": viewer},
        **{"HookedTransformer": HookedTransformer, "PalindromeDataset": PalindromeDataset},
        "model": loaded(reference / "arena/palindrome_classifier.pt"),
        "device": torch.device("cpu"),
        "tqdm": iter,
        "display": lambda shown: None,
        "display_seq": lambda tokens, probability=0: Palindromes().show(
            tokens, torch.as_tensor(probability).item()
        ),
        "imshow": lambda values, **look: drawn.append(values),
        "drawn": drawn,
    }


@pytest.fixture
def printed(notebook, names):
    """What each cell prints, run from top to bottom in one namespace."""
    torch.manual_seed(0)
    found = {}
    for number, cell in notebook.items():
        if number in REPLACED:
            continue
        with redirect_stdout(StringIO()) as out:
            exec(compile(cell.code, f"cell {number}", "exec"), names)
        found[number] = out.getvalue()
    return found


def numbers(text: str) -> dict[str, float]:
    """Lines that end in a number: what stands before it -> the number."""
    found = (NUMBER.fullmatch(line) for line in text.splitlines())
    return {match[1]: float(match[2]) for match in found if match}


def test_every_cell_runs_and_prints_the_numbers_of_the_text(notebook, names, printed, viewer, shown_figures):
    assert list(notebook) == list(range(1, 38))
    compared = 0
    for number, output in printed.items():
        ours, theirs = numbers(output), numbers(notebook[number].after)
        for label in ours.keys() & theirs:
            drawn = number == 20 and label in RANDOM
            near = {"abs": 0.003} if drawn else {"abs": 1e-4, "rel": 1e-3}
            assert ours[label] == pytest.approx(theirs[label], **near), f"cell {number}: {label}"
            compared += 1
    assert compared == 25
    assert len(viewer.shown) == 3 + 1 + 6 + 1
    assert len(names["drawn"]) == 2 + 3
    assert len(shown_figures) > 10


def test_the_norms_are_folded_away_as_the_text_prints_them(notebook, names):
    with redirect_stdout(StringIO()) as out:
        exec(notebook[5].code, names)
    theirs = "".join(notebook[5].after.replace("device='cuda:0',", "").split())
    ours = "".join(out.getvalue().split())
    start = theirs[: theirs.rindex("1.") + 2]
    assert len(start) > 500
    assert ours.startswith(start)


def test_the_third_example_is_the_one_that_the_text_shows():
    tokens = PalindromeDataset(size=100, max_value=30, half_length=10).toks[2]
    text = "30|22|22|00|28|01|00|09|23|27|27|23|30|00|01|28|00|22|22|23"
    assert tokens[1:-1].tolist() == [int(number) for number in text.split("|")]


def test_a_viewer_that_is_given_something_else_says_so(viewer):
    with pytest.raises(AssertionError):
        viewer.attention.attention_patterns(tokens=["a"], attention=torch.ones(1, 2, 2) / 2)
    assert isinstance(viewer.attention, SimpleNamespace)
