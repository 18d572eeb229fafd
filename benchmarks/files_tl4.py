"""Do models of TransformerLens 4 give its own logits here, from a file and from memory?

Runs in its environment. Prints the largest difference for each; exits with 1 if one is above
1e-4, or if what can't be read is read.
"""

import json
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources.native import boot

import algoscope
from algoscope.errors import UserError

SIZES = {
    "n_layers": 2, "d_model": 16, "n_heads": 2, "d_head": 8, "d_mlp": 24, "n_ctx": 7, "d_vocab": 5,
    "d_vocab_out": 3, "act_fn": "relu", "attention_dir": "causal", "normalization_type": "LN",
    "attn_only": False, "eps": 1e-5, "positional_embedding_type": "standard",
    "architecture": "TransformerLensNative",
}  # fmt: skip
READ = {
    "LN, relu, causal": {},
    "LN, gelu_new, bidirectional": {"act_fn": "gelu_new", "attention_dir": "bidirectional"},
    "LNPre, gelu": {"normalization_type": "LNPre", "act_fn": "gelu"},
    "no norm, attention only": {"normalization_type": None, "attn_only": True},
    "RMS, gated, silu": {"normalization_type": "RMS", "gated_mlp": True, "act_fn": "silu"},
    "RMSPre": {"normalization_type": "RMSPre"},
    "wide heads": {"d_head": 12},
}
REFUSED = {
    "rotary positions": {"positional_embedding_type": "rotary"},
    "grouped heads": {"n_key_value_heads": 1},
    "a cap on scores": {"attn_scores_soft_cap": 5.0},
    "a cap on logits": {"output_logits_soft_cap": 5.0},
    "√d_head": {"attn_scale": 3.0},
}
LIMIT = 1e-4


def bridge(changes):
    made = boot(TransformerBridgeConfig(**(SIZES | changes)), device="cpu")
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in made.parameters():
            value += 0.3 * torch.randn(value.shape, generator=generator)
    return made


def readings(made, folder):
    """Every way in: (what, model)."""
    torch.save({"state_dict": made.state_dict(), "cfg": made.cfg.to_dict()}, folder / "with_cfg.pt")
    torch.save(made.state_dict(), folder / "bare.pt")
    (folder / "both").mkdir(exist_ok=True)
    torch.save(made.state_dict(), folder / "both/pytorch_model.bin")
    (folder / "both/config.json").write_text(json.dumps(made.cfg.to_dict(), default=str))
    torch.save(made.original_model.state_dict(), folder / "inside.pt")
    names = ("attention_dir", "act_fn", "eps", "n_heads")
    said = {name: getattr(made.cfg, name) for name in names if name != "act_fn" or not made.cfg.attn_only}
    if str(made.cfg.normalization_type).endswith("Pre") or made.cfg.normalization_type is None:
        said["normalization_type"] = made.cfg.normalization_type or "none"
    yield "in memory", lambda: algoscope.load(made)
    yield "inside, in memory", lambda: algoscope.load(made.original_model)
    yield "file with cfg", lambda: algoscope.load(folder / "with_cfg.pt")
    yield "folder", lambda: algoscope.load(folder / "both")
    yield "bare file", lambda: algoscope.load(folder / "bare.pt", **said)
    yield "file of the inside", lambda: algoscope.load(folder / "inside.pt", **said)


@torch.no_grad()
def main():
    print("TransformerLens", version("transformer-lens"))
    tokens = torch.randint(SIZES["d_vocab"], (20, SIZES["n_ctx"]), generator=torch.Generator().manual_seed(1))
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        for what, changes in READ.items():
            made = bridge(changes)
            for how, read in readings(made, Path(folder)):
                try:
                    error = float((read()(tokens) - made(tokens)).abs().max())
                    failed |= error > LIMIT
                    shown = f"{error:.1e}"
                except UserError as error:
                    failed, shown = True, str(error)
                print(f"{what:30} {how:20} {shown}")
        for what, changes in REFUSED.items():
            try:
                algoscope.load(bridge(changes))
                failed, shown = True, "READ"
            except UserError as error:
                failed |= what not in str(error)
                shown = str(error)
            print(f"{what:30} refused: {shown}")
    sys.exit(failed)


main()
