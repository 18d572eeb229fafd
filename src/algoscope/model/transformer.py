"""A small transformer in which every value has a name, can be read, and can be edited."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.layers import MASKED, Bias, Block, Stream
from algoscope.model.norms import norm
from algoscope.model.sites import TOKENS, Cache, Hook, Recording, Site, Taps, editing, selected, sites

PositionIds = Int[Tensor, "batch seq"] | None
"""Which position embedding each place gets; None for 0, 1, 2 ..."""


class Embed(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.W_E = nn.Parameter(torch.empty(config.d_vocab, config.d_model))


class PosEmbed(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.W_pos = nn.Parameter(torch.empty(config.n_ctx, config.d_model))


class Unembed(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        self.W_U = nn.Parameter(torch.empty(config.d_model, config.d_vocab_out))
        self.b_U = nn.Parameter(torch.zeros(config.d_vocab_out))


class Transformer(nn.Module):
    """A pre-norm transformer with HookedTransformer's site names, shapes and parameter names.

    `model(tokens)` takes the fused path. `run_with_cache` and `run_with_hooks` open just the parts that
    the sites they are given lie in. `model.sites` maps every site's name to its axes.

    A new one has zero biases and weights drawn as in TransformerLens, N(0, 0.8² / d_model), from `seed`.
    """

    def __init__(self, config: Config, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        self.sites: dict[str, Site] = sites(config)
        self.embed = Embed(config)
        self.pos_embed = PosEmbed(config)
        self.blocks = nn.ModuleList(Block(config, layer) for layer in range(config.n_layers))
        self.ln_final = norm(config, "ln_final")
        self.unembed = Unembed(config)
        self._untapped = Taps(self.sites)
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in self.named_parameters():
            if ".W_" in name:
                nn.init.normal_(parameter, std=0.8 * config.d_model**-0.5, generator=generator)

    def forward(
        self, tokens: Int[Tensor, "batch seq"], position_ids: PositionIds = None
    ) -> Float[Tensor, "batch seq class"]:
        """Logits at every position. Raises UserError for tokens that are not the model's.

        `position_ids` say which position embedding each place gets, as in Hugging Face's models; without them
        inputs start at position 0.
        """
        return self._run(tokens, self._untapped, position_ids)

    def run_with_cache(
        self,
        tokens: Int[Tensor, "batch seq"],
        sites: Sequence[str] | Callable[[str], bool] | None = None,
        hooks: Iterable[tuple[str, Hook]] = (),
        position_ids: PositionIds = None,
    ) -> tuple[Float[Tensor, "batch seq class"], Cache]:
        """Logits, and the values at `sites`: a list of names, a function of a name, or None for all.

        Where `hooks` edit the run, the cache holds what came out of them. Values may share memory with each
        other, never with the model: a change in place reaches no parameter.
        """
        cache = Cache()
        record = Recording(cache)
        reads: list[tuple[str, Hook]] = [(name, record) for name in selected(self.sites, sites)]
        edits = [(name, editing(hook)) for name, hook in hooks]
        return self._run(tokens, Taps(self.sites, edits + reads), position_ids), cache

    def run_with_hooks(
        self,
        tokens: Int[Tensor, "batch seq"],
        hooks: Iterable[tuple[str, Hook]],
        position_ids: PositionIds = None,
    ) -> Float[Tensor, "batch seq class"]:
        """Logits of a run in which each `(site, hook)` may change the site's value.

        A hook is called as `hook(value, site)` and returns the new value, or None if it changed the
        value in place or only looked. Hooks end with this call. Raises UserError for a site that does
        not exist and for a value of another shape.
        """
        taps = Taps(self.sites, [(name, editing(hook)) for name, hook in hooks])
        return self._run(tokens, taps, position_ids)

    def _run(
        self, tokens: Int[Tensor, "batch seq"], tap: Taps, position_ids: PositionIds
    ) -> Float[Tensor, "batch seq class"]:
        self._check(tokens, position_ids)
        tokens = self.read_in(tokens, tap)
        resid = self.embedded(tokens, tap, position_ids)
        bias = self.attention_bias(tokens)
        for block in self.blocks:
            resid = block(resid, bias, tap)
        return self.read_out(resid, tap)

    def read_in(self, tokens: Int[Tensor, "batch seq"], tap: Taps) -> Int[Tensor, "batch seq"]:
        """The tokens that are embedded, and masked where they are padding: as hooks leave them.

        Raises UserError for an edit that makes anything else of them than tokens of the model.
        """
        read = tap(TOKENS, tokens)
        if read is not tokens:
            self._check(read, None)
        return read

    def embedded(
        self, tokens: Int[Tensor, "batch seq"], tap: Taps, position_ids: PositionIds = None
    ) -> Stream:
        """The residual stream before the first block: token plus position embeddings.

        Raises UserError for inputs padded on the left without `position_ids`.
        """
        if position_ids is None:
            self._refuse_left_padding(tokens)
            position = self.pos_embed.W_pos[: tokens.shape[1]].expand(len(tokens), -1, -1)
            # Whoever reads it may write to it, and these are the model's own weights.
            position = position.clone() if tap.want("hook_pos_embed") else position
        else:
            position = self.pos_embed.W_pos[position_ids.long()]
        # As long integers: torch takes bytes for a mask, and no other size for an index.
        return tap("hook_embed", self.embed.W_E[tokens.long()]) + tap("hook_pos_embed", position)

    def attention_bias(self, tokens: Int[Tensor, "batch seq"]) -> Bias:
        """Added to the attention scores of every layer: MASKED at keys that a query may not see."""
        weight = self.W_E
        bias = None
        if self.config.attention_dir == "causal":
            seq = tokens.shape[1]
            later = torch.ones(seq, seq, dtype=torch.bool, device=tokens.device).triu(1)
            bias = later.to(weight.dtype)[None, None] * MASKED
        # As long integers: in a byte, the id 300 is 44.
        padded = None if self.config.pad_token is None else tokens.long() == self.config.pad_token
        # Without a mask attention is faster, so it is left out where nothing is padded.
        if padded is not None and padded.any():
            padding = padded.to(weight.dtype)[:, None, None, :] * MASKED
            bias = padding if bias is None else torch.minimum(bias, padding)
        return bias

    def read_out(self, resid: Float[Tensor, "*batch d_model"], tap: Taps) -> Float[Tensor, "*batch class"]:
        """Logits from the residual stream after the last block."""
        read = tap("unembed.hook_in", self.ln_final(resid, tap))
        return tap("unembed.hook_out", read @ self.W_U + self.b_U)

    def block(self, layer: int) -> Block:
        """The block of this layer, with its type."""
        block = self.blocks[layer]
        assert isinstance(block, Block)
        return block

    def _check(self, tokens: Tensor, position_ids: Tensor | None) -> None:
        if tokens.ndim != 2 or tokens.is_floating_point() or tokens.dtype == torch.bool:
            raise UserError(f"tokens are {tokens.dtype} {list(tokens.shape)}: give integers [batch, seq]")
        if tokens.shape[1] > self.config.n_ctx:
            raise UserError(f"tokens have {tokens.shape[1]} positions: the model has {self.config.n_ctx}")
        low, high = (int(end) for end in tokens.aminmax()) if tokens.numel() else (0, 0)
        if low < 0 or high >= self.config.d_vocab:
            raise UserError(
                f"tokens reach from {low} to {high}: the model has 0 to {self.config.d_vocab - 1}"
            )
        if position_ids is None:
            return
        if position_ids.shape != tokens.shape:
            raise UserError(
                f"position_ids are {list(position_ids.shape)} for tokens {list(tokens.shape)}: give one each"
            )
        first, last = (int(end) for end in position_ids.aminmax()) if position_ids.numel() else (0, 0)
        if first < 0 or last >= self.config.n_ctx:
            raise UserError(
                f"position_ids reach from {first} to {last}: the model has 0 to {self.config.n_ctx - 1}"
            )

    def _refuse_left_padding(self, tokens: Tensor) -> None:
        """One look at the first tokens: where none is padding, that is all it costs."""
        pad = self.config.pad_token
        if pad is None or not tokens.numel():
            return
        first = tokens[:, 0].long() == pad
        if not first.any():
            return
        count = int((tokens[first].long() != pad).any(1).sum())
        if count:
            raise UserError(
                f"{count} of {len(tokens)} inputs begin with padding (token {pad}), so that their first "
                "token is not at position 0: pad on the right, or say with position_ids where each token is"
            )

    def _stack(self, name: str) -> Tensor:
        if name.startswith("mlp.") and self.config.d_mlp is None:
            # No AttributeError: nn.Module would put its own, less telling one in its place.
            raise UserError(f"this model has no {name.removeprefix('mlp.')}: it is attention-only")
        if name == "mlp.W_gate" and not self.config.gated_mlp:
            raise UserError("this model has no W_gate: its MLPs are not gated")
        return torch.stack([block.get_parameter(name) for block in self.blocks])

    @property
    def W_E(self) -> Float[Tensor, "d_vocab d_model"]:
        return self.embed.W_E

    @property
    def W_pos(self) -> Float[Tensor, "n_ctx d_model"]:
        return self.pos_embed.W_pos

    @property
    def W_U(self) -> Float[Tensor, "d_model class"]:
        return self.unembed.W_U

    @property
    def b_U(self) -> Float[Tensor, "class"]:
        return self.unembed.b_U

    @property
    def W_Q(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stack("attn.W_Q")

    @property
    def W_K(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stack("attn.W_K")

    @property
    def W_V(self) -> Float[Tensor, "layer head d_model d_head"]:
        return self._stack("attn.W_V")

    @property
    def W_O(self) -> Float[Tensor, "layer head d_head d_model"]:
        return self._stack("attn.W_O")

    @property
    def b_Q(self) -> Float[Tensor, "layer head d_head"]:
        return self._stack("attn.b_Q")

    @property
    def b_K(self) -> Float[Tensor, "layer head d_head"]:
        return self._stack("attn.b_K")

    @property
    def b_V(self) -> Float[Tensor, "layer head d_head"]:
        return self._stack("attn.b_V")

    @property
    def b_O(self) -> Float[Tensor, "layer d_model"]:
        return self._stack("attn.b_O")

    @property
    def W_in(self) -> Float[Tensor, "layer d_model neuron"]:
        return self._stack("mlp.W_in")

    @property
    def W_gate(self) -> Float[Tensor, "layer d_model neuron"]:
        return self._stack("mlp.W_gate")

    @property
    def b_in(self) -> Float[Tensor, "layer neuron"]:
        return self._stack("mlp.b_in")

    @property
    def W_out(self) -> Float[Tensor, "layer neuron d_model"]:
        return self._stack("mlp.W_out")

    @property
    def b_out(self) -> Float[Tensor, "layer d_model"]:
        return self._stack("mlp.b_out")
