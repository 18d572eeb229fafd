"""How a model of a task is trained: its size, the schedule, and what is known to work for which task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Sizes named as in `Config`, and the schedule. The heads share `d_model` evenly.

    Raises UserError, with what would fit, for a value that trains nothing.
    """

    n_layers: int
    d_model: int
    n_heads: int
    d_mlp: int
    """Neurons per layer; 0 for an attention-only model."""
    steps: int
    batch: int
    """Fresh examples per step."""
    lr: float
    """The peak of the one-cycle learning rate."""
    weight_decay: float = 0.01
    clip: float = 1.0
    """The gradient's norm is cut to this."""
    biases: bool = True
    """Whether biases are learnt; else each stays at zero, as in a model without."""

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "n_heads", "steps", "batch"):
            value = getattr(self, name)
            if not (isinstance(value, int) and value >= 1):
                raise UserError(f"{name} is {value!r}: give a whole number of at least 1")
        if not (isinstance(self.d_mlp, int) and self.d_mlp >= 0):
            raise UserError(f"d_mlp is {self.d_mlp!r}: give a number of neurons, 0 for none")
        if not (self.lr > 0 and self.clip > 0 and self.weight_decay >= 0):
            raise UserError(
                f"lr {self.lr}, clip {self.clip}, weight_decay {self.weight_decay}: "
                "the first two must be above 0, and no weight decay is 0"
            )
        if self.d_model % self.n_heads:
            raise UserError(
                f"d_model {self.d_model} does not divide into {self.n_heads} heads: choose a multiple of them"
            )

    def config(self, task: Task) -> Config:
        """The shape of a model for this task; settings the recipe leaves open are the task's usual ones."""
        usual = dict(task.usual)
        act_fn = usual.pop("act_fn", None) or "relu"
        gated = bool(usual.pop("gated_mlp", False))
        return Config.from_dict(
            {"attention_dir": "causal", "pad_token": task.pad}
            | usual
            | {
                "n_layers": self.n_layers,
                "d_model": self.d_model,
                "n_heads": self.n_heads,
                "d_head": self.d_model // self.n_heads,
                "d_mlp": self.d_mlp or None,
                "act_fn": act_fn if self.d_mlp else None,
                "gated_mlp": gated and self.d_mlp > 0,
                "n_ctx": task.n_ctx,
                "d_vocab": len(task.vocabulary),
                "d_vocab_out": len(task.classes),
            }
        )

    def to_dict(self) -> dict[str, int | float]:
        return asdict(self)


KNOWN: Mapping[str, Recipe] = {
    "brackets": Recipe(n_layers=3, d_model=56, n_heads=2, d_mlp=56, steps=5000, batch=256, lr=3e-3),
    "palindromes": Recipe(n_layers=2, d_model=28, n_heads=2, d_mlp=0, steps=4000, batch=512, lr=8e-3),
    "sorting": Recipe(n_layers=2, d_model=32, n_heads=2, d_mlp=64, steps=4000, batch=128, lr=4e-3),
    "reversal": Recipe(n_layers=2, d_model=32, n_heads=2, d_mlp=64, steps=4000, batch=128, lr=4e-3),
    "modular-addition": Recipe(
        n_layers=1, d_model=64, n_heads=4, d_mlp=128, steps=4000, batch=512, lr=4e-3, weight_decay=0.3
    ),
    "maximum": Recipe(
        n_layers=1, d_model=32, n_heads=1, d_mlp=0, steps=3000, batch=512, lr=0.01, biases=False
    ),
    "nesting": Recipe(n_layers=2, d_model=32, n_heads=2, d_mlp=64, steps=3000, batch=128, lr=4e-3),
    "first-unique": Recipe(n_layers=2, d_model=32, n_heads=2, d_mlp=64, steps=3000, batch=256, lr=4e-3),
}
"""The shipped tasks' recipes. Brackets and palindromes have the sizes of the models that the ARENA course
takes apart; the others are small ones that learn their task in minutes."""

OTHERWISE = Recipe(n_layers=2, d_model=64, n_heads=4, d_mlp=128, steps=5000, batch=256, lr=2e-3)
"""A starting point for a task of the user's own."""


def recipe_for(task: Task) -> Recipe:
    """The recipe of a shipped task; for any other task a starting point that may need other sizes."""
    return KNOWN.get(task.name, OTHERWISE)
