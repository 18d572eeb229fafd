"""A model for HookedTransformer: its state dict, and a folder that is read again as it was."""

from __future__ import annotations

from torch import Tensor

from algoscope.checkpoints.export import Exported, masking
from algoscope.checkpoints.lens import SWITCHES
from algoscope.model.transformer import Transformer


def to_hooked_state_dict(model: Transformer) -> dict[str, Tensor]:
    """Weights in HookedTransformer's names and shapes, copied to the CPU.

    `HookedTransformer(cfg).load_state_dict(state, strict=False)` takes them; what is "missing" there are
    masks, which are no weights.
    """
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def to_hooked(model: Transformer) -> Exported:
    """As a folder whose config.json has the arguments of `HookedTransformerConfig`."""
    settings = model.config.to_dict()
    pad_token = model.config.pad_token
    del settings["pad_token"]
    attention_only = model.config.d_mlp is None
    if model.config.normalization_type == "none":
        settings["normalization_type"] = None
    switches = {name: switch.off[0] for name, switch in SWITCHES.items() if switch.traceless}
    config = settings | switches | {"attn_only": attention_only}
    return Exported(config, to_hooked_state_dict(model), pad_token, masking(pad_token))
