"""What many tests share: the folder of reference material, and models of every kind."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from algoscope import checkpoints
from algoscope.checkpoints.checkpoint import Checkpoint
from algoscope.discovery.effects import Interval
from algoscope.explanation.concepts import Concept
from algoscope.explanation.explanation import Carried, Explanation, Survival
from algoscope.explanation.places import Node, Place
from algoscope.explanation.trial import Change
from algoscope.model.component import Component
from algoscope.model.config import ACTIVATIONS, Config
from algoscope.model.processing import process
from algoscope.model.transformer import Transformer
from algoscope.questions.study import Study
from algoscope.stories.run import run_study
from algoscope.tasks.brackets import Brackets

# Models this small are slower on several threads, and far slower where cores are busy.
torch.set_num_threads(1)


@pytest.fixture(scope="session")
def reference() -> Path:
    """The folder with the public weights and golden values; skips the test where there is none."""
    folder = os.environ.get("ALGOSCOPE_REFERENCE")
    if not folder:
        pytest.skip(
            "ALGOSCOPE_REFERENCE is not set: it names the folder with the public weights and golden values"
        )
    return Path(folder)


def a_model(config: Config, seed: int = 0) -> Transformer:
    """In float64, with no parameter left at zero or one: every bias and every norm's weight counts."""
    model = Transformer(config, seed).double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        value.add_(noise * (0.5 if value.ndim == 1 or ".b_" in name else 0.2))
    return model


def some_tokens(model: Transformer, batch: int = 3, seed: int = 0) -> Tensor:
    """As long as the model reads, padded on the right by a different amount in each row if it has padding."""
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(config.d_vocab, (batch, config.n_ctx), generator=generator)
    if config.pad_token is not None:
        tokens[tokens == config.pad_token] = (config.pad_token + 1) % config.d_vocab
        for row in range(batch):
            tokens[row, config.n_ctx - row % max(1, config.n_ctx - 1) :] = config.pad_token
    return tokens


def noise_at(model: Transformer, name: str, value: Tensor) -> Tensor:
    """What to add to a site's value: positive, so that a norm's scale stays one; tokens for tokens."""
    generator = torch.Generator().manual_seed(1)
    if name == "hook_tokens":
        new = torch.randint(model.config.d_vocab, value.shape, generator=generator)
        # The first stays: it may not become padding.
        new[:, 0] = value[:, 0]
        return new - value
    return torch.randn(value.shape, generator=generator).double().abs()


CONFIGS = {
    "one layer, one head, attention-only, causal": Config(
        n_layers=1, d_model=6, n_heads=1, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=2, attention_dir="causal"
    ),
    "two layers with MLP, bidirectional, padded": Config(
        n_layers=2, d_model=8, n_heads=2, d_head=4, n_ctx=5, d_vocab=5, d_vocab_out=3, pad_token=1,
        attention_dir="bidirectional", d_mlp=7, act_fn="relu",
    ),
    "causal and padded, folded norms": Config(
        n_layers=2, d_model=8, n_heads=3, d_head=2, n_ctx=5, d_vocab=4, d_vocab_out=2, pad_token=0,
        attention_dir="causal", d_mlp=5, act_fn="gelu", normalization_type="LNPre",
    ),
    "no norms": Config(
        n_layers=2, d_model=5, n_heads=2, d_head=2, n_ctx=4, d_vocab=4, d_vocab_out=4,
        attention_dir="bidirectional", d_mlp=6, act_fn="silu", normalization_type="none",
    ),
    "RMS norms and gated MLPs": Config(
        n_layers=2, d_model=6, n_heads=2, d_head=3, n_ctx=5, d_vocab=5, d_vocab_out=3, pad_token=0,
        attention_dir="causal", d_mlp=6, act_fn="silu", normalization_type="RMS", gated_mlp=True,
    ),
}  # fmt: skip


@st.composite
def configs(draw: st.DrawFn, **fixed: object) -> Config:
    """Any config that fits in a small test."""
    size = st.integers(1, 4)
    d_mlp = draw(st.none() | st.integers(1, 6))
    d_vocab = draw(st.integers(2, 5))
    drawn = {
        "n_layers": draw(size),
        "n_heads": draw(size),
        "d_head": draw(size),
        "d_model": draw(st.integers(3, 8)),
        "n_ctx": draw(st.integers(1, 5)),
        "d_vocab": d_vocab,
        "d_vocab_out": draw(size),
        "attention_dir": draw(st.sampled_from(["causal", "bidirectional"])),
        "d_mlp": d_mlp,
        "act_fn": d_mlp and draw(st.sampled_from(sorted(ACTIVATIONS))),
        "normalization_type": draw(st.sampled_from(["LN", "LNPre", "RMS", "RMSPre", "none"])),
        "gated_mlp": d_mlp is not None and draw(st.booleans()),
        "eps": draw(st.sampled_from([1e-5, 1e-2])),
        "pad_token": draw(st.none() | st.integers(0, d_vocab - 1)),
    }
    return Config.from_dict(drawn | fixed)


@pytest.fixture(scope="session")
def draw_model() -> Callable[..., tuple[Transformer, Tensor]]:
    """`draw_model(data, **settings)`: a model and tokens for it, drawn by hypothesis."""

    def draw(data: st.DataObject, **fixed: object) -> tuple[Transformer, Tensor]:
        model = a_model(data.draw(configs(**fixed)), seed=data.draw(st.integers(0, 999)))
        return model, some_tokens(model, seed=data.draw(st.integers(0, 999)))

    return draw


@pytest.fixture(params=CONFIGS)
def model(request: pytest.FixtureRequest) -> Transformer:
    return a_model(CONFIGS[request.param])


@pytest.fixture
def padded_model() -> Transformer:
    return a_model(CONFIGS["two layers with MLP, bidirectional, padded"])


@pytest.fixture
def normless_model() -> Transformer:
    return a_model(CONFIGS["no norms"])


@pytest.fixture
def tokens_for() -> Callable[..., Tensor]:
    return some_tokens


class PublicPalindromes(NamedTuple):
    """The public palindrome model, processed as its golden values are, and these values."""

    model: Transformer
    raw: Transformer
    tensors: dict[str, Tensor]
    values: dict[str, Any]
    """By name, without the explanations."""


@pytest.fixture(scope="session")
def public_palindromes(reference: Path) -> PublicPalindromes:
    raw = checkpoints.read(reference / "arena/palindrome_classifier.pt", task="palindromes").model
    entries = json.loads((reference / "golden/palindromes.json").read_text())
    return PublicPalindromes(
        process(raw),
        raw,
        load_file(reference / "golden/palindromes.safetensors"),
        {name: entry["value"] for name, entry in entries.items() if name != "tensor_index"},
    )


@pytest.fixture(scope="session")
def untrained() -> Checkpoint:
    """A bracket model with the weights that it would start training with."""
    config = Config(
        n_layers=2, d_model=16, n_heads=2, d_head=8, n_ctx=42, d_vocab=5, d_vocab_out=2, d_mlp=16,
        act_fn="relu", attention_dir="bidirectional", pad_token=1,
    )  # fmt: skip
    model = Transformer(config, seed=5).requires_grad_(False)
    return Checkpoint(model, "brackets", {}, (), "untrained")


@pytest.fixture(scope="session")
def untrained_study(untrained: Checkpoint) -> Study:
    return run_study(untrained, Brackets(), Brackets().sample(300, seed=0))


@pytest.fixture(scope="session")
def counting() -> Checkpoint:
    """Head 0.1 of two attends evenly and writes ones minus zeros, in favour of "more ones"."""
    config = Config(
        n_layers=1, d_model=4, n_heads=2, d_head=2, n_ctx=6, d_vocab=3, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.W_E[:, 0] = torch.tensor([-1.0, 1.0, 0.0])
        model.blocks[0].attn.W_V[1, 0, 0] = 6.0
        model.blocks[0].attn.W_O[1, 0, 1] = 1.0
        model.W_U[1] = torch.tensor([1.0, -1.0])
    return Checkpoint(model.requires_grad_(False), "majority", {}, (), "counting")


@pytest.fixture
def carried() -> Callable[..., Carried]:
    """`carried("0.1", "at <sep>", "the token here")`: what a node was found to carry, written by hand."""

    def make(component: str, place: str, *concepts: str, depth: int = 1, **others: Any) -> Carried:
        node = Node(Component.parse(component), Place(place, lambda inputs: inputs.real))
        factors = tuple(Concept(name, lambda inputs: inputs.tokens, depth=depth) for name in concepts)
        usual = {
            "refined": factors,
            "bits": 1.5,
            "carried": Interval(0.96, 0.95, 0.97),
            "changed": Interval(0.01, 0.0, 0.02),
            "needed": (0.5,) * len(factors),
            "alone": 0.0,
            "importance": Change(1.25, 0.75),
            "explained": bool(factors),
        }
        return Carried(node, factors, **usual | others)

    return make


@pytest.fixture
def explanation(carried: Callable[..., Carried]) -> Callable[..., Explanation]:
    """`explanation(carried(...), carried(...), flat=0.9)`: written by hand, with what survives."""

    def make(*nodes: Carried, idle: int = 2, flat: float = 0.95, recursive: float = 0.75) -> Explanation:
        def survival(same: float) -> Survival:
            return Survival(
                Interval(same, same - 0.05, same + 0.05), Interval(0.9, 0.85, 0.95), Interval(0.1, 0, 0.2)
            )

        shares = {"flat": flat, "recursive": recursive, "tables": 0.99, "heads": 0.98}
        shares |= {"true label": 0.985, "most frequent": 0.25}
        return Explanation(
            nodes,
            tuple(carried(f"3.{index}", "everywhere").node for index in range(idle)),
            {test: survival(share) for test, share in shares.items()},
            tuple((each.node, 0.125) for each in nodes[:1]),
            model_accuracy=0.99,
            inputs=256,
            seconds=12.5,
        )

    return make
