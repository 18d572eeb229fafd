"""What stands between the stream and whoever reads it: layer norm, RMS norm, or nothing.

`forward` goes by way of the sites that its `tap` wants, `normalize` is the same fused. It is made of `scale`,
what a norm divides by; `plain`, what is left then; and `learnt`, which puts on what is learnt.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from algoscope.model.config import Config
from algoscope.model.sites import Taps

Stream = Float[Tensor, "*batch d_model"]
Scale = Float[Tensor, "*batch 1"]


class Scaled(nn.Module):
    """A norm with the sites `hook_scale` and `hook_normalized`. "LNPre" and "RMSPre" have no parameters."""

    def __init__(self, config: Config, name: str) -> None:
        super().__init__()
        self.name = name
        self.eps = config.eps
        self.shape = (config.d_model,)
        learnt = not config.normalization_type.endswith("Pre")
        self.w = nn.Parameter(torch.ones(config.d_model)) if learnt else None


class LayerNorm(Scaled):
    """`(x - mean) / sqrt(variance + eps) * w + b`; `hook_normalized` is all of it."""

    def __init__(self, config: Config, name: str) -> None:
        super().__init__(config, name)
        self.b = None if self.w is None else nn.Parameter(torch.zeros(config.d_model))

    def forward(self, x: Stream, tap: Taps) -> Stream:
        scale_wanted = tap.want(f"{self.name}.hook_scale")
        normalized = self._with_scale(x, tap) if scale_wanted else self.normalize(x)
        return tap(f"{self.name}.hook_normalized", normalized)

    def _with_scale(self, x: Stream, tap: Taps) -> Stream:
        """The norm with its scale in the open; as fast as without, where the scale is only read."""
        site = f"{self.name}.hook_scale"
        if x.requires_grad:
            # The fused norm has no gradient through its scale.
            centred = x - x.mean(-1, keepdim=True)
            return self.learnt(centred / tap(site, (centred.pow(2).mean(-1, keepdim=True) + self.eps).sqrt()))
        normalized, mean, inverse = torch.native_layer_norm(x, self.shape, self.w, self.b, self.eps)
        scale = inverse.reciprocal()
        edited = tap(site, scale)
        return normalized if edited is scale else self.learnt((x - mean) / edited)

    def normalize(self, x: Stream) -> Stream:
        return functional.layer_norm(x, self.shape, self.w, self.b, self.eps)

    def plain(self, x: Stream) -> Stream:
        return functional.layer_norm(x, self.shape, eps=self.eps)

    def scale(self, x: Stream) -> Scale:
        return (x.var(-1, correction=0, keepdim=True) + self.eps).sqrt()

    def learnt(self, plain: Stream) -> Stream:
        return plain if self.w is None or self.b is None else torch.addcmul(self.b, plain, self.w)


class RMSNorm(Scaled):
    """`x / sqrt(mean(x²) + eps) * w`; as in HookedTransformer, `hook_normalized` comes before `w`."""

    def forward(self, x: Stream, tap: Taps) -> Stream:
        scale_site, site = f"{self.name}.hook_scale", f"{self.name}.hook_normalized"
        if not tap.want(scale_site, site):
            return self.normalize(x)
        plain = x / tap(scale_site, self.scale(x)) if tap.want(scale_site) else self.plain(x)
        return self.learnt(tap(site, plain))

    def normalize(self, x: Stream) -> Stream:
        return functional.rms_norm(x, self.shape, self.w, self.eps)

    def plain(self, x: Stream) -> Stream:
        return functional.rms_norm(x, self.shape, eps=self.eps)

    def scale(self, x: Stream) -> Scale:
        return (x.pow(2).mean(-1, keepdim=True) + self.eps).sqrt()

    def learnt(self, plain: Stream) -> Stream:
        return plain if self.w is None else plain * self.w


class NoNorm(nn.Module):
    """What stands where a norm would, in a model without: passes the residual stream through."""

    def forward(self, x: Stream, tap: Taps) -> Stream:
        return x

    def normalize(self, x: Stream) -> Stream:
        return x

    def plain(self, x: Stream) -> Stream:
        return x

    def scale(self, x: Stream) -> Scale:
        return torch.ones_like(x[..., :1])

    def learnt(self, plain: Stream) -> Stream:
        return plain


Norm = LayerNorm | RMSNorm | NoNorm


def norm(config: Config, name: str) -> Norm:
    """The norm of this name, of the kind that the config asks for."""
    if config.normalization_type == "none":
        return NoNorm()
    return LayerNorm(config, name) if config.centred else RMSNorm(config, name)
