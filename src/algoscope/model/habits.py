"""What HookedTransformer's names and arguments are called here, for who tries them on our own model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import ParamSpec, TypeVar

from algoscope.errors import AbsentError, UserError

WRAP = "or HookedTransformer.wrap(model) of algoscope.hooked, which has it"
HOOKS_END = f"hooks end with their run, run_with_hooks(tokens, [(site, hook)]), {WRAP}"
LOSS = f"take torch.nn.functional.cross_entropy of the logits, {WRAP}"
BY_TASK = f"a task does that: encode, decode, words, {WRAP}"
ALWAYS = "every site is always there, and costs something only when it is read"
CIRCUITS = f"use algoscope.analysis.circuits, {WRAP}"
PROCESSING = f"use algoscope.model.processing, {WRAP}"
NO_GRADIENTS = "hooks see values, not gradients: algoscope.interventions.attribution_patching"

NAMES: Mapping[str, str] = {
    "cfg": f"use model.config, {WRAP}",
    **dict.fromkeys(("hook_dict", "hook_points", "mod_dict"), f"use model.sites, {WRAP}"),
    **dict.fromkeys(("hooks", "add_hook", "add_perma_hook", "reset_hooks"), HOOKS_END),
    **dict.fromkeys(("to_tokens", "to_string", "to_str_tokens", "to_single_token", "tokenizer"), BY_TASK),
    "loss_fn": LOSS,
    **dict.fromkeys(("OV", "QK", "W_OV", "W_QK"), CIRCUITS),
    "all_composition_scores": f"use algoscope.analysis.composition.composition(model), {WRAP}",
    "all_head_labels": f"use algoscope.model.head.every_head(model.config), {WRAP}",
    **dict.fromkeys(
        ("accumulated_bias", "tokens_to_residual_directions", "W_E_pos"), WRAP.removeprefix("or ")
    ),
    **dict.fromkeys(("from_pretrained", "load_and_process_state_dict"), "use algoscope.load(path)"),
    **dict.fromkeys(
        (
            "process_weights_",
            "fold_layer_norm",
            "center_writing_weights",
            "center_unembed",
            "fold_value_biases",
        ),
        PROCESSING,
    ),
    **dict.fromkeys(
        ("set_use_attn_result", "set_use_split_qkv_input", "set_use_hook_mlp_in", "set_use_attn_in"), ALWAYS
    ),
    "generate": "it answers questions and continues no texts: take the logits of model(tokens)",
}
ARGUMENTS: Mapping[str, str] = {
    "names_filter": f"give sites=, a list of names or a function of a name, {WRAP}",
    "fwd_hooks": f"give hooks=[(site, hook)], with hook(value, site), {WRAP}",
    **dict.fromkeys(("return_type", "loss_per_token"), LOSS),
    "remove_batch_dim": f"take cache[site][0], {WRAP}",
    **dict.fromkeys(("bwd_hooks", "incl_bwd"), NO_GRADIENTS),
    **dict.fromkeys(("reset_hooks_end", "clear_contexts"), HOOKS_END),
    **dict.fromkeys(("stop_at_layer", "start_at_layer"), "read or edit the site blocks.1.hook_resid_pre"),
    "prepend_bos": "a task's inputs have their first token already",
    "attention_mask": "padding is masked by pad_token of the config",
    "past_kv_cache": "every run computes all positions",
    "pos_slice": "index the values of the cache",
}

Given = ParamSpec("Given")
Result = TypeVar("Result")


def missing(name: str) -> AbsentError | None:
    """The error to raise for a name that a model hasn't, if it is one of theirs."""
    return AbsentError(f"a Transformer has no {name}: {NAMES[name]}") if name in NAMES else None


def hinted(method: Callable[Given, Result]) -> Callable[Given, Result]:
    """The method, with a UserError where it is given an argument of theirs."""

    @wraps(method)
    def call(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        for name in kwargs:
            if name in ARGUMENTS:
                raise UserError(f"{method.__name__} takes no {name}: {ARGUMENTS[name]}")
        return method(*args, **kwargs)

    return call
