"""What a state dict with HookedTransformer's keys says about its model, and what it leaves open."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from algoscope.errors import UserError
from algoscope.model.config import ACTIVATIONS, AttentionDir, Config, Normalization

CONSTANTS = (".attn.mask", ".attn.IGNORE")
"""Ends of the names of tensors that HookedTransformer stores beside the weights and that hold none."""

UNSUPPORTED = {
    ".rotary_": "rotary position embeddings",
    ".attn._W_": "grouped-query attention",
    ".rel_pos_bias.": "relative position biases",
    ".experts.": "a mixture of experts",
}
"""Parts of names that give away an architecture which is not this one."""

SIZES = {
    "d_model": ("embed.W_E [d_vocab d_model]", 1),
    "n_heads": ("blocks.0.attn.W_Q [head d_model d_head]", 0),
    "d_head": ("blocks.0.attn.W_Q [head d_model d_head]", 2),
    "n_ctx": ("pos_embed.W_pos [n_ctx d_model]", 0),
    "d_vocab": ("embed.W_E [d_vocab d_model]", 0),
    "d_vocab_out": ("unembed.W_U [d_model d_vocab_out]", 1),
    "d_mlp": ("blocks.0.mlp.W_in [d_model d_mlp]", 1),
}
"""Where each size is read off: the tensor with its axes, and which of them."""

CHOICES: Mapping[str, Collection[str]] = {
    "attention_dir": get_args(AttentionDir),
    "act_fn": ACTIVATIONS,
    "normalization_type": ("LNPre", "RMSPre", "none"),
}
"""Settings that have no safe default, and what to choose from where the file leaves them open."""

ASSUMED: Mapping[str, object] = {"eps": Config.eps, "pad_token": Config.pad_token}
"""Settings that no file states, as they are in most models."""

assert set(CHOICES["normalization_type"]) < set(get_args(Normalization))


@dataclass(frozen=True)
class Inference:
    """One setting that the file does not state outright, with what it was concluded from."""

    setting: str
    value: object
    source: str
    assumed: bool = False
    """Whether it may be wrong without any sign in the file: a habit of the task or of the format."""


def absent(untold: Collection[str]) -> tuple[Inference, ...]:
    """What is assumed not to be there, as one inference; none if nothing is."""
    source = "they leave no trace in such a file"
    return (Inference("assumed absent", ", ".join(untold), source, assumed=True),) if untold else ()


def weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that are weights. Raises UserError for one that can't be: whole numbers, NaN, infinite."""
    learnt = {name: value for name, value in state.items() if not name.endswith(CONSTANTS)}
    for name, value in learnt.items():
        if value.layout is not torch.strided or not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise UserError(f"{name} holds {kind} values: weights are dense floating-point tensors")
        bad = int((~value.isfinite()).sum())
        if bad:
            raise UserError(
                f"{name} has {bad} values that are NaN or infinite: use a checkpoint from before it diverged"
            )
    return learnt


def sizes(state: Mapping[str, Tensor]) -> tuple[Inference, ...]:
    """The sizes of the model, from its tensors' shapes. Raises UserError if they give none."""
    for name in state:
        for part, what in UNSUPPORTED.items():
            if part in name:
                raise UserError(
                    f"{name} belongs to {what}: only plain multi-head attention and MLPs are read"
                )
    layers = {name.split(".")[1] for name in state if name.startswith("blocks.")}
    found = [Inference("n_layers", len(layers), "number of blocks")]
    for setting, (described, axis) in SIZES.items():
        tensor, axes = described.split(" ", 1)
        if tensor in state:
            shape = list(state[tensor].shape)
            if len(shape) != len(axes.split()):
                raise UserError(f"{tensor} has the shape {shape}: expected {axes}")
            found.append(Inference(setting, shape[axis], f"shape of {tensor}"))
        elif setting == "d_mlp":
            found.append(Inference(setting, None, f"no {tensor}: attention-only"))
        else:
            have = f"it holds {', '.join(sorted(state)[:3])} ..." if state else "it is empty"
            raise UserError(f"no {tensor}, which every HookedTransformer state dict has: {have}")
    gate = "blocks.0.mlp.W_gate"
    found.append(Inference("gated_mlp", gate in state, f"{gate} is {'' if gate in state else 'not '}there"))
    return tuple(found)


def infer(
    state: Mapping[str, Tensor],
    usual: Mapping[str, object],
    given: Mapping[str, object],
    stated: Collection[Inference] = (),
) -> tuple[Config, tuple[Inference, ...]]:
    """The config of the model with these weights, and what each setting was concluded from.

    Shapes, and layer norm weights that are there, are facts. What they leave open comes from `given`, else
    from what is `stated` beside the weights, else from a stored attention mask if it settles the matter, else
    from `usual`, else from what is common.
    Raises UserError, naming the arguments, for what is still open, and for a `given` against the facts.
    """
    refuse_unknown(given)
    facts = {fact.setting: fact for fact in sizes(state)}
    if (norm := _learnt_norm(state)) is not None:
        facts["normalization_type"] = norm
    for setting, fact in facts.items():
        if given.get(setting, fact.value) != fact.value:
            raise UserError(
                f"{setting}={given[setting]!r} contradicts the file: {fact.value} ({fact.source})"
            )
    found, said = dict(facts), {each.setting: each for each in stated}
    for setting in Config.names():
        if setting in given and setting not in facts:
            found[setting] = Inference(setting, given[setting], "argument", assumed=True)
        elif setting in said and setting in facts:
            _agree(said[setting], facts[setting])
        elif setting in said and setting not in facts:
            found[setting] = said[setting]
        elif setting not in facts and (setting != "act_fn" or facts["d_mlp"].value):
            found[setting] = _conclude(setting, state, usual)
    still_open = [each for each in found.values() if each.setting in CHOICES and each.value is None]
    if still_open:
        raise UserError(_question(still_open, has_task=bool(usual)))
    ordered = tuple(found[setting] for setting in Config.names() if setting in found)
    beside = tuple(each for each in stated if each.setting not in Config.names())
    return Config.from_dict({each.setting: each.value for each in ordered}), ordered + beside


def _learnt_norm(state: Mapping[str, Tensor]) -> Inference | None:
    """The kind of norm, where its weights give it away."""
    norm = "blocks.0.ln1"
    if f"{norm}.w" not in state:
        return None
    if f"{norm}.b" in state:
        return Inference("normalization_type", "LN", f"{norm}.w is there")
    # Files without any bias come from code that has a switch for them, and layer norms.
    biased = any(name.startswith("blocks.0.") and ".b_" in name for name in state)
    return Inference("normalization_type", "RMS", f"{norm}.w has no {norm}.b beside it") if biased else None


def _agree(said: Inference, fact: Inference) -> None:
    """Raises UserError if the config beside the weights belongs to another model."""
    if said.value != fact.value:
        raise UserError(
            f"{said.source} says {said.setting}={said.value!r}, but the weights have {fact.value!r} "
            f"({fact.source})"
        )


def refuse_unknown(given: Mapping[str, object]) -> None:
    """Raises UserError for a name that is no setting."""
    unknown = set(given) - set(Config.names())
    if unknown:
        raise UserError(f"unknown setting {min(unknown)!r}: a config has {', '.join(Config.names())}")


def _conclude(setting: str, state: Mapping[str, Tensor], usual: Mapping[str, object]) -> Inference:
    """A setting that is not a fact; its value is None where nothing says."""
    if setting == "attention_dir":
        return _attention_dir(state, usual)
    value = usual.get(setting)
    if setting == "normalization_type" and "blocks.0.ln1.w" in state:
        kind = value if value in ("LN", "RMS") else "LN"
        return Inference(setting, kind, "blocks.0.ln1.w is there, and no bias at all", assumed=True)
    if setting == "normalization_type" and value == "LN":
        return Inference(
            setting, "LNPre", "no blocks.0.ln1.w; LN is usual for the task: folded into the weights", True
        )
    if setting in usual:
        return Inference(setting, value, "usual for the task", assumed=True)
    return Inference(setting, ASSUMED.get(setting), "assumed: nothing in the file says", assumed=True)


def _attention_dir(state: Mapping[str, Tensor], usual: Mapping[str, object]) -> Inference:
    """From the stored masks and the task.

    A full mask of all positions proves that attention is bidirectional. A triangular one proves nothing:
    HookedTransformer used to store it for either direction, and the public bracket classifier, bidirectional,
    has one. Neither does an empty one, which TransformerLens 3 writes whatever the direction, nor that of a
    single position, which is full and triangular at once.
    """
    n_ctx = len(state["pos_embed.W_pos"])
    masks = [value.bool() for name, value in state.items() if name.endswith(".attn.mask")]
    telling = [mask for mask in masks if mask.numel() > 1]
    if any(mask.shape != (n_ctx, n_ctx) for mask in telling):
        raise UserError(
            f"a stored attention mask is {list(telling[0].shape)}: with {n_ctx} positions it would be "
            f"[{n_ctx}, {n_ctx}]"
        )
    if telling and all(mask.all() for mask in telling):
        return Inference("attention_dir", "bidirectional", "the stored mask is full")
    if any(not torch.equal(mask, torch.ones_like(mask).tril()) for mask in telling):
        raise UserError(
            "the stored attention mask is neither full nor triangular: such attention is not read"
        )
    stored = "no mask is stored" if not masks else "the stored mask is empty, which tells nothing"
    if telling:
        stored = "the stored mask is triangular, which does not tell"
    return Inference(
        "attention_dir", usual.get("attention_dir"), f"usual for the task; {stored}", assumed=True
    )


def _question(still_open: Collection[Inference], has_task: bool) -> str:
    arguments = ", ".join(f"{each.setting}= ({' or '.join(CHOICES[each.setting])})" for each in still_open)
    settings = " or ".join(each.setting for each in still_open)
    who = "neither the file nor the task says" if has_task else "the file does not say"
    task = "" if has_task else ", or a task"
    options = "`--set`" if has_task else "`--set` and `--task`"
    return f"{who} {settings}: give {arguments}{task}; on the command line, with {options}"
