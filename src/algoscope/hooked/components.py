"""The modules of a model under their old names, with their hook points as attributes.

They hold the model's own parameters. Called by themselves they compute what they compute in a run.
"""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from torch import Tensor, nn

from algoscope.errors import UserError
from algoscope.hooked.absent import PART, absent
from algoscope.hooked.factored import FactoredMatrix
from algoscope.hooked.hook_points import Points
from algoscope.model import layers, norms, transformer

BY_ITSELF = "by itself it does not know what is masked: hook the site of its input in a run of the model"


class Part(nn.Module):
    """One module: `.name`, parameters, and hook points `.hook_…`. Anything else is the module's own."""

    def __init__(self, module: nn.Module, name: str, points: Points) -> None:
        super().__init__()
        # In the plain dict: as a child, the module would count its parameters a second time.
        vars(self).update(_module=module, _points=points, name=name)
        vars(self).update(_parameters=module._parameters, _buffers=module._buffers)
        for child, inner in module.named_children():
            setattr(self, child, part(inner, f"{name}.{child}", points))
        vars(self).update(points.inside(name))

    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_out"]:
        """What the module makes of this input; added hooks take part."""
        made: Tensor = self._module(x, self._points.taps())
        return made

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            module = vars(self).get("_module")
            if module is None or name.startswith("__"):
                raise
        if name not in PART and hasattr(module, name):
            found = getattr(module, name)
            if found is not None:
                return found
        here = [each for each in (*vars(self), *self._parameters, *self._modules) if each[0] != "_"]
        raise absent(self.name, name, PART, here)


class LayerNorm(Part):
    """Sites `hook_scale` and `hook_normalized`; parameters `w` and `b` if they are not folded."""


class RMSNorm(Part):
    """Sites `hook_scale` and `hook_normalized`; parameter `w` if it is not folded."""


class MLP(Part):
    """Sites `hook_pre` and `hook_post`; parameters `W_in`, `W_gate` if gated, `b_in`, `W_out`, `b_out`."""


class Attention(Part):
    """Sites from `hook_q` to `hook_result`; parameters `W_Q [head d_model d_head]` ... `b_O [d_model]`."""

    def forward(self, *inputs: object) -> Tensor:
        raise UserError(f"{self.name} can't be called: {BY_ITSELF}")

    @property
    def OV(self) -> FactoredMatrix:
        return FactoredMatrix(self.W_V, self.W_O)

    @property
    def QK(self) -> FactoredMatrix:
        return FactoredMatrix(self.W_Q, self.W_K.mT)


class TransformerBlock(Part):
    """`attn`, `ln1`, and with an MLP `mlp` and `ln2`; sites of the stream before, within and after."""

    def forward(self, *inputs: object) -> Tensor:
        raise UserError(f"{self.name} can't be called: {BY_ITSELF}")


class Embed(Part):
    def forward(self, tokens: Int[Tensor, "*batch seq"]) -> Float[Tensor, "*batch seq d_model"]:
        embedded: Tensor = self.W_E[tokens.long()]
        return embedded


class PosEmbed(Part):
    def forward(self, tokens: Int[Tensor, "*batch seq"]) -> Float[Tensor, "*batch seq d_model"]:
        """Of the first places, for inputs of this shape."""
        position: Tensor = self.W_pos[: tokens.shape[-1]]
        return position.expand(*tokens.shape, -1)


class Unembed(Part):
    def forward(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch class"]:
        tap = self._points.taps()
        logits: Tensor = tap("unembed.hook_out", tap("unembed.hook_in", x) @ self.W_U + self.b_U)
        return logits


KINDS: dict[type[nn.Module], type[Part]] = {
    transformer.Embed: Embed,
    transformer.PosEmbed: PosEmbed,
    transformer.Unembed: Unembed,
    layers.Block: TransformerBlock,
    layers.Attention: Attention,
    layers.MLP: MLP,
    norms.LayerNorm: LayerNorm,
    norms.RMSNorm: RMSNorm,
}


def part(module: nn.Module, name: str, points: Points) -> nn.Module:
    """The part that stands for a module of ours, and within it a part for each of its own."""
    if isinstance(module, nn.ModuleList):
        return nn.ModuleList(part(each, f"{name}.{i}", points) for i, each in enumerate(module))
    return KINDS.get(type(module), Part)(module, name, points)
