"""`HookedTransformer` and what a course imports beside it, as a thin translation onto our own `Transformer`.

The one room where a thing has a second spelling. What works and what is refused:
docs/from_transformerlens.md.
"""

from algoscope.hooked import utils
from algoscope.hooked.cache import ActivationCache
from algoscope.hooked.config import HookedTransformerConfig
from algoscope.hooked.factored import FactoredMatrix
from algoscope.hooked.hook_point import HookPoint
from algoscope.hooked.model import HookedTransformer
from algoscope.model.norms import LayerNorm

__all__ = [
    "ActivationCache",
    "FactoredMatrix",
    "HookPoint",
    "HookedTransformer",
    "HookedTransformerConfig",
    "LayerNorm",
    "utils",
]
