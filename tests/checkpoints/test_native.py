"""TransformerLens 4's own small models, with its names and shapes; the forward pass is written out here.

`make bench` compares with TransformerLens itself (benchmarks/files_tl4.py).
"""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import algoscope
from algoscope import checkpoints
from algoscope.errors import UserError

LAYERS, HEADS, D_HEAD, D_MODEL, D_MLP, VOCAB, CLASSES, CTX = 2, 2, 3, 6, 5, 4, 3, 4
TOKENS = torch.tensor([[0, 1, 2, 3], [3, 3, 0, 1]])
CONFIG = {
    "n_layers": LAYERS, "n_heads": HEADS, "d_head": D_HEAD, "d_model": D_MODEL, "d_mlp": D_MLP, "n_ctx": CTX,
    "d_vocab": VOCAB, "d_vocab_out": CLASSES, "act_fn": "relu", "attention_dir": "causal", "eps": 1e-5,
    "normalization_type": "LN", "positional_embedding_type": "standard", "attn_only": False,
    "architecture": "TransformerLensNative", "use_attn_scale": True, "attn_scale": -1.0,
    "attn_scores_soft_cap": -1.0, "output_logits_soft_cap": -1.0, "n_key_value_heads": None,
    "parallel_attn_mlp": False, "final_rms": False, "use_local_attn": False, "gated_mlp": False,
    "scale_attn_by_inverse_layer_idx": False,
}  # fmt: skip


def bridge_state():
    """As `bridge.state_dict()` names and shapes it."""
    generator = torch.Generator().manual_seed(0)

    def linear(name, out, into):
        return {
            f"{name}.weight": torch.randn(out, into, generator=generator),
            f"{name}.bias": torch.randn(out, generator=generator),
        }

    def norm(name):
        return linear(name, D_MODEL, 1) | {f"{name}.weight": torch.randn(D_MODEL, generator=generator)}

    state = {
        "embed.weight": torch.randn(VOCAB, D_MODEL, generator=generator),
        "pos_embed.weight": torch.randn(CTX, D_MODEL, generator=generator),
    }
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        state |= norm(f"{block}.ln1") | norm(f"{block}.ln2")
        for letter in "qkv":
            state |= linear(f"{block}.attn.{letter}", HEADS * D_HEAD, D_MODEL)
        state |= linear(f"{block}.attn.o", D_MODEL, HEADS * D_HEAD)
        state |= linear(f"{block}.mlp.in", D_MLP, D_MODEL) | linear(f"{block}.mlp.out", D_MODEL, D_MLP)
    return state | norm("ln_final") | linear("unembed", CLASSES, D_MODEL)


def by_hand(state, row):
    """The forward pass, one input, one head and one query at a time."""

    def linear(name, x):
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(name, x):
        scale = (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        return (x - x.mean(-1, keepdim=True)) / scale * state[f"{name}.weight"] + state[f"{name}.bias"]

    x = state["embed.weight"][row] + state["pos_embed.weight"][: len(row)]
    for layer in range(LAYERS):
        block = f"blocks.{layer}"
        read = norm(f"{block}.ln1", x)
        q, k, v = (linear(f"{block}.attn.{letter}", read) for letter in "qkv")
        mixed = torch.zeros(len(row), HEADS * D_HEAD)
        for head in range(HEADS):
            own = slice(head * D_HEAD, (head + 1) * D_HEAD)
            for query in range(len(row)):
                scores = k[: query + 1, own] @ q[query, own] / D_HEAD**0.5
                mixed[query, own] = scores.softmax(0) @ v[: query + 1, own]
        x = x + linear(f"{block}.attn.o", mixed)
        x = x + linear(f"{block}.mlp.out", linear(f"{block}.mlp.in", norm(f"{block}.ln2", x)).relu())
    return linear("unembed", norm("ln_final", x))


def gated_rms_state():
    """As the bridge names and shapes a model with RMS norms and gated MLPs, which has no biases in either."""
    generator = torch.Generator().manual_seed(1)
    dropped = ("ln1.bias", "ln2.bias", "ln_final.bias", "mlp.in.bias", "mlp.out.bias")
    gates = {
        f"blocks.{layer}.mlp.gate.weight": torch.randn(D_MLP, D_MODEL, generator=generator)
        for layer in range(LAYERS)
    }
    return without(bridge_state(), *dropped) | gates


def gated_rms_by_hand(state, row):
    """The forward pass, one input and one head at a time."""

    def norm(name, x):
        return x / (x.pow(2).mean(-1, keepdim=True) + 1e-5).sqrt() * state[f"{name}.weight"]

    x = state["embed.weight"][row] + state["pos_embed.weight"][: len(row)]
    later = torch.ones(len(row), len(row)).triu(1).bool()
    for layer in range(LAYERS):
        read, mixed = norm(f"blocks.{layer}.ln1", x), []
        for own in (slice(0, D_HEAD), slice(D_HEAD, 2 * D_HEAD)):
            q, k, v = (
                read @ state[f"blocks.{layer}.attn.{x}.weight"][own].T
                + state[f"blocks.{layer}.attn.{x}.bias"][own]
                for x in "qkv"
            )
            mixed.append((q @ k.T / D_HEAD**0.5).masked_fill(later, -torch.inf).softmax(-1) @ v)
        written = state[f"blocks.{layer}.attn.o.weight"], state[f"blocks.{layer}.attn.o.bias"]
        x = x + torch.cat(mixed, 1) @ written[0].T + written[1]
        read = norm(f"blocks.{layer}.ln2", x)
        gate, into, out = (state[f"blocks.{layer}.mlp.{x}.weight"].T for x in ("gate", "in", "out"))
        x = x + (torch.nn.functional.silu(read @ gate) * (read @ into)) @ out
    return norm("ln_final", x) @ state["unembed.weight"].T + state["unembed.bias"]


def inside(state):
    """As the model in the bridge names them; it shows the tensors of an MLP twice."""
    words = {
        "embed": "tok_embed",
        "pos_embed": "pos",
        "blocks": "layers",
        "ln_final": "ln_out",
        "unembed": "head",
    }
    found = {}
    for name, value in state.items():
        first, rest = name.split(".", 1)
        *path, last = f"{words[first]}.{rest}".split(".")
        found[".".join([*path, "_original_component", last])] = value
        if "mlp" in path:
            found[".".join([*path[:-1], f"fc_{path[-1]}", last])] = value
    return found


class Bridge:
    """A live model, as far as we look at one."""

    def __init__(self, state, **changes):
        self._state, self.cfg = state, SimpleNamespace(to_dict=lambda: CONFIG | changes)

    def state_dict(self):
        return self._state


@pytest.fixture
def state():
    return bridge_state()


def close(model, state):
    expected = torch.stack([by_hand(state, row) for row in TOKENS])
    torch.testing.assert_close(model(TOKENS), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("names", [dict, inside])
def test_a_file_with_its_config_gives_its_own_logits_and_assumes_nothing_but_that_nothing_is_padded(
    state, tmp_path, names
):
    torch.save(
        {"state_dict": names(state), "cfg": CONFIG | {"dtype": torch.float32, "x": np.float64(0.1)}},
        tmp_path / "model.pt",
    )
    found = checkpoints.read(tmp_path / "model.pt")
    close(found.model, state)
    assert found.format == "TransformerLens 4 native model"
    assert [each.setting for each in found.inferred if each.assumed] == ["pad_token"]


def test_a_folder_with_config_json_gives_its_own_logits(state, tmp_path):
    torch.save(state, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    close(algoscope.load(tmp_path), state)


def test_a_model_in_memory_gives_its_own_logits_and_is_not_changed(state):
    before = {name: value.clone() for name, value in state.items()}
    found = checkpoints.read(Bridge(state))
    close(found.model, state)
    assert found.name == "Bridge"
    with torch.no_grad():
        found.model.W_E.zero_()
    assert all(torch.equal(state[name], value) for name, value in before.items())


def test_without_a_config_its_settings_are_asked_for_and_the_rest_is_assumed(state, tmp_path):
    torch.save(state, tmp_path / "model.pt")
    with pytest.raises(UserError, match="doesn't say n_heads: give n_heads="):
        checkpoints.read(tmp_path / "model.pt")
    with pytest.raises(UserError, match="attention_dir or act_fn"):
        checkpoints.read(tmp_path / "model.pt", n_heads=HEADS)
    found = checkpoints.read(tmp_path / "model.pt", n_heads=HEADS, attention_dir="causal", act_fn="relu")
    close(found.model, state)
    absent = next(each for each in found.inferred if each.setting == "assumed absent")
    assert absent.assumed
    assert "shortformer positions" in str(absent.value)


def without(state, *parts):
    return {name: value for name, value in state.items() if not any(part in name for part in parts)}


@pytest.mark.parametrize("said", [True, False])
def test_rms_norms_and_gated_mlps_are_read(tmp_path, said):
    state, changes = gated_rms_state(), {"normalization_type": "RMS", "gated_mlp": True, "act_fn": "silu"}
    if said:
        model = algoscope.load(Bridge(state, **changes))
    else:
        torch.save(state, tmp_path / "model.pt")
        model = algoscope.load(tmp_path / "model.pt", n_heads=HEADS, attention_dir="causal", act_fn="silu")
    expected = torch.stack([gated_rms_by_hand(state, row) for row in TOKENS])
    torch.testing.assert_close(model(TOKENS), expected, atol=1e-5, rtol=1e-5)
    assert (model.config.normalization_type, model.config.gated_mlp) == ("RMS", True)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: without(s, "pos_embed"), "no position embedding: rotary positions"),
        (lambda s: s | {"blocks.0.attn.k.weight": torch.zeros(3, D_MODEL)}, r"\(grouped heads\)"),
        (lambda s: s | {"blocks.0.mlp.ln.weight": torch.ones(D_MLP)}, "solu_ln"),
        (
            lambda s: s | {"blocks.0.attn.q.weight": torch.zeros(7, D_MODEL)},
            r"expected \[2 × d_head, d_model\]",
        ),
        (
            lambda s: s | {"blocks.1.attn.o.weight": torch.zeros(6)},
            "the names of .* native model, and other shapes",
        ),
        (
            lambda s: s | {"blocks.1.attn.new.weight": torch.zeros(6)},
            "unexpected .* blocks.1.attn.new.weight",
        ),
        (lambda s: without(s, "ln1.bias"), "says normalization_type='LN', but the weights have 'RMS'"),
        (lambda s: without(s, "blocks.1.mlp.in.weight"), "missing .* blocks.1.mlp.W_in"),
    ],
)
def test_tensors_of_another_model_are_refused_by_name(state, change, says):
    with pytest.raises(UserError, match=says):
        checkpoints.read(Bridge(change(state)))


def test_a_bridge_to_another_librarys_model_is_refused(state):
    with pytest.raises(
        UserError, match="a TransformerLens bridge to 'GPT2LMHeadModel': give the model behind"
    ):
        checkpoints.read(Bridge(state, architecture="GPT2LMHeadModel"))
