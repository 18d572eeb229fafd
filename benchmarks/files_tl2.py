"""Do HookedTransformer and transformers give our logits for what is exported, and we theirs?

Runs in the environment of TransformerLens 2. Prints the largest difference for each; exits with 1 if one is
above 1e-4.
"""

import json
import sys
import tempfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformers import GPT2LMHeadModel

import algoscope
from algoscope.checkpoints.exports import export
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

CONFIG = Config(
    n_layers=2, d_model=16, n_heads=2, d_head=8, d_mlp=24, n_ctx=7, d_vocab=5, d_vocab_out=5,
    act_fn="gelu_new", attention_dir="causal",
)  # fmt: skip
CONFIGS = {
    "LN": CONFIG,
    "LNPre, relu": replace(CONFIG, normalization_type="LNPre", act_fn="relu"),
    "bidirectional": replace(CONFIG, attention_dir="bidirectional"),
    "RMS, gated": replace(CONFIG, normalization_type="RMS", gated_mlp=True, act_fn="silu"),
    "RMSPre": replace(CONFIG, normalization_type="RMSPre"),
    "no norm, attention only": replace(CONFIG, normalization_type="none", d_mlp=None, act_fn=None),
}
LIMIT = 1e-4


def model(config):
    made = Transformer(config).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for value in made.parameters():
        value += 0.3 * torch.randn(value.shape, generator=generator)
    return made


def hooked(folder):
    """As docs/checkpoints.md says."""
    config = HookedTransformerConfig(**json.loads((folder / "config.json").read_text()))
    made = HookedTransformer(config)
    made.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    return made


def compared(what, expected, found):
    error = float((found - expected).abs().max())
    print(f"{what:50} {error:.1e}")
    return error <= LIMIT


@torch.no_grad()
def main():
    for name in ("transformer-lens", "transformers"):
        print(name, version(name))
    tokens = torch.randint(CONFIG.d_vocab, (20, CONFIG.n_ctx), generator=torch.Generator().manual_seed(1))
    fine = True
    with tempfile.TemporaryDirectory() as folder:
        for number, (what, config) in enumerate(CONFIGS.items()):
            ours = model(config)
            expected, out = ours(tokens), Path(folder) / f"hooked{number}"
            export(ours, "hooked", out)
            theirs = hooked(out)
            fine &= compared(f"{what}: HookedTransformer of our folder", expected, theirs(tokens))
            fine &= compared(f"{what}: we, of a live one", expected, algoscope.load(theirs)(tokens))
            saved = Path(folder) / f"saved{number}.pt"
            torch.save({"model": theirs.state_dict(), "cfg": theirs.cfg.to_dict()}, saved)
            fine &= compared(f"{what}: we, of its file with cfg", expected, algoscope.load(saved)(tokens))
            if what.startswith("LN"):
                out = Path(folder) / f"gpt2{number}"
                export(ours, "gpt2", out)
                theirs = GPT2LMHeadModel.from_pretrained(out)
                fine &= compared(f"{what}: transformers of our folder", expected, theirs(tokens).logits)
                fine &= compared(f"{what}: we, of a live GPT-2", expected, algoscope.load(theirs)(tokens))
                theirs.save_pretrained(out / "again")
                fine &= compared(
                    f"{what}: we, of its folder", expected, algoscope.load(out / "again")(tokens)
                )
    sys.exit(not fine)


main()
