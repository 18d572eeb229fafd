"""What a TransformerLens config says about a model, stored beside its weights or held by a live one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from algoscope.checkpoints.settings import SIZES, Inference
from algoscope.errors import UserError

OFF = (False, None)


@dataclass(frozen=True)
class Switch:
    """A setting that changes what a model computes, and that our model has no counterpart of."""

    what: str
    """In words: "local attention"."""
    off: tuple[object, ...] = OFF
    """The values at which the model is like ours."""
    traceless: bool = False
    """Whether a file without a config holds no sign of it."""


SWITCHES: Mapping[str, Switch] = {
    "positional_embedding_type": Switch("shortformer positions", ("standard",), traceless=True),
    "parallel_attn_mlp": Switch("parallel attention and MLP", traceless=True),
    "use_attn_scale": Switch("unscaled scores", (True,), traceless=True),
    "attn_scores_soft_cap": Switch("a cap on scores", (-1.0, None), traceless=True),
    "output_logits_soft_cap": Switch("a cap on logits", (-1.0, None), traceless=True),
    "use_local_attn": Switch("local attention", traceless=True),
    "scale_attn_by_inverse_layer_idx": Switch("scores scaled by inverse layer index", traceless=True),
    "use_qk_norm": Switch("norms of queries and keys"),
    "num_experts": Switch("a mixture of experts"),
    "use_normalization_before_and_after": Switch("norms behind what writes to the stream"),
    "post_embedding_ln": Switch("a norm of the embeddings"),
    "rmsnorm_uses_offset": Switch("RMS norms with an offset"),
    "scale_embedding": Switch("scaled embeddings"),
    "per_layer_head_dim": Switch("heads of several widths"),
}
POSITIONS = {
    "rotary": "rotary positions",
    "alibi": "ALiBi positions",
    "relative_positional_bias": "relative position biases",
}
"""Positional embeddings that are no switch's namesake."""
NORMS = {"none": "none", "ln": "LN", "lnpre": "LNPre", "rms": "RMS", "rmspre": "RMSPre"}
"""TransformerLens 4 reads the names of norms in either case."""
TRACELESS: tuple[str, ...] = tuple(switch.what for switch in SWITCHES.values() if switch.traceless)


def untold(config: Mapping[str, object]) -> tuple[str, ...]:
    """What leaves no trace in a file, and what this config doesn't speak of either."""
    return tuple(switch.what for name, switch in SWITCHES.items() if switch.traceless and name not in config)


def stated(config: Mapping[str, object]) -> tuple[Inference, ...]:
    """The settings of ours that it says. Raises UserError, by name, for one that our model can't have."""
    for name, switch in SWITCHES.items():
        if name in config and not _one_of(config[name], switch.off):
            what = POSITIONS.get(str(config[name]), switch.what)
            raise UserError(f"the config says {name}={_short(config[name])}: {what} can't be read")
    _refuse_sizes(config)
    found = {name: config[name] for name in ("attention_dir", "act_fn", "pad_token") if name in config}
    attention_only = config.get("attn_only") is True or config.get("d_mlp", 1) is None
    if attention_only:
        found.pop("act_fn", None)
    # A training script's own settings may have an Adam's eps, or other meanings of a size.
    if "normalization_type" in config:
        kind = str(config["normalization_type"])
        found |= {"normalization_type": NORMS.get(kind.lower(), kind)}
        found |= {"eps": config["eps"]} if "eps" in config else {}
        # -1 is what TransformerLens writes for "as many as tokens".
        numbers = {name: config.get(name) for name in (*SIZES, "n_layers")}
        found |= {name: value for name, value in numbers.items() if isinstance(value, int) and value > 0}
        if attention_only:
            found["d_mlp"] = None
        elif "gated_mlp" in config:
            found["gated_mlp"] = config["gated_mlp"]
    return tuple(Inference(name, value, "the config") for name, value in found.items())


def _refuse_sizes(config: Mapping[str, object]) -> None:
    """Refuses what depends on two settings at once."""
    heads, shared = config.get("n_heads"), config.get("n_key_value_heads")
    if shared is not None and not _one_of(shared, (heads,)):
        raise UserError(
            f"the config says n_key_value_heads={_short(shared)}: heads that share keys and values (grouped "
            "heads) can't be read"
        )
    if config.get("final_rms") is True and not str(config.get("normalization_type")).startswith("RMS"):
        raise UserError("the config says final_rms=True: another kind of norm at the end can't be read")
    d_head, scale = config.get("d_head"), config.get("attn_scale")
    # -1 is what TransformerLens writes for √d_head.
    if not isinstance(scale, int | float) or not isinstance(d_head, int) or scale <= 0:
        return
    if abs(scale - d_head**0.5) > 1e-6 * scale:
        raise UserError(
            f"the config says attn_scale={_short(scale)}, and scores are divided by √d_head here: multiply "
            "W_Q and b_Q by √d_head / attn_scale"
        )


def _one_of(value: object, values: Collection[object]) -> bool:
    # A file may hold tensors here, which compare to no truth value.
    return isinstance(value, bool | int | float | str | None) and value in values


def _short(value: object) -> str:
    shown = repr(value) if isinstance(value, bool | int | float | str | None) else type(value).__name__
    return shown if len(shown) <= 40 else f"{shown[:39]}…"
