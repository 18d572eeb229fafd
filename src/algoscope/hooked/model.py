"""`HookedTransformer`: the old habits on a model of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from algoscope import checkpoints
from algoscope.errors import UserError
from algoscope.hooked import processing as steps
from algoscope.hooked import root, texts
from algoscope.hooked.absent import MODEL, absent
from algoscope.hooked.arguments import Fixed, refuse
from algoscope.hooked.cache import ActivationCache
from algoscope.hooked.components import part
from algoscope.hooked.config import HookedTransformerConfig
from algoscope.hooked.hook_points import Points
from algoscope.hooked.root import FwdHooks, HookedRoot
from algoscope.hooked.texts import Input, Texts
from algoscope.hooked.utils import lm_cross_entropy_loss
from algoscope.hooked.weights import WEIGHTS, Weights
from algoscope.model import processing
from algoscope.model.device import usable
from algoscope.model.transformer import Transformer
from algoscope.tasks import registry
from algoscope.tasks.task import Task

Filter = str | Sequence[str] | Callable[[str], bool] | None

FIXED: Mapping[str, Fixed] = {
    **root.FIXED,
    **texts.FIXED,
    "incl_bwd": Fixed((False,), "a cache holds values, not gradients"),
    "stop_at_layer": Fixed((None,), "read the site instead: names_filter='blocks.1.hook_resid_pre'"),
    "start_at_layer": Fixed((None,), "edit the site instead: a hook at 'blocks.1.hook_resid_pre'"),
    "pos_slice": Fixed((None,), "index the cached values"),
    "past_kv_cache": Fixed((None,), "every run computes all positions"),
    "attention_mask": Fixed((None,), "padding is masked by the config's pad_token"),
    "return_cache_object": Fixed((True,), "the plain dict is cache.cache_dict"),
}


class HookedTransformer(HookedRoot, Texts, Weights):
    """A `Transformer` under HookedTransformer's names and habits; `model.transformer` is the model itself.

    `HookedTransformer(cfg)` is new, `HookedTransformer.wrap(model)` one that you have, `from_pretrained` one
    from a file. With a `task`, texts become tokens: `model("(())")`. Hooks are called
    `hook(value, hook=point)` with a copy of the value, and end with the call that set them, an exception
    included.
    """

    transformer: Transformer

    def __init__(
        self,
        cfg: HookedTransformerConfig | Mapping[str, Any],
        tokenizer: None = None,
        move_to_device: bool = True,
        task: Task | str | None = None,
    ) -> None:
        super().__init__()
        if tokenizer is not None:
            raise UserError("a model takes no tokenizer: give a task, which knows its vocabulary")
        cfg = cfg if isinstance(cfg, HookedTransformerConfig) else HookedTransformerConfig(**cfg)
        made = Transformer(cfg.config, seed=cfg.seed or 0).to(cfg.dtype)
        if move_to_device and cfg.device is not None:
            made = made.to(usable(str(cfg.device)))
        self._hold(made, task, cfg.seed)

    @classmethod
    def wrap(cls, transformer: Transformer, task: Task | str | None = None) -> Self:
        """This model, not a copy of it, under the old names."""
        wrapped = cls.__new__(cls)
        nn.Module.__init__(wrapped)
        wrapped._hold(transformer, task, None)
        return wrapped.train(transformer.training)

    @classmethod
    def from_pretrained(
        cls,
        model_name: str | Path,
        fold_ln: bool = True,
        center_writing_weights: bool = True,
        center_unembed: bool = True,
        fold_value_biases: bool = True,
        *,
        task: Task | str | None = None,
        device: str | None = None,
        **config: Any,
    ) -> Self:
        """A shipped model by name, or one from a checkpoint of any known format, after weight processing.

        `task` and `config` are as in `algoscope.load`. Parameters are frozen: `model.requires_grad_()`.
        """
        found = checkpoints.read(model_name, task=task, **config)
        model = steps.processed(
            found.model, fold_ln, center_writing_weights, center_unembed, fold_value_biases
        )
        known = found.task if task is None and found.task in registry.names() else task
        return cls.wrap(model if device is None else model.to(usable(device)), known)

    @classmethod
    def from_pretrained_no_processing(cls, model_name: str | Path, **arguments: Any) -> Self:
        """The same with the weights as they are."""
        names = ("fold_ln", "center_writing_weights", "center_unembed", "fold_value_biases")
        return cls.from_pretrained(model_name, **dict.fromkeys(names, False) | arguments)

    def _hold(self, transformer: Transformer, task: Task | str | None, seed: int | None) -> None:
        # In the plain dict, so that it is no child: its children are ours, and state dicts keep their names.
        vars(self)["transformer"] = transformer
        self.task = registry.get(task) if isinstance(task, str) else task
        self._seed = seed
        self.hook_dict = Points(transformer.sites)
        vars(self).update(self.hook_dict.inside(""))
        self._show_parts()

    def _show_parts(self) -> None:
        for name, module in self.transformer.named_children():
            self.add_module(name, part(module, name, self.hook_dict))

    @property
    def cfg(self) -> HookedTransformerConfig:
        weight = self.transformer.W_E
        return HookedTransformerConfig.of(
            self.transformer.config, seed=self._seed, device=str(weight.device), dtype=weight.dtype
        )

    def forward(
        self,
        input: Input,
        return_type: str | None = "logits",
        loss_per_token: bool = False,
        **rest: object,
    ) -> Any:
        """Logits at every position; for "loss" the mean surprise at next tokens, "both", or None."""
        refuse("model(...)", rest, FIXED, root.WITHOUT_EFFECT, ("return_type", "loss_per_token"))
        return self._run(input, (), return_type, loss_per_token)

    def run_with_hooks(
        self,
        input: Input,
        return_type: str | None = "logits",
        loss_per_token: bool = False,
        fwd_hooks: FwdHooks = (),
        **rest: object,
    ) -> Any:
        """As `model(input)`, with `(site, hook)` for this run alone; a site may be a function of its name."""
        known = ("return_type", "loss_per_token", "fwd_hooks")
        refuse("run_with_hooks", rest, FIXED, root.WITHOUT_EFFECT, known)
        return self._run(input, fwd_hooks, return_type, loss_per_token)

    def run_with_cache(
        self,
        input: Input,
        return_type: str | None = "logits",
        loss_per_token: bool = False,
        names_filter: Filter = None,
        remove_batch_dim: bool = False,
        device: str | torch.device | None = None,
        **rest: object,
    ) -> tuple[Any, ActivationCache]:
        """As `model(input)`, and what came out of each site that `names_filter` names, or of all."""
        known = ("return_type", "loss_per_token", "names_filter", "remove_batch_dim", "device")
        refuse("run_with_cache", rest, FIXED, root.WITHOUT_EFFECT, known)
        tokens = self._tokens(input)
        wanted = [names_filter] if isinstance(names_filter, str) else names_filter
        logits, values = self.transformer.run_with_cache(tokens, wanted, self._hooks(()))
        cache = ActivationCache({name: value.detach() for name, value in values.items()}, self)
        cache = cache if device is None else cache.to(device)
        answer = _answer(logits, tokens, return_type, loss_per_token)
        return answer, cache.remove_batch_dim() if remove_batch_dim else cache

    def _run(self, input: Input, fwd_hooks: FwdHooks, return_type: str | None, per_token: bool) -> Any:
        tokens = self._tokens(input)
        logits = self.transformer.run_with_hooks(tokens, self._hooks(fwd_hooks))
        return _answer(logits, tokens, return_type, per_token)

    def loss_fn(
        self,
        logits: Float[Tensor, "batch seq class"],
        tokens: Int[Tensor, "batch seq"],
        attention_mask: Int[Tensor, "batch seq"] | None = None,
        per_token: bool = False,
    ) -> Tensor:
        """As `utils.lm_cross_entropy_loss`."""
        return lm_cross_entropy_loss(logits, tokens.to(logits.device), attention_mask, per_token)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """As torch does it, but masks stored with the weights are left out, and nothing else is.

        Raises UserError for a tensor that this model has no place for, with `strict=False` too.
        """
        learnt = steps.without_constants(state_dict)
        extra = sorted(learnt.keys() - self.state_dict())
        if extra:
            raise UserError(f"the model has no {extra[0]}: was its config meant to be another?")
        return super().load_state_dict(learnt, strict, assign)

    def load_and_process_state_dict(self, state_dict: Mapping[str, Tensor], **wanted: bool) -> None:
        """Loads the weights, then `process_weights_`."""
        self.load_state_dict(state_dict, strict=False)
        self.process_weights_(**wanted)

    def process_weights_(self, **wanted: bool) -> None:
        """Puts processed weights in place: `fold_ln`, `center_writing_weights`, `center_unembed`,
        `fold_value_biases`, each done unless it is False."""
        trained = any(parameter.requires_grad for parameter in self.parameters())
        new = steps.processed(self.transformer, **wanted).requires_grad_(trained)
        vars(self)["transformer"] = new
        self._show_parts()

    def fold_layer_norm(self, state_dict: Mapping[str, Tensor]) -> steps.State:
        return steps.on_state(processing.fold_layer_norm, state_dict, self.transformer.config)

    def center_writing_weights(self, state_dict: Mapping[str, Tensor]) -> steps.State:
        return steps.on_state(processing.center_writing_weights, state_dict, self.transformer.config)

    def center_unembed(self, state_dict: Mapping[str, Tensor]) -> steps.State:
        return steps.on_state(processing.center_unembed, state_dict, self.transformer.config)

    def fold_value_biases(self, state_dict: Mapping[str, Tensor]) -> steps.State:
        return steps.on_state(processing.fold_value_biases, state_dict, self.transformer.config)

    def set_use_attn_result(self, *wanted: bool, **named: bool) -> None:
        """Nothing: every site is always there, and costs something only when it is read or edited."""

    set_use_split_qkv_input = set_use_hook_mlp_in = set_use_attn_in = set_use_attn_result

    def __getattr__(self, name: str) -> Any:
        if name in WEIGHTS:
            return getattr(self.transformer, name)
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__"):
                raise
        raise absent("a HookedTransformer", name, MODEL, (*dir(type(self)), *WEIGHTS, *vars(self)))


def _answer(logits: Tensor, tokens: Tensor, return_type: str | None, per_token: bool) -> Any:
    if return_type is None:
        return None
    if return_type == "logits":
        return logits
    if return_type not in ("loss", "both"):
        raise UserError(f"return_type is {return_type!r}: choose from 'logits', 'loss', 'both', None")
    loss = lm_cross_entropy_loss(logits, tokens, per_token=per_token)
    return loss if return_type == "loss" else (logits, loss)
