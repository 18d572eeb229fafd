"""Small models and examples, and the public bracket model with its first 5000 examples."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from algoscope import checkpoints
from algoscope.analysis.attribution import Contributions, Direction, class_direction, contributions, pull_back
from algoscope.analysis.components import Components, decompose
from algoscope.analysis.linearised import LinearFit, fit_norm
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.task import Examples


class Public(NamedTuple):
    """The public bracket model, its first 5000 examples, and the golden values for them."""

    model: Transformer
    examples: Examples
    tensors: dict[str, Tensor]
    values: dict[str, dict]
    components: Components
    fit: LinearFit
    direction: Direction
    pushed: Contributions


@pytest.fixture(scope="session")
def public(reference: Path) -> Public:
    model = checkpoints.read(reference / "arena/brackets_model_state_dict.pt", task="brackets").model
    with gzip.open(reference / "arena/brackets_data.json.gz", "rt") as file:
        pairs = json.load(file)[:5000]
    task = Brackets()
    examples = task.examples(task.encode([string for string, _ in pairs]))
    components = decompose(model, examples, 0)
    fit = fit_norm(model.ln_final, components.resid)
    direction = pull_back(class_direction(model, 0, 1, "unbalanced"), fit, "before the final norm")
    return Public(
        model,
        examples,
        load_file(reference / "golden/brackets.safetensors"),
        json.loads((reference / "golden/brackets.json").read_text()),
        components,
        fit,
        direction,
        contributions(components, direction, examples.labels == 1),
    )


@pytest.fixture(
    params=[
        "bidirectional with MLP",
        "causal, attention-only",
        "no norm, one head",
        "RMS norms, gated MLPs",
    ]
)
def small(request: pytest.FixtureRequest) -> Transformer:
    """Untrained models of different make, biases drawn too so that leaving one out would show."""
    make = {
        "bidirectional with MLP": {"n_heads": 2, "d_mlp": 12, "act_fn": "gelu", "pad_token": 1},
        "causal, attention-only": {"n_heads": 3, "attention_dir": "causal", "normalization_type": "LNPre"},
        "no norm, one head": {"n_heads": 1, "d_mlp": 5, "act_fn": "relu", "normalization_type": "none"},
        "RMS norms, gated MLPs": {
            **{"n_heads": 2, "d_mlp": 6, "act_fn": "silu", "gated_mlp": True},
            **{"normalization_type": "RMS", "attention_dir": "causal"},
        },
    }[request.param]
    usual = {"n_layers": 2, "d_model": 8, "d_head": 4, "n_ctx": 42, "d_vocab": 5, "d_vocab_out": 2}
    model = Transformer(Config.from_dict(usual | {"attention_dir": "bidirectional"} | make), seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".b_" in name:
                parameter.normal_(generator=generator)
    return model.requires_grad_(False)


@pytest.fixture
def strings() -> Examples:
    return Brackets().sample(40, seed=3)
