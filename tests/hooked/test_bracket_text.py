"""The solutions of the published bracket exercises run, on helpers as its earlier sections define them."""

from __future__ import annotations

import gzip
import json
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from types import SimpleNamespace
from unittest.mock import MagicMock

import einops
import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.hooked import HookedTransformer, HookPoint, LayerNorm, utils
from algoscope.tasks.brackets import CLOSE, OPEN, Brackets

SOLUTIONS = (
    "get_attn_probs",
    "get_WOV",
    "get_pre_20_dir",
    "get_out_by_neuron",
    "get_out_by_neuron_in_20_dir",
    "get_out_by_neuron_in_20_dir_less_memory",
    "get_q_and_k_for_given_input",
    "cos_sim_with_MLP_weights",
    "avg_squared_cos_sim",
)


MANY = 800
"""Strings that everything is computed on: enough for the digits that the text shows."""


class SimpleTokenizer:
    """The exercises' tokenizer, on our task."""

    def __init__(self) -> None:
        self.t_to_i = {"(": OPEN, ")": CLOSE}

    def tokenize(self, text: str) -> Tensor:
        """As long as the text needs: the exercises pad only where lengths differ."""
        return Brackets().encode([text])[:, : len(text) + 2]


class BracketsDataset:
    """The exercises' data set, on our task."""

    def __init__(self, data_tuples: list[tuple[str, bool]]) -> None:
        self.strs = [text for text, _ in data_tuples]
        self.isbal = torch.tensor([balanced for _, balanced in data_tuples])
        self.toks = Brackets().encode(self.strs)
        self.starts_open = torch.tensor([text[0] == "(" for text in self.strs])

    @classmethod
    def with_length(cls, data_tuples: list[tuple[str, bool]], length: int) -> BracketsDataset:
        return cls([(text, balanced) for text, balanced in data_tuples if len(text) == length])

    def to(self, device: torch.device) -> BracketsDataset:
        return self


def get_activations(model, toks, names):
    """The cache of the sites of these names."""
    wanted = [names] if isinstance(names, str) else names
    _, cache = model.run_with_cache(toks, return_type=None, names_filter=lambda name: name in wanted)
    return cache


def get_activation(model, toks, name):
    return get_activations(model, toks, name)[name]


def get_ln_fit(model, data, layernorm: LayerNorm, seq_pos=None):
    """The linear map that fits a norm best, as scikit-learn would return it, and its r²."""
    if layernorm.name == "ln_final":
        before = utils.get_act_name("resid_post", model.cfg.n_layers - 1)
        after = utils.get_act_name("normalized")
    else:
        _, layer, norm = layernorm.name.split(".")
        before = utils.get_act_name("resid_pre" if norm == "ln1" else "resid_mid", layer)
        after = utils.get_act_name("normalized", layer, norm)
    cache = get_activations(model, data.toks, [before, after])
    at = slice(None) if seq_pos is None else slice(seq_pos, seq_pos + 1)
    x, y = (utils.to_numpy(cache[name][:, at]).reshape(-1, model.cfg.d_model) for name in (before, after))
    x, y = x - x.mean(0), y - y.mean(0)
    coef = np.linalg.lstsq(x, y, rcond=1e-5)[0].T
    missed = ((y - x @ coef.T) ** 2).sum(0) / (y**2).sum(0)
    return SimpleNamespace(coef_=coef), 1 - missed.mean()


def get_pre_final_ln_dir(model, data):
    fit, _ = get_ln_fit(model, data, model.ln_final, seq_pos=0)
    return torch.from_numpy(fit.coef_).T @ (model.W_U[:, 0] - model.W_U[:, 1])


def get_out_by_components(model, data):
    """Embedding, then each layer's heads and MLP: `[component batch seq d_model]`.

    At the first two positions, to save memory.
    """
    ends = ("embed", "result", "mlp_out")
    _, cache = model.run_with_cache(data.toks, names_filter=lambda name: name.endswith(ends))
    parts = [(cache["embed"] + cache["pos_embed"])[None, :, :2]]
    for layer in range(model.cfg.n_layers):
        heads = cache["result", layer][:, :2]
        parts.append(einops.rearrange(heads, "batch seq head emb -> head batch seq emb"))
        parts.append(cache["mlp_out", layer][None, :, :2])
    return torch.cat(parts)


def embedding(model, tokenizer, char):
    return model.W_E[tokenizer.t_to_i[char]]


@pytest.fixture(scope="module")
def ran(reference, lesson, viewer):
    """What is defined after all pieces ran in one namespace; `printed` and `bars` are what they showed."""
    path = reference / "arena/brackets_model_state_dict.pt"
    model = HookedTransformer.from_pretrained_no_processing(path, task="brackets")
    data_tuples = json.loads(gzip.decompress((reference / "arena/brackets_data.json.gz").read_bytes()))[:MANY]
    data, bars = BracketsDataset(data_tuples), []
    names = {
        **{"t": torch, "einops": einops, "partial": partial, "utils": utils, "cv": viewer},
        **{"Float": Float, "Tensor": Tensor, "HookPoint": HookPoint, "HookedTransformer": HookedTransformer},
        **{"BracketsDataset": BracketsDataset, "SimpleTokenizer": SimpleTokenizer},
        **{"get_activation": get_activation, "get_activations": get_activations, "get_ln_fit": get_ln_fit},
        **{"get_pre_final_ln_dir": get_pre_final_ln_dir, "embedding": embedding, "failure_types_dict": {}},
        **{"model": model, "data": data, "data_tuples": data_tuples, "tokenizer": SimpleTokenizer()},
        **{"out_by_components": get_out_by_components(model, data), "device": torch.device("cpu")},
        "bar": lambda values, **look: bars.append(torch.as_tensor(values).detach()),
        "display": lambda shown: None,
        **{"tests": MagicMock(), "plotly_utils": MagicMock()},
    }
    torch.manual_seed(0)
    with redirect_stdout(StringIO()) as out:
        for number, piece in enumerate(lesson):
            exec(compile(piece, f"piece {number}", "exec"), names)
    return SimpleNamespace(**names, printed=out.getvalue(), bars=bars)


def test_every_solution_runs_as_it_is_written(ran, viewer):
    assert all(callable(getattr(ran, name)) for name in SOLUTIONS)
    assert len(viewer.shown) == 1
    assert ran.plotly_utils.hists_per_comp.call_count == 1
    assert ran.plotly_utils.plot_neurons.call_count == 2


def test_the_numbers_of_the_text_are_printed(ran):
    found = dict(line.split(": ") for line in ran.printed.splitlines() if ": " in line)
    text = {
        "Cosine similarity": (-0.9974, 1e-3),
        "...MLP input directions in layer 0": (0.1239, 1e-3),
        "...MLP input directions in layer 1": (0.1301, 1e-3),
        "...random vectors of len = d_model": (0.0179, 2e-3),
    }
    for label, (number, near) in text.items():
        assert float(found[label]) == pytest.approx(number, abs=near), label


def test_head_2_0_copies_position_1_as_the_text_says(ran):
    attention = ran.bars[0]
    assert attention.argmax() == 1
    assert attention[1] == pytest.approx(0.5, abs=0.1)
    assert attention[torch.arange(len(attention)) != 1].max() < 0.1


def test_an_open_query_at_position_1_attends_almost_evenly(ran):
    attention = ran.bars[1]
    assert attention.sum() == pytest.approx(1, abs=1e-4)
    assert attention.max() < 2 / 40


def test_neurons_one_by_one_and_together_push_the_same(ran):
    data = BracketsDataset(ran.data_tuples[:100])
    for layer in range(2):
        apart = ran.get_out_by_neuron_in_20_dir(ran.model, data, layer)
        torch.testing.assert_close(
            apart, ran.get_out_by_neuron_in_20_dir_less_memory(ran.model, data, layer), atol=1e-4, rtol=1e-4
        )
    every = ran.get_out_by_neuron(ran.model, data, 1)
    written = get_activation(ran.model, data.toks, "blocks.1.hook_mlp_out")
    torch.testing.assert_close(every.sum(2) + ran.model.b_out[1], written, atol=1e-4, rtol=1e-4)


def test_the_direction_before_head_2_0_separates_what_the_text_says(ran):
    """MLP 1 pushes strings with another number of ( and ) far towards unbalanced."""
    pushed = ran.out_by_component_in_pre_20_unbalanced_dir
    opens = (ran.data.toks == OPEN).sum(1) == (ran.data.toks == CLOSE).sum(1)
    assert len(pushed) == 7
    mlp_1 = pushed[-1]
    assert mlp_1[~opens & ran.data.starts_open].mean() > mlp_1[opens & ran.data.starts_open].mean() + 1
