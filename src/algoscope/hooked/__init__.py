"""`HookedTransformer` and what a course imports beside it, as a thin translation onto our own `Transformer`.

The one room where a thing has a second spelling. What works and what is refused:
docs/from_transformerlens.md.
"""

from typing import Any

from algoscope.hooked import patching, utils
from algoscope.hooked.absent import ROOM, not_importable
from algoscope.hooked.cache import ActivationCache
from algoscope.hooked.components import LayerNorm
from algoscope.hooked.config import HookedTransformerConfig
from algoscope.hooked.factored import FactoredMatrix
from algoscope.hooked.hook_points import HookPoint
from algoscope.hooked.model import HookedTransformer

__all__ = [
    "ActivationCache",
    "FactoredMatrix",
    "HookPoint",
    "HookedTransformer",
    "HookedTransformerConfig",
    "LayerNorm",
    "patching",
    "utils",
]


def __getattr__(name: str) -> Any:
    raise not_importable("algoscope.hooked", name, ROOM)
