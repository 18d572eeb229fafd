"""A model in memory, of any library, read as if it came from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from algoscope.checkpoints.content import Content, unprefixed
from algoscope.errors import UserError


@runtime_checkable
class Live(Protocol):
    """What has a state dict: any `nn.Module`, whichever library made it."""

    def state_dict(self) -> Mapping[str, Any]: ...


def content_of(model: Live) -> Content:
    """Its tensors, on the CPU, with the settings in its `cfg` or `config`. The model stays as it is."""
    tensors = {
        str(name): value.detach().cpu()
        for name, value in model.state_dict().items()
        if isinstance(value, Tensor)
    }
    if not tensors:
        raise UserError("its state dict holds no tensors")
    hooks = _hooks(model)
    notes = (("forward hooks left out", str(hooks)),) if hooks else ()
    return unprefixed(Content(tensors, {}, _settings(model), notes))


def _settings(model: Live) -> dict[str, object]:
    """Of the object's config, whatever class it has."""
    config: Any = next((found for name in ("cfg", "config") if (found := getattr(model, name, None))), None)
    if hasattr(config, "to_dict"):
        config = config.to_dict()
    elif config is not None and not isinstance(config, Mapping):
        config = getattr(config, "__dict__", {})
    return {str(name): value for name, value in config.items()} if isinstance(config, Mapping) else {}


def _hooks(model: Live) -> int:
    """How many hooks may change what it computes."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)
