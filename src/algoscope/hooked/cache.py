"""What a run left at each site, under short names, and the residual stream taken apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.errors import UserError
from algoscope.hooked.utils import get_act_name
from algoscope.model.transformer import Transformer

Places = int | slice | tuple[int, ...] | list[int] | Tensor | None
"""Positions in the sequence: one, which takes the axis away, several, or None for all."""
Stack = Float[Tensor, "component *batch_and_seq d_model"]


class ActivationCache(Mapping[str, Tensor]):
    """Values by site: `cache["blocks.0.attn.hook_q"]`, `cache["q", 0]`, `cache["scale", 0, "ln1"]`.

    A negative layer counts from the last. Values carry no gradient. Raises KeyError for a site
    that the run did not keep.
    """

    def __init__(self, values: Mapping[str, Tensor], model: Transformer, has_batch_dim: bool = True) -> None:
        self.cache_dict = dict(values)
        self.model = model
        self.has_batch_dim = has_batch_dim

    def __getitem__(self, key: str | tuple[Any, ...]) -> Tensor:
        given = (key,) if isinstance(key, str) else key
        if len(given) > 1 and isinstance(given[1], int) and given[1] < 0:
            given = (given[0], self.model.config.n_layers + given[1], *given[2:])
        name = get_act_name(*given)
        if name in self.cache_dict:
            return self.cache_dict[name]
        near = get_close_matches(name, self.cache_dict, n=1, cutoff=0)
        hint = f"the nearest that is there is {near[0]!r}" if near else "it is empty"
        raise KeyError(
            f"{name!r} is not in this cache ({hint}): is it in `names_filter`, and in `hook_dict`?"
        )

    def __contains__(self, key: object) -> bool:
        return key in self.cache_dict or (isinstance(key, str) and get_act_name(key) in self.cache_dict)

    def __iter__(self) -> Iterator[str]:
        return iter(self.cache_dict)

    def __len__(self) -> int:
        return len(self.cache_dict)

    def __repr__(self) -> str:
        return f"ActivationCache with keys {list(self.cache_dict)}"

    def to(self, device: torch.device | str) -> Self:
        """The same values on another device."""
        moved = {name: value.to(device) for name, value in self.items()}
        return type(self)(moved, self.model, self.has_batch_dim)

    def remove_batch_dim(self) -> Self:
        """Takes the batch axis off every value, in place. Raises UserError for more than one input."""
        if not self.has_batch_dim:
            return self
        sizes = {len(value) for value in self.values()} - {1}
        if sizes:
            raise UserError(f"only a batch of one has no need of its axis: this one has {min(sizes)} inputs")
        self.cache_dict = {name: value[0] for name, value in self.items()}
        self.has_batch_dim = False
        return self

    def stack_activation(
        self, activation_name: str, layer: int = -1, sublayer_type: str | None = None
    ) -> Tensor:
        """One value of every layer below `layer`, stacked: `[layer ...]`."""
        return torch.stack([self[activation_name, each, sublayer_type] for each in range(self._layer(layer))])

    def accumulated_resid(
        self,
        layer: int | None = None,
        incl_mid: bool = False,
        apply_ln: bool = False,
        pos_slice: Places = None,
        mlp_input: bool = False,
        return_labels: bool = False,
    ) -> Any:
        """The residual stream before each layer up to `layer`: `[component ... d_model]`.

        None is the end of the model. With `incl_mid` also between attention and MLP; with `mlp_input` the
        last one is what the MLP of `layer` reads. With `return_labels`, the labels too.
        """
        last, labels = self._layer(layer), list[str]()
        values = []
        for each in range(last + 1):
            final = each == self.model.config.n_layers
            values.append(self["resid_post", each - 1] if final else self["resid_pre", each])
            labels.append("final_post" if final else f"{each}_pre")
            if not final and ((incl_mid and each < last) or (mlp_input and each == last)):
                values.append(self["resid_mid", each])
                labels.append(f"{each}_mid")
        return self._result(values, labels, layer, apply_ln, pos_slice, mlp_input, return_labels)

    def decompose_resid(
        self,
        layer: int | None = None,
        mlp_input: bool = False,
        mode: str = "all",
        apply_ln: bool = False,
        pos_slice: Places = None,
        incl_embeds: bool = True,
        return_labels: bool = False,
    ) -> Any:
        """What each attention layer and MLP wrote into the stream before `layer`: `[component ... d_model]`.

        They add up to the stream there. `mode` is "all", "attn" or "mlp"; the embeddings come first.
        """
        if mode not in ("all", "attn", "mlp"):
            raise UserError(f"mode is {mode!r}: choose from all, attn, mlp")
        last = self._layer(layer)
        names = ["hook_embed", "hook_pos_embed"] if incl_embeds else []
        labels = ["embed", "pos_embed"] if incl_embeds else []
        parts = [(each, part) for each in range(last) for part in ("attn", "mlp")]
        for each, part in parts + ([(last, "attn")] if mlp_input else []):
            if mode in ("all", part) and (part == "attn" or self.model.config.d_mlp):
                names.append(get_act_name(f"{part}_out", each))
                labels.append(f"{each}_{part}_out")
        values = [self[name] for name in names]
        return self._result(values, labels, layer, apply_ln, pos_slice, mlp_input, return_labels)

    def stack_head_results(
        self,
        layer: int | None = -1,
        return_labels: bool = False,
        incl_remainder: bool = False,
        pos_slice: Places = None,
        apply_ln: bool = False,
    ) -> Any:
        """What each head of the layers below `layer` wrote, layer by layer: `[component ... d_model]`.

        Without the output biases, which are no one head's. The remainder is the rest of the stream there.
        """
        last = self._layer(layer)
        values = [result for each in range(last) for result in self._results(each).unbind(-2)]
        labels = [f"L{each}H{head}" for each in range(last) for head in range(self.model.config.n_heads)]
        if incl_remainder:
            whole = self["resid_post", last - 1] if last else self["resid_pre", 0]
            values.append(whole - torch.stack(values).sum(0) if values else whole)
            labels.append("remainder")
        return self._result(values, labels, layer, apply_ln, pos_slice, False, return_labels)

    def apply_ln_to_stack(
        self,
        residual_stack: Stack,
        layer: int | None = None,
        mlp_input: bool = False,
        pos_slice: Places = None,
        batch_slice: Any = None,
        has_batch_dim: bool = True,
    ) -> Stack:
        """Parts of the stream as the norm in front of `layer` scales them, with the whole stream's own scale.

        None is the final norm. Linear in the parts, so sums stay sums. A norm's learnt scale and shift are
        left out: fold them first. `pos_slice` and `batch_slice` say what the stack was cut down to.
        """
        if self.model.config.normalization_type == "none":
            return residual_stack
        last = self._layer(layer)
        final = last == self.model.config.n_layers
        name = "ln_final.hook_scale" if final else f"blocks.{last}.ln{2 if mlp_input else 1}.hook_scale"
        scale = _at(self[name], pos_slice)
        if batch_slice is not None and self.has_batch_dim and has_batch_dim:
            scale = scale[batch_slice]
        if self.model.config.centred:
            residual_stack = residual_stack - residual_stack.mean(-1, keepdim=True)
        return residual_stack / scale

    def _results(self, layer: int) -> Tensor:
        """From `hook_z` where the run did not keep `hook_result`."""
        if get_act_name("result", layer) in self.cache_dict:
            return self["result", layer]
        with torch.no_grad():
            return self.model.block(layer).attn.results(self["z", layer])

    def _result(
        self,
        values: list[Tensor],
        labels: list[str],
        layer: int | None,
        apply_ln: bool,
        pos_slice: Places,
        mlp_input: bool,
        return_labels: bool,
    ) -> Any:
        if not values:
            raise UserError(f"nothing is written before layer {layer}: give a higher one")
        stack = torch.stack([_at(value, pos_slice) for value in values])
        if apply_ln:
            stack = self.apply_ln_to_stack(stack, layer, mlp_input, pos_slice)
        return (stack, labels) if return_labels else stack

    def _layer(self, layer: int | None) -> int:
        """The layer that is meant; None and -1 are the end of the model."""
        last = self.model.config.n_layers
        if layer is None or layer == -1:
            return last
        if not 0 <= layer <= last:
            raise UserError(
                f"layer {layer} does not exist: the model has layers 0-{last - 1}, and {last} is the end"
            )
        return layer


def _at(value: Float[Tensor, "*batch seq last"], places: Places) -> Tensor:
    if places is None:
        return value
    if isinstance(places, tuple):
        places = slice(*places)
    return value[..., places, :]
