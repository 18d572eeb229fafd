"""The places in a forward pass that have a name, and what hooks do there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

from torch import Tensor

from algoscope.errors import UserError
from algoscope.model.config import Config


@dataclass(frozen=True)
class Site:
    """A named place in the forward pass whose value can be read and edited."""

    name: str
    """In full, as in HookedTransformer: `blocks.0.attn.hook_q`."""
    axes: tuple[str, ...]
    """What each axis of the value is: `("batch", "seq", "head", "d_head")`."""
    layer: int | None = None
    """The block that it is in; None before and after the blocks."""

    @property
    def kind(self) -> str:
        """The name without the block: `attn.hook_q`."""
        return self.name.split(".", 2)[2] if self.layer is not None else self.name

    @property
    def position_axis(self) -> int:
        """Which axis is the place in the sequence: the query's, for scores and patterns."""
        return self.axes.index("query" if "query" in self.axes else "seq")


Hook = Callable[[Tensor, Site], Tensor | None]
"""Gets a site's value; returns the new one, or None to keep the one it was given, edited in place or not."""

_STREAM = ("batch", "seq", "d_model")
_SCALE = ("batch", "seq", "one")
_HEAD = ("batch", "seq", "head", "d_head")
_HEAD_STREAM = ("batch", "seq", "head", "d_model")
_SCORES = ("batch", "head", "query", "key")
_NEURON = ("batch", "seq", "neuron")

TOKENS = "hook_tokens"
"""The one site that holds whole numbers."""
EMBED_SITES = {TOKENS: ("batch", "seq"), "hook_embed": _STREAM, "hook_pos_embed": _STREAM}
ATTENTION_SITES = {
    "hook_resid_pre": _STREAM,
    "ln1.hook_scale": _SCALE,
    "ln1.hook_normalized": _STREAM,
    "hook_attn_in": _HEAD_STREAM,
    "hook_q_input": _HEAD_STREAM,
    "hook_k_input": _HEAD_STREAM,
    "hook_v_input": _HEAD_STREAM,
    "attn.hook_q": _HEAD,
    "attn.hook_k": _HEAD,
    "attn.hook_v": _HEAD,
    "attn.hook_attn_scores": _SCORES,
    "attn.hook_pattern": _SCORES,
    "attn.hook_z": _HEAD,
    "attn.hook_result": _HEAD_STREAM,
    "hook_attn_out": _STREAM,
}
MLP_SITES = {
    "hook_resid_mid": _STREAM,
    "hook_mlp_in": _STREAM,
    "ln2.hook_scale": _SCALE,
    "ln2.hook_normalized": _STREAM,
    "mlp.hook_pre": _NEURON,
    "mlp.hook_pre_linear": _NEURON,
    "mlp.hook_post": _NEURON,
    "hook_mlp_out": _STREAM,
}
FINAL_SITES = {
    "ln_final.hook_scale": _SCALE,
    "ln_final.hook_normalized": _STREAM,
    "unembed.hook_in": _STREAM,
    "unembed.hook_out": ("batch", "seq", "class"),
}


def sites(config: Config) -> dict[str, Site]:
    """Every site of a model of this config by name, in the order in which a forward pass meets them."""
    kinds = ATTENTION_SITES | (MLP_SITES if config.d_mlp else {}) | {"hook_resid_post": _STREAM}
    block = {
        f"blocks.{layer}.{kind}": Site(f"blocks.{layer}.{kind}", axes, layer)
        for layer in range(config.n_layers)
        for kind, axes in kinds.items()
    }
    before = {name: Site(name, axes) for name, axes in EMBED_SITES.items()}
    after = {name: Site(name, axes) for name, axes in FINAL_SITES.items()}
    every = before | block | after
    normless = config.normalization_type == "none"
    return {
        name: site
        for name, site in every.items()
        if not (normless and ".hook_" in name and "ln" in name)
        and (config.gated_mlp or site.kind != "mlp.hook_pre_linear")
    }


def find(available: Mapping[str, Site], name: str) -> Site:
    """The site of this name. Raises UserError with the nearest name for one that does not exist."""
    if name in available:
        return available[name]
    near = get_close_matches(name, available, n=1, cutoff=0)
    raise UserError(f"no site {name!r}: did you mean {near[0]!r}? `model.sites` lists all {len(available)}")


class Taps:
    """The hooks of one forward pass, by site."""

    def __init__(self, available: Mapping[str, Site], hooks: Iterable[tuple[str, Hook]] = ()) -> None:
        self._sites = available
        self._hooks: dict[str, list[Hook]] = {}
        for name, hook in hooks:
            self._hooks.setdefault(find(available, name).name, []).append(hook)

    def want(self, *names: str) -> bool:
        """Whether any of these sites has a hook."""
        return any(name in self._hooks for name in names)

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """The value that goes on from this site. Raises UserError if a hook returns another shape."""
        for hook in self._hooks.get(name, ()):
            new = hook(value, self._sites[name])
            if new is None:
                continue
            if not isinstance(new, Tensor) or new.shape != value.shape:
                got = list(new.shape) if isinstance(new, Tensor) else type(new).__name__
                raise UserError(
                    f"the hook at {name!r} returned {got}: it must return {list(value.shape)} "
                    f"({' '.join(self._sites[name].axes)}), or None to leave the value as it is"
                )
            value = new
        return value

    @cached_property
    def unrecorded(self) -> Taps:
        """The same without what only looks on: for values that a site has beside the one that is its own."""
        kept = ((name, hook) for name, hooks in self._hooks.items() for hook in hooks)
        return Taps(self._sites, ((name, hook) for name, hook in kept if not isinstance(hook, Recording)))


class Recording:
    """A hook that puts each value it meets into a store, by site name, and changes nothing."""

    def __init__(self, store: dict[str, Tensor]) -> None:
        self.store = store

    def __call__(self, value: Tensor, site: Site) -> None:
        self.store[site.name] = value


def editing(hook: Hook) -> Hook:
    """The same hook, given a copy of its own: what it changes in place takes effect there and nowhere else.

    Without the copy, an edit in place would reach other sites that share memory with this one
    (a layer's `hook_resid_post` is the next one's `hook_resid_pre`), or the model's own weights.
    """

    def edit(value: Tensor, site: Site) -> Tensor:
        own = value.clone()
        new = hook(own, site)
        return own if new is None else new

    return edit


class Cache(dict[str, Tensor]):
    """Values of sites by full name, as one forward pass left them."""

    def __missing__(self, name: str) -> Tensor:
        near = get_close_matches(name, self, n=1, cutoff=0)
        hint = f"the nearest that is there is {near[0]!r}" if near else "it is empty"
        raise KeyError(f"{name!r} is not in this cache ({hint}): name it in `sites` when you run the model")


def selected(
    available: Mapping[str, Site], wanted: Sequence[str] | Callable[[str], bool] | None
) -> list[str]:
    """Names of the wanted sites: those listed, those for which the function is true, or all for None."""
    if wanted is None:
        return list(available)
    if callable(wanted):
        return [name for name in available if wanted(name)]
    if isinstance(wanted, str):
        raise UserError(f"sites is the text {wanted!r}: give a list of names, [{wanted!r}]")
    return [find(available, name).name for name in wanted]
