"""What stands at each position of a palindrome model on a typical input, from the weights alone.

Every number is replaced by the mean of all numbers' embeddings. What that loses is kept as two scores for
each head, of two equal numbers and of two different ones, and as the variance that norms divide by. With
them one forward pass gives attention and residual stream for the two states that a mirrored pair can be in.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor

from algoscope.model.layers import Block
from algoscope.model.sites import Taps
from algoscope.model.transformer import Transformer
from algoscope.tasks.palindromes import END, HALF, PAIRS, START, VALUES

Stream = Float[Tensor, "seq d_model"]
SEQ = 2 * HALF + 2


@dataclass(frozen=True)
class Typical:
    """A processed palindrome model (norms folded) on inputs whose numbers are only known to match or not."""

    model: Transformer

    @cached_property
    def tokens(self) -> Float[Tensor, "number d_model"]:
        """How each number's embedding differs from the mean of all."""
        numbers = self.model.W_E[:VALUES].detach().cpu().double()
        return numbers - numbers.mean(0)

    @cached_property
    def embedded(self) -> Stream:
        """Position embeddings, with START, the mean number, or END."""
        W_E = self.model.W_E.detach().cpu().double()
        ids = torch.tensor([START, *[0] * (2 * HALF), END])
        typical = torch.where(_inside()[:, None], W_E[:VALUES].mean(0), W_E[ids])
        return typical + self.model.W_pos[:SEQ].detach().cpu().double()

    def normalize(self, resid: Stream) -> Stream:
        """The norm in front of a layer: what it divides by counts the spread of numbers too."""
        return resid / self._scale(resid)[:, None]

    def resid_before(self, layer: int, matched: bool) -> Stream:
        """The residual stream before a layer where all mirrored pairs match, or where none does."""
        resid = self.embedded
        for block in (self.model.block(index) for index in range(layer)):
            resid = self._after(block, resid, matched)
        return resid

    def attention(self, layer: int, resid: Stream, matched: bool) -> Float[Tensor, "head query key"]:
        """The attention of each head of a layer, given the stream before it."""
        attention = self.model.block(layer).attn
        W_Q, W_K = attention.W_Q.detach().cpu().double(), attention.W_K.detach().cpu().double()
        x, root = self.normalize(resid), attention.d_head**0.5
        q = einsum(x, W_Q, "seq d_model, head d_model d_head -> head seq d_head") + attention.b_Q[:, None]
        k = einsum(x, W_K, "seq d_model, head d_model d_head -> head seq d_head") + attention.b_K[:, None]
        scores = einsum(q, k, "head query d_head, head key d_head -> head query key") / root
        same, other = self.number_scores(layer)
        scale = self._scale(resid)
        bonus = torch.where(_equal(matched), same[:, None, None], other[:, None, None])
        scores = scores + torch.where(_inside()[:, None] & _inside(), bonus / (scale[:, None] * scale), 0.0)
        seen = self.model.attention_bias(torch.zeros(1, SEQ, dtype=torch.long, device=self.model.W_E.device))
        visible: Tensor = scores if seen is None else scores + seen[0].cpu()
        return visible.softmax(-1)

    def number_scores(self, layer: int) -> tuple[Float[Tensor, "head"], Float[Tensor, "head"]]:
        """Each head's mean score between two equal numbers, and between two different ones; norm left out."""
        attention = self.model.block(layer).attn
        W_Q, W_K = attention.W_Q.detach().cpu().double(), attention.W_K.detach().cpu().double()
        q = einsum(self.tokens, W_Q, "number d_model, head d_model d_head -> head number d_head")
        k = einsum(self.tokens, W_K, "number d_model, head d_model d_head -> head number d_head")
        scores = einsum(q, k, "head query d_head, head key d_head -> head query key") / attention.d_head**0.5
        equal = scores.diagonal(dim1=1, dim2=2).sum(-1)
        return equal / VALUES, (scores.sum((1, 2)) - equal) / (VALUES * (VALUES - 1))

    def _after(self, block: Block, resid: Stream, matched: bool) -> Stream:
        attention = block.attn
        layer = int(block.name.removeprefix("blocks."))
        W_V, W_O = attention.W_V.detach().cpu().double(), attention.W_O.detach().cpu().double()
        v = einsum(self.normalize(resid), W_V, "seq d_model, head d_model d_head -> head seq d_head")
        z = self.attention(layer, resid, matched) @ (v + attention.b_V.cpu()[:, None])
        resid = resid + torch.einsum("hsd,hdm->sm", z, W_O) + attention.b_O.detach().cpu()
        if block.mlp is None:
            return resid
        x = self.normalize(resid).to(self.model.W_E)
        added: Tensor = block.mlp(x[None], Taps(self.model.sites))[0]
        return resid + added.detach().cpu().double()

    def _scale(self, resid: Stream) -> Float[Tensor, "seq"]:
        scale = self.model.ln_final.scale(resid)[:, 0]
        if self.model.config.normalization_type == "none":
            return scale
        # What a layer norm reads has no mean over d_model in a processed model: squares are the variance.
        spread = torch.where(_inside(), self.tokens.pow(2).mean(), 0.0)
        return (scale.pow(2) + spread).sqrt()


def _inside() -> Bool[Tensor, "seq"]:
    """Where the numbers are."""
    inside = torch.ones(SEQ, dtype=torch.bool)
    inside[[0, -1]] = False
    return inside


def _equal(matched: bool) -> Bool[Tensor, "query key"]:
    """Which positions are known to hold the same number: each and itself, and mirror images that match."""
    equal = torch.eye(SEQ, dtype=torch.bool)
    if matched:
        later, earlier = torch.tensor(PAIRS).T
        equal[later, earlier] = equal[earlier, later] = True
    return equal
