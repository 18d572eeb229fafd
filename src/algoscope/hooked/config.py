"""`HookedTransformerConfig`: the old constructor's arguments, checked, and our own `Config` made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch

from algoscope.errors import UserError
from algoscope.hooked.arguments import Fixed, refuse
from algoscope.model.config import Config

ABSOLUTE = "positions are learnt or fixed vectors, added to the stream"
EVERYWHERE = "attention sees every position that its direction allows"
FRESH = "a new model's weights are N(0, 0.8² / d_model): change them in place"

FIXED: Mapping[str, Fixed] = {
    "positional_embedding_type": Fixed(("standard",), ABSOLUTE),
    "rotary_dim": Fixed((None,), ABSOLUTE),
    "use_NTK_by_parts_rope": Fixed((False,), ABSOLUTE),
    "relative_attention_max_distance": Fixed((None,), ABSOLUTE),
    "relative_attention_num_buckets": Fixed((None,), ABSOLUTE),
    "use_local_attn": Fixed((False,), EVERYWHERE),
    "window_size": Fixed((None,), EVERYWHERE),
    "attn_types": Fixed((None,), EVERYWHERE),
    "use_attn_scale": Fixed((True,), "scores are divided by √d_head; put another factor into W_Q and b_Q"),
    "attn_scale": Fixed((-1.0, None), "scores are divided by √d_head; put another factor into W_Q and b_Q"),
    "scale_attn_by_inverse_layer_idx": Fixed((False,), "put the factor into each layer's W_Q and b_Q"),
    "attn_scores_soft_cap": Fixed((-1.0, None), "scores have no cap"),
    "output_logits_soft_cap": Fixed((-1.0, None), "logits have no cap"),
    "n_key_value_heads": Fixed((None,), "each head has its own keys and values; repeat the shared ones"),
    "use_qk_norm": Fixed((False,), "queries and keys have no norm"),
    "parallel_attn_mlp": Fixed((False,), "a block's MLP reads the stream after its attention"),
    "num_experts": Fixed((None,), "a block has one MLP"),
    "experts_per_token": Fixed((None,), "a block has one MLP"),
    "final_rms": Fixed((False,), "the last norm is as the others"),
    "use_normalization_before_and_after": Fixed((False,), "norms stand in front of what reads the stream"),
    "post_embedding_ln": Fixed((False,), "norms stand in front of what reads the stream"),
    "tie_word_embeddings": Fixed((False,), "W_E and W_U are two weights"),
    "tokenizer_name": Fixed((None,), "give HookedTransformer a task, which knows its vocabulary"),
    "init_mode": Fixed(("gpt2",), FRESH),
    "initializer_range": Fixed((-1.0, None), FRESH),
    "load_in_4bit": Fixed((False,), "weights are floating-point numbers"),
    "n_devices": Fixed((1,), "a model is on one device"),
}
ALWAYS = (
    "use_attn_result",
    "use_split_qkv_input",
    "use_hook_mlp_in",
    "use_attn_in",
    "use_hook_tokens",
)
"""Sites that had to be asked for, and cost time; here a site costs something only while it is read."""
WITHOUT_EFFECT = (
    *ALWAYS,
    *("init_weights", "model_name", "original_architecture", "from_checkpoint", "checkpoint_index"),
    *("checkpoint_label_type", "checkpoint_value", "n_params", "trust_remote_code", "default_prepend_bos"),
    *("tokenizer_prepends_bos", "rotary_base", "rotary_adjacent_pairs", "ungroup_grouped_query_attention"),
)


class HookedTransformerConfig:
    """Sizes and choices of a model under the old names; `config` is the same as a `Config` of ours.

    Beside the old arguments it takes `pad_token`: keys at this token are masked, in place of permanent hooks.
    `device=None` is the CPU. Raises UserError for what such a model can't be, and for a change afterwards.

    >>> cfg = HookedTransformerConfig(n_layers=2, d_model=16, n_ctx=8, n_heads=2, d_vocab=5, attn_only=True)
    >>> cfg.d_head, cfg.d_vocab_out, cfg.d_mlp, cfg.attention_dir
    (8, 5, None, 'causal')
    """

    config: Config
    seed: int | None
    device: str | torch.device | None
    dtype: torch.dtype

    def __init__(
        self,
        n_layers: int,
        d_model: int,
        n_ctx: int,
        d_head: int | None = None,
        n_heads: int | None = None,
        d_mlp: int | None = None,
        act_fn: str | None = None,
        d_vocab: int | None = None,
        d_vocab_out: int | None = None,
        eps: float = 1e-5,
        normalization_type: str | None = "LN",
        attention_dir: str = "causal",
        attn_only: bool = False,
        gated_mlp: bool = False,
        seed: int | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype = torch.float32,
        pad_token: int | None = None,
        **rest: object,
    ) -> None:
        refuse("HookedTransformerConfig", rest, FIXED, WITHOUT_EFFECT, self._arguments())
        heads, width = _heads(d_model, n_heads, d_head)
        tokens = _given("d_vocab", d_vocab)
        config = Config.from_dict(
            {
                **{
                    "n_layers": n_layers,
                    "d_model": d_model,
                    "n_ctx": n_ctx,
                    "n_heads": heads,
                    "d_head": width,
                },
                **{"d_vocab": tokens, "d_vocab_out": tokens if d_vocab_out in (None, -1) else d_vocab_out},
                "d_mlp": None if attn_only else (d_mlp or 4 * d_model),
                "act_fn": None if attn_only else act_fn,
                **{"eps": eps, "attention_dir": attention_dir, "pad_token": pad_token},
                "gated_mlp": gated_mlp,
                "normalization_type": "none" if normalization_type is None else normalization_type,
            }
        )
        vars(self).update(config=config, seed=seed, device=device, dtype=dtype)

    @classmethod
    def of(cls, config: Config, **rest: Any) -> Self:
        """The same settings under the old names; `rest` are `seed`, `device` and `dtype`."""
        found = cls.__new__(cls)
        vars(found).update({"config": config, "seed": None, "device": None, "dtype": torch.float32, **rest})
        return found

    @classmethod
    def from_dict(cls, config_dict: Mapping[str, Any]) -> Self:
        return cls(**config_dict)

    def to_dict(self) -> dict[str, object]:
        """What makes the same config again."""
        return {name: getattr(self, name) for name in self._arguments()}

    @property
    def normalization_type(self) -> str | None:
        kind = self.config.normalization_type
        return None if kind == "none" else kind

    @property
    def attn_only(self) -> bool:
        return self.config.d_mlp is None

    def __getattr__(self, name: str) -> Any:
        if name in Config.names():
            return getattr(self.config, name)
        if name in FIXED:
            return FIXED[name].means[0]
        if name in ALWAYS:
            return True
        raise AttributeError(f"a HookedTransformerConfig has no {name}")

    def __setattr__(self, name: str, value: object) -> None:
        if name in self._arguments():
            raise UserError(f"a model's {name} is fixed: make another HookedTransformerConfig with {name}=")
        refuse("HookedTransformerConfig", {name: value}, FIXED, WITHOUT_EFFECT, self._arguments())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HookedTransformerConfig) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"HookedTransformerConfig({', '.join(f'{k}={v!r}' for k, v in self.to_dict().items())})"

    @staticmethod
    def _arguments() -> tuple[str, ...]:
        return (*Config.names(), "attn_only", "seed", "device", "dtype")


def _heads(d_model: int, n_heads: int | None, d_head: int | None) -> tuple[int, int]:
    """Number and width of the heads; either may be left out, as None or -1, if the other divides d_model."""
    number = None if n_heads in (None, -1) else n_heads
    if number is None and d_head is None:
        raise UserError("neither n_heads nor d_head: give one of them, or both")
    if number is not None and d_head is not None:
        return number, d_head
    name, divisor = ("n_heads", number) if number is not None else ("d_head", d_head)
    assert divisor is not None
    if divisor < 1 or d_model % divisor:
        raise UserError(f"{name}={divisor} does not divide d_model={d_model}: give n_heads and d_head")
    other = d_model // divisor
    return (divisor, other) if name == "n_heads" else (other, divisor)


def _given(name: str, value: int | None) -> int:
    if value in (None, -1):
        raise UserError(f"HookedTransformerConfig needs {name}: there is no tokenizer to read it off")
    assert value is not None
    return value
