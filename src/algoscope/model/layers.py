"""The parts of a transformer block: attention and MLP. Each with a fast path and an open one.

The open path runs only where a hook asks for a value that the fast path never forms.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from algoscope.model.config import ACTIVATIONS, Config
from algoscope.model.norms import Norm, norm
from algoscope.model.sites import Taps

Stream = Float[Tensor, "batch seq d_model"]
Streams = Float[Tensor, "batch seq head d_model"]
PerHead = Float[Tensor, "batch seq head d_head"]
Bias = Float[Tensor, "#batch 1 #query key"] | None
"""Added to attention scores: 0 where a key may be seen, MASKED where not. None if every key may be seen."""

At = Int[Tensor, "query"] | None
"""Positions that are wanted as queries: the others are read as keys only. None for all."""

MASKED = torch.finfo(torch.float32).min
"""Score of a key that may not be seen: about -3.4e38, the sentinel to look for in `hook_attn_scores`.

Adding it to a score gives exactly this value whatever the score was, up to 1e30, so masked keys are out
however far real scores range; and it is finite, so that means and gradients over scores stay finite. In a
softmax it is an exact zero. Where every key of a query is masked, attention is even."""


def bias_at(bias: Float[Tensor, "#batch 1 #query key"], at: At) -> Float[Tensor, "#batch 1 #query key"]:
    """The rows of an attention bias that belong to the queries at these positions."""
    return bias if at is None or bias.shape[2] == 1 else bias[:, :, at]


class Attention(nn.Module):
    """Multi-head attention. Weights as in HookedTransformer: `W_Q [head d_model d_head]`."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.name = f"blocks.{layer}"
        self.n_heads, self.d_head = config.n_heads, config.d_head
        reads = (config.n_heads, config.d_model, config.d_head)
        self.W_Q = nn.Parameter(torch.empty(reads))
        self.W_K = nn.Parameter(torch.empty(reads))
        self.W_V = nn.Parameter(torch.empty(reads))
        self.W_O = nn.Parameter(torch.empty(config.n_heads, config.d_head, config.d_model))
        self.b_Q = nn.Parameter(torch.zeros(config.n_heads, config.d_head))
        self.b_K = nn.Parameter(torch.zeros(config.n_heads, config.d_head))
        self.b_V = nn.Parameter(torch.zeros(config.n_heads, config.d_head))
        self.b_O = nn.Parameter(torch.zeros(config.d_model))

    def forward(self, resid: Stream, norm: Norm, bias: Bias, tap: Taps, at: At = None) -> PerHead:
        """Each head's mix of the values that it attends to, from queries at the positions `at`."""
        x = norm(resid, tap)
        if at is not None and len(at) < self.d_head and not tap.want(*self._opening):
            return self.mix_unprojected(x[:, at], x, bias if bias is None else bias_at(bias, at))
        q, k, v = self.queries_keys_values(resid, x, norm, tap, at)
        return self.mix(q, k, v, bias if bias is None else bias_at(bias, at), tap)

    @property
    def _opening(self) -> tuple[str, ...]:
        """The sites whose values `mix_unprojected` never forms."""
        inside = ("q", "k", "v", "attn_scores", "pattern")
        return (
            *(f"{self.name}.attn.hook_{site}" for site in inside),
            *self._own_inputs,
        )

    @property
    def _own_inputs(self) -> tuple[str, ...]:
        """The sites that hold the stream once for each head."""
        return tuple(f"{self.name}.hook_{part}" for part in ("attn_in", "q_input", "k_input", "v_input"))

    def queries_keys_values(
        self, resid: Stream, x: Stream, norm: Norm, tap: Taps, at: At = None
    ) -> tuple[PerHead, PerHead, PerHead]:
        """`hook_q` (at the positions `at`), `hook_k` and `hook_v`, from the stream and its norm `x`."""
        q, k, v = self.project(x)
        q = q if at is None else q[:, at]
        if tap.want(*self._own_inputs):
            copies = self._copies(resid)
            edited = tap(f"{self.name}.hook_attn_in", copies)
            own = None if edited is copies else edited
            q = self._from_own_input("q", own, q, resid, x, norm, tap, at)
            k = self._from_own_input("k", own, k, resid, x, norm, tap)
            v = self._from_own_input("v", own, v, resid, x, norm, tap)
        q = tap(f"{self.name}.attn.hook_q", q)
        k = tap(f"{self.name}.attn.hook_k", k)
        return q, k, tap(f"{self.name}.attn.hook_v", v)

    def project(self, x: Stream) -> tuple[PerHead, PerHead, PerHead]:
        """Queries, keys and values of every head in one matrix product."""
        weight = rearrange(
            torch.cat((self.W_Q, self.W_K, self.W_V)), "head d_model d_head -> (head d_head) d_model"
        )
        shift = torch.cat((self.b_Q, self.b_K, self.b_V)).flatten()
        projected = functional.linear(x, weight, shift).unflatten(-1, (3, self.n_heads, self.d_head))
        q, k, v = projected.unbind(-3)
        return q, k, v

    def _from_own_input(
        self,
        letter: str,
        own: Streams | None,
        shared: PerHead,
        resid: Stream,
        x: Stream,
        norm: Norm,
        tap: Taps,
        at: At = None,
    ) -> PerHead:
        """Queries, keys or values from an input of each head's own, where one was put in.

        As the computation goes: such an input passes the norm, and the edits of the norm's sites, by itself.
        Heads whose input is still the residual stream (`own` is None where it is that for all) keep what the
        shared norm gave them.
        """
        here = resid if at is None else resid[:, at]
        before = self._copies(here) if own is None else own if at is None else own[:, at]
        after = tap(f"{self.name}.hook_{letter}_input", before)
        if own is None and after is before:
            return shared
        weight, shift = getattr(self, f"W_{letter.upper()}"), getattr(self, f"b_{letter.upper()}")
        projected = list(shared.unbind(-2))
        for head in range(self.n_heads):
            stream = after[:, :, head]
            if not torch.equal(stream, here):
                projected[head] = self._normed(stream, resid, norm, tap, at) @ weight[head] + shift[head]
            elif stream.requires_grad:
                # The same value, with a gradient for the head's own input beside that of the shared norm.
                seen = x if at is None else x[:, at]
                seen = seen + norm.normalize(stream) - norm.normalize(here)
                projected[head] = seen @ weight[head] + shift[head]
        return torch.stack(projected, -2)

    def _copies(self, resid: Stream) -> Streams:
        """The stream once for each head, in the same memory."""
        return resid.unsqueeze(-2).expand(-1, -1, self.n_heads, -1)

    def _normed(self, own: Stream, resid: Stream, norm: Norm, tap: Taps, at: At) -> Stream:
        """One head's own input through the norm. Edits of the norm's sites are made for all positions."""
        if at is None:
            normed: Tensor = norm(own, tap.unrecorded)
            return normed
        whole = resid.clone()
        whole[:, at] = own
        normed = norm(whole, tap.unrecorded)
        return normed[:, at]

    def mix(self, q: PerHead, k: PerHead, v: PerHead, bias: Bias, tap: Taps) -> PerHead:
        """`hook_z`: with scores and pattern in the open only if a hook wants them."""
        scores_site, pattern_site = f"{self.name}.attn.hook_attn_scores", f"{self.name}.attn.hook_pattern"
        if not tap.want(scores_site, pattern_site):
            q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
            return functional.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2)
        pattern = tap(pattern_site, tap(scores_site, self.scores(q, k, bias)).softmax(-1))
        mixed: Tensor = pattern @ v.transpose(1, 2)
        return mixed.transpose(1, 2)

    def scores(self, q: PerHead, k: PerHead, bias: Bias) -> Float[Tensor, "batch head query key"]:
        """Scores before the softmax, scaled and masked."""
        scores: Tensor = (q * self.d_head**-0.5).transpose(1, 2) @ k.permute(0, 2, 3, 1)
        return scores if bias is None else scores + bias

    def mix_unprojected(self, x_query: Stream, x: Stream, bias: Bias) -> PerHead:
        """`hook_z` for a few queries, without forming keys or values.

        A score is x_j · (W_K q), and the mix of values is (sum_j a_j x_j) W_V + b_V as weights sum to 1.
        The key bias adds the same to all scores of a query, so it drops out of the softmax.
        """
        q = einsum(x_query, self.W_Q, "batch query d_model, head d_model d_head -> head batch query d_head")
        q = (q + self.b_Q[:, None, None]) * self.d_head**-0.5
        asked = einsum(
            q, self.W_K, "head batch query d_head, head d_model d_head -> batch head query d_model"
        )
        scores = (asked.flatten(1, 2) @ x.mT).unflatten(1, asked.shape[1:3])
        pattern = (scores if bias is None else scores + bias).softmax(-1)
        mixed = (pattern.flatten(1, 2) @ x).unflatten(1, asked.shape[1:3])
        z = einsum(
            mixed, self.W_V, "batch head query d_model, head d_model d_head -> batch query head d_head"
        )
        return torch.add(z, self.b_V)

    def write(self, z: PerHead, tap: Taps) -> Stream:
        """What goes into the residual stream; per-head results are formed only if a hook wants them."""
        if tap.want(f"{self.name}.attn.hook_result"):
            result = tap(f"{self.name}.attn.hook_result", self.results(z))
            written: Tensor = result.sum(-2) + self.b_O
            return written
        weight = rearrange(self.W_O, "head d_head d_model -> d_model (head d_head)")
        return functional.linear(z.flatten(-2), weight, self.b_O)

    def results(self, z: PerHead) -> Float[Tensor, "batch seq head d_model"]:
        """What each head writes, without the output bias, which is no one head's."""
        return einsum(z, self.W_O, "batch seq head d_head, head d_head d_model -> batch seq head d_model")


class MLP(nn.Module):
    """`f(x W_in + b_in) W_out + b_out`; gated, `(f(x W_gate) * (x W_in) + b_in) W_out + b_out`."""

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        if config.d_mlp is None or config.act_fn is None:
            raise ValueError("this config has no MLP")
        self.name = f"blocks.{layer}"
        self.act = ACTIVATIONS[config.act_fn]
        self.W_in = nn.Parameter(torch.empty(config.d_model, config.d_mlp))
        self.W_gate = nn.Parameter(torch.empty(config.d_model, config.d_mlp)) if config.gated_mlp else None
        self.b_in = nn.Parameter(torch.zeros(config.d_mlp))
        self.W_out = nn.Parameter(torch.empty(config.d_mlp, config.d_model))
        self.b_out = nn.Parameter(torch.zeros(config.d_model))

    def forward(self, x: Stream, tap: Taps) -> Stream:
        post = tap(f"{self.name}.mlp.hook_post", self._neurons(x, tap))
        return functional.linear(post, self.W_out.T, self.b_out)

    def _neurons(self, x: Stream, tap: Taps) -> Float[Tensor, "batch seq neuron"]:
        site = f"{self.name}.mlp.hook_pre"
        if self.W_gate is None:
            return self.act(tap(site, functional.linear(x, self.W_in.T, self.b_in)))
        gate = self.act(tap(site, functional.linear(x, self.W_gate.T)))
        passed = tap(f"{site}_linear", functional.linear(x, self.W_in.T))
        # As in HookedTransformer, the bias is added after the product: no gate is on it.
        return torch.addcmul(self.b_in, gate, passed)


class Block(nn.Module):
    """One layer: attention, then an MLP if there is one, each read through a norm and added to the stream.

    `forward` is the whole of it. `from_z` and `from_resid_mid` enter further down, for a caller that has
    the values up to there.
    """

    def __init__(self, config: Config, layer: int) -> None:
        super().__init__()
        self.name = f"blocks.{layer}"
        self.ln1 = norm(config, f"{self.name}.ln1")
        self.attn = Attention(config, layer)
        self.ln2 = norm(config, f"{self.name}.ln2") if config.d_mlp else None
        self.mlp = MLP(config, layer) if config.d_mlp else None

    def forward(self, resid: Stream, bias: Bias, tap: Taps, at: At = None) -> Stream:
        """The residual stream after this layer, at the positions `at` alone if they are given."""
        resid = tap(f"{self.name}.hook_resid_pre", resid)
        z = self.attn(resid, self.ln1, bias, tap, at)
        return self.from_z(resid if at is None else resid[:, at], z, tap)

    def from_z(self, resid: Stream, z: PerHead, tap: Taps) -> Stream:
        """The rest of the layer, given the stream before it and what the heads mixed."""
        written = self.attn.write(tap(f"{self.name}.attn.hook_z", z), tap)
        return self.from_resid_mid(resid + tap(f"{self.name}.hook_attn_out", written), tap)

    def from_resid_mid(self, resid: Stream, tap: Taps) -> Stream:
        """The rest of the layer, given the stream between attention and MLP."""
        if self.mlp is not None and self.ln2 is not None:
            resid = tap(f"{self.name}.hook_resid_mid", resid)
            read = tap(f"{self.name}.hook_mlp_in", resid)
            resid = resid + tap(f"{self.name}.hook_mlp_out", self.mlp(self.ln2(read, tap), tap))
        return tap(f"{self.name}.hook_resid_post", resid)
