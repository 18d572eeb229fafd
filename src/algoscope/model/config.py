"""The shape of a transformer: everything about it but its weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Literal, Self, get_args

from torch import Tensor
from torch.nn import functional

from algoscope.errors import UserError

Activation = Literal["relu", "gelu", "gelu_new", "silu"]
AttentionDir = Literal["causal", "bidirectional"]
Normalization = Literal["LN", "LNPre", "RMS", "RMSPre", "none"]

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "relu": functional.relu,
    "gelu": functional.gelu,
    "gelu_new": partial(functional.gelu, approximate="tanh"),
    "silu": functional.silu,
}


@dataclass(frozen=True, kw_only=True)
class Config:
    """Sizes and choices of a pre-norm transformer, named as in TransformerLens.

    Raises UserError, with what would fit, for a value that makes no transformer.
    """

    n_layers: int
    d_model: int
    n_heads: int
    d_head: int
    n_ctx: int
    d_vocab: int
    d_vocab_out: int
    attention_dir: AttentionDir
    d_mlp: int | None = None
    """Neurons per layer; None for an attention-only model."""
    act_fn: Activation | None = None
    normalization_type: Normalization = "LN"
    """LN has a learnt scale and shift, LNPre only normalises, none leaves the residual stream as it is.
    RMS and RMSPre are the same without taking the mean out, and without a shift."""
    gated_mlp: bool = False
    """Whether MLPs are `(f(x W_gate) * (x W_in) + b_in) W_out + b_out`."""
    eps: float = 1e-5
    pad_token: int | None = None
    """Keys at this token are masked in every head; None for inputs that are never padded. Padding is on the
    right: an input that begins with it needs `position_ids`, as its first real token is not at position 0."""

    def __post_init__(self) -> None:
        for name in ("n_layers", "d_model", "n_heads", "d_head", "n_ctx", "d_vocab", "d_vocab_out", "d_mlp"):
            value = getattr(self, name)
            if (value is not None or name != "d_mlp") and not (isinstance(value, int) and value >= 1):
                raise UserError(f"{name} is {value!r}: give a whole number of at least 1")
        for name, kind in (("attention_dir", AttentionDir), ("normalization_type", Normalization)):
            if getattr(self, name) not in get_args(kind):
                raise UserError(f"{name} is {getattr(self, name)!r}: choose from {', '.join(get_args(kind))}")
        if self.d_mlp is None and self.act_fn is not None:
            raise UserError(
                f"act_fn is {self.act_fn!r}, but there is no MLP: give d_mlp too, or leave out act_fn"
            )
        if not isinstance(self.gated_mlp, bool):
            raise UserError(f"gated_mlp is {self.gated_mlp!r}: give true or false")
        if self.d_mlp is None and self.gated_mlp:
            raise UserError("gated_mlp is true, but there is no MLP: give d_mlp too, or leave out gated_mlp")
        if self.d_mlp is not None and self.act_fn not in ACTIVATIONS:
            raise UserError(f"act_fn is {self.act_fn!r}: choose from {', '.join(ACTIVATIONS)}")
        if not (isinstance(self.eps, int | float) and self.eps > 0):
            raise UserError(f"eps is {self.eps!r}: give a number above 0")
        if self.pad_token is not None and self.pad_token not in range(self.d_vocab):
            raise UserError(
                f"pad_token is {self.pad_token!r}: the vocabulary has the ids 0 to {self.d_vocab - 1}"
            )

    @property
    def centred(self) -> bool:
        """Whether no reader sees the mean of the stream over d_model: a layer norm takes it out."""
        return self.normalization_type in ("LN", "LNPre")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        return tuple(field.name for field in fields(cls))

    @classmethod
    def from_dict(cls, values: Mapping[str, object]) -> Self:
        """The config with these values. Raises UserError for a name that is missing or unknown."""
        unknown = set(values) - set(cls.names())
        if unknown:
            raise UserError(f"unknown setting {sorted(unknown)[0]!r}: a config has {', '.join(cls.names())}")
        try:
            return cls(**values)  # type: ignore[arg-type]
        except TypeError as error:
            raise UserError(f"the config is incomplete: {error}") from error

    def to_dict(self) -> dict[str, int | float | str | None]:
        return asdict(self)
