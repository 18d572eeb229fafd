"""The residual stream of a run taken apart: by layer, head and neuron, and what each does to a logit."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from algoscope.errors import UserError
from algoscope.hooked.utils import get_act_name
from algoscope.hooked.values import Places, Values, sliced_at
from algoscope.model.sites import Taps

Stack = Float[Tensor, "component *batch_and_seq d_model"]
Tokens = str | int | Int[Tensor, "*batch_and_seq"]


class ActivationCache(Values):
    """Values by site: `cache["blocks.0.attn.hook_q"]`, `cache["q", 0]`; and parts of the stream, stacked.

    Each stack is `[component ...]`; with `return_labels`, its labels come too. `layer` is the one in front
    of which the stream is meant; None and -1 are the end of the model.
    """

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
        """The residual stream before each layer up to `layer`.

        With `incl_mid` also between attention and MLP; with `mlp_input` the last one is what the MLP of
        `layer` reads. With `apply_ln` at the end of the model, each goes through the final norm by itself.
        """
        last, labels = self._layer(layer), list[str]()
        values = []
        for each in range(last + 1):
            final = each == self.model.cfg.n_layers
            values.append(self["resid_post", each - 1] if final else self["resid_pre", each])
            labels.append("final_post" if final else f"{each}_pre")
            if not final and ((incl_mid and each < last) or (mlp_input and each == last)):
                values.append(self["resid_mid", each])
                labels.append(f"{each}_mid")
        stack = self._stacked(values, pos_slice)
        if apply_ln:
            own = last == self.model.cfg.n_layers
            stack = self.apply_ln_to_stack(stack, layer, mlp_input, pos_slice, recompute_ln=own)
        return (stack, labels) if return_labels else stack

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
        """What each attention layer and MLP wrote into the stream before `layer`.

        They add up to the stream there. `mode` is "all", "attn" or "mlp"; the embeddings come first.
        """
        if mode not in ("all", "attn", "mlp"):
            raise UserError(f"mode is {mode!r}: choose from all, attn, mlp")
        last = self._layer(layer)
        names = ["hook_embed", "hook_pos_embed"] if incl_embeds else []
        labels = ["embed", "pos_embed"] if incl_embeds else []
        parts = [(each, part) for each in range(last) for part in ("attn", "mlp")]
        for each, part in parts + ([(last, "attn")] if mlp_input else []):
            if mode in ("all", part) and (part == "attn" or self.model.cfg.d_mlp):
                names.append(get_act_name(f"{part}_out", each))
                labels.append(f"{each}_{part}_out")
        stack = self._stacked([self[name] for name in names], pos_slice)
        if apply_ln:
            stack = self.apply_ln_to_stack(stack, layer, mlp_input, pos_slice)
        return (stack, labels) if return_labels else stack

    def stack_head_results(
        self,
        layer: int | None = -1,
        return_labels: bool = False,
        incl_remainder: bool = False,
        pos_slice: Places = None,
        apply_ln: bool = False,
    ) -> Any:
        """What each head of the layers below `layer` wrote, layer by layer.

        Without the output biases, which are no one head's. The remainder is the rest of the stream there.
        """
        last = self._layer(layer)
        values = [result for each in range(last) for result in self._results(each).unbind(-2)]
        labels = [f"L{each}H{head}" for each in range(last) for head in range(self.model.cfg.n_heads)]
        return self._ended(values, labels, last, incl_remainder, pos_slice, apply_ln, return_labels)

    def stack_neuron_results(
        self,
        layer: int | None,
        pos_slice: Places = None,
        neuron_slice: Places = None,
        return_labels: bool = False,
        incl_remainder: bool = False,
        apply_ln: bool = False,
    ) -> Any:
        """What each neuron of the layers below `layer` wrote, layer by layer, without the output biases."""
        last = self._layer(layer)
        chosen = sliced_at(torch.arange(self.model.cfg.d_mlp), neuron_slice, 0).reshape(-1)
        values = [
            result for each in range(last) for result in self.get_neuron_results(each, chosen).unbind(-2)
        ]
        labels = [f"L{each}N{neuron}" for each in range(last) for neuron in chosen.tolist()]
        return self._ended(values, labels, last, incl_remainder, pos_slice, apply_ln, return_labels)

    def get_neuron_results(
        self, layer: int, neuron_slice: Places = None, pos_slice: Places = None
    ) -> Float[Tensor, "*batch_and_seq neuron d_model"]:
        """What each neuron of one layer wrote: its value times its output weights."""
        post = sliced_at(self["post", layer], pos_slice, -2)
        W_out = self.model.W_out.detach()[layer]
        return sliced_at(post, neuron_slice, -1)[..., None] * sliced_at(W_out, neuron_slice, 0)

    def compute_head_results(self) -> None:
        """Puts `hook_result` of every layer into the cache, from `hook_z`."""
        for layer in range(self.model.cfg.n_layers):
            self.cache_dict[get_act_name("result", layer)] = self._results(layer)

    def get_full_resid_decomposition(
        self,
        layer: int | None = None,
        mlp_input: bool = False,
        expand_neurons: bool = True,
        apply_ln: bool = False,
        pos_slice: Places = None,
        return_labels: bool = False,
    ) -> Any:
        """The stream before `layer` as heads, then neurons, embeddings, and all output biases as one.

        They add up to the stream there. Without `expand_neurons` an MLP is one part, its bias included.
        """
        last = self._layer(layer)
        stacks = [self.stack_head_results(last + mlp_input, True, pos_slice=pos_slice)]
        if self.model.cfg.d_mlp and last:
            stacks.append(
                self.stack_neuron_results(last, pos_slice, return_labels=True)
                if expand_neurons
                else self.decompose_resid(
                    last, mode="mlp", pos_slice=pos_slice, incl_embeds=False, return_labels=True
                )
            )
        stacks.append(self.decompose_resid(0, pos_slice=pos_slice, return_labels=True))
        bias = self.model.accumulated_bias(last, mlp_input, include_mlp_biases=expand_neurons).detach()
        stacks.append((bias.expand_as(stacks[-1][0][:1]), ["bias"]))
        stack = torch.cat([values for values, _ in stacks])
        if apply_ln:
            stack = self.apply_ln_to_stack(stack, layer, mlp_input, pos_slice)
        return (stack, [label for _, labels in stacks for label in labels]) if return_labels else stack

    def apply_ln_to_stack(
        self,
        residual_stack: Stack,
        layer: int | None = None,
        mlp_input: bool = False,
        pos_slice: Places = None,
        batch_slice: Places = None,
        has_batch_dim: bool = True,
        recompute_ln: bool = False,
    ) -> Stack:
        """Parts of the stream as the norm in front of `layer` scales them, with the whole stream's own scale.

        Linear in the parts, so sums stay sums. A norm's learnt scale and shift are left out: fold them
        first. The stack is cut down to `pos_slice` already, and is here cut down to `batch_slice`.
        With `recompute_ln` at the end of the model, each part goes through the final norm by itself.
        """
        last = self._layer(layer)
        final = last == self.model.cfg.n_layers
        stack = sliced_at(residual_stack, batch_slice, 1) if has_batch_dim else residual_stack
        if self.model.cfg.normalization_type is None:
            return stack
        if recompute_ln and final:
            with torch.no_grad():
                normed: Tensor = self.model.transformer.ln_final(stack, Taps({}))
                return normed
        name = "ln_final.hook_scale" if final else f"blocks.{last}.ln{2 if mlp_input else 1}.hook_scale"
        scale = sliced_at(self[name], pos_slice, -2)
        if self.has_batch_dim:
            scale = sliced_at(scale, batch_slice, 0)
        centred = self.model.transformer.config.centred
        return (stack - stack.mean(-1, keepdim=True) if centred else stack) / scale

    def logit_attrs(
        self,
        residual_stack: Stack,
        tokens: Tokens,
        incorrect_tokens: Tokens | None = None,
        pos_slice: Places = None,
        batch_slice: Places = None,
        has_batch_dim: bool = True,
    ) -> Float[Tensor, "component *batch_and_seq"]:
        """How far each part pushes the logit of `tokens`, minus that of `incorrect_tokens`: in logits.

        One token for all, or one for each place of the stack. A string is the name of one of the task's
        classes. Raises UserError where tokens and stack don't fit. Slices are as in `apply_ln_to_stack`.
        """
        direction = self.model.tokens_to_residual_directions(tokens)
        if incorrect_tokens is not None:
            other = self.model.tokens_to_residual_directions(incorrect_tokens)
            if other.shape != direction.shape:
                raise UserError("tokens and incorrect_tokens are of different shapes: give as many of each")
            direction = direction - other
        stack = self.apply_ln_to_stack(residual_stack, None, False, pos_slice, batch_slice, has_batch_dim)
        if direction.ndim > 1 and direction.shape[:-1] != stack.shape[1:-1]:
            raise UserError(
                f"tokens are {list(direction.shape[:-1])} for a stack {list(stack.shape)}: give one for all, "
                f"or {list(stack.shape[1:-1])}; pos_slice in the call that made the stack takes one position"
            )
        return (stack * direction.detach()).sum(-1)

    def _results(self, layer: int) -> Float[Tensor, "*batch_and_seq head d_model"]:
        """From `hook_z` where the run did not keep `hook_result`."""
        if get_act_name("result", layer) in self.cache_dict:
            return self["result", layer]
        with torch.no_grad():
            return torch.einsum("...hd,hdm->...hm", self["z", layer], self.model.W_O[layer])

    def _ended(
        self,
        values: list[Tensor],
        labels: list[str],
        last: int,
        incl_remainder: bool,
        pos_slice: Places,
        apply_ln: bool,
        return_labels: bool,
    ) -> Any:
        """The stack of all parts of one kind, with the rest of the stream if it is wanted."""
        if incl_remainder:
            whole = self["resid_post", last - 1] if last else self["resid_pre", 0]
            values = [*values, whole - torch.stack(values).sum(0) if values else whole]
            labels = [*labels, "remainder"]
        stack = self._stacked(values, pos_slice)
        if apply_ln:
            stack = self.apply_ln_to_stack(stack, last, False, pos_slice)
        return (stack, labels) if return_labels else stack

    def _stacked(self, values: list[Tensor], pos_slice: Places) -> Stack:
        if not values:
            return sliced_at(self["embed"], pos_slice, -2)[None][:0]
        return torch.stack([sliced_at(value, pos_slice, -2) for value in values])

    def _layer(self, layer: int | None) -> int:
        """The layer that is meant; None and -1 are the end of the model."""
        last: int = self.model.cfg.n_layers
        if layer is None or layer == -1:
            return last
        if not 0 <= layer <= last:
            raise UserError(
                f"layer {layer} does not exist: the model has layers 0-{last - 1}, and {last} is the end"
            )
        return layer
