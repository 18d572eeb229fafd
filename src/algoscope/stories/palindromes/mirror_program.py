"""The palindrome algorithm as a small program: read from a model's weights, three constants fitted.

A head that compares each later number with its mirror image leaves one of two vectors there: one where they
match, one where they don't. So a later layer's head meets, at each later position, one of two keys and one
of two values, whatever the numbers are. The tables of these, and a softmax, are the whole program.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.stories.palindromes.mean_field import Typical
from algoscope.tasks.palindromes import END_POSITION, HALF, PAIRS

Broken = Bool[Tensor, "batch pair"]
"""Which mirrored pairs differ, the outermost first."""


@dataclass(frozen=True)
class Tables:
    """What the heads of one layer meet at each position, if it matches its mirror image and if not."""

    readers: tuple[Head, ...]
    score: Float[Tensor, "state reader position"]
    """The attention score from the answer's position. State 0 is matched, 1 is mismatched."""
    push: Float[Tensor, "state reader position"]
    """Towards "not palindrome", if this position got all of the head's attention; final norm left out."""

    def pushed(self, broken: Broken, sharpness: float | Tensor = 1.0) -> Float[Tensor, "batch reader"]:
        """How far each head pushes towards "not palindrome" when these pairs are broken."""
        state = self.state(broken)
        push = torch.where(state, self.push[1], self.push[0])
        return (self.attention(broken, sharpness) * push).sum(-1)

    def attention(
        self, broken: Broken, sharpness: float | Tensor = 1.0
    ) -> Float[Tensor, "batch reader position"]:
        """Where each head looks from the answer's position when these pairs are broken."""
        return (sharpness * torch.where(self.state(broken), self.score[1], self.score[0])).softmax(-1)

    def state(self, broken: Broken) -> Bool[Tensor, "batch 1 position"]:
        """Which positions are mismatched."""
        state = torch.zeros(len(broken), 1, self.score.shape[-1], dtype=torch.bool)
        for pair, positions in enumerate(PAIRS):
            state[:, 0, positions] = broken[:, [pair, pair]].cpu()
        return state


@dataclass(frozen=True)
class Program:
    """A verdict from which pairs are broken, and nothing else about the input."""

    tables: Tables
    sharpness: float
    """Multiplies the tables' scores."""
    gain: float
    """Logits per unit of push: what the final norm does, on average."""
    bias: float

    def logit(self, broken: Broken) -> Float[Tensor, "batch"]:
        """The log odds of "not palindrome"."""
        return self.bias + self.gain * self.tables.pushed(broken, self.sharpness).sum(-1)


@torch.no_grad()
def read_tables(model: Transformer, layer: int) -> Tables:
    """The tables of all heads of a layer, from the weights alone, for a processed palindrome model."""
    typical = Typical(model)
    attention = model.block(layer).attn
    W_Q, W_K, W_V, W_O = (getattr(attention, f"W_{letter}").cpu().double() for letter in "QKVO")
    b_Q, b_K = attention.b_Q.cpu().double(), attention.b_K.cpu().double()
    direction = (model.W_U[:, 0] - model.W_U[:, 1]).cpu().double()
    line = einsum(W_V, W_O, direction, "head d_in d_head, head d_head d_out, d_out -> head d_in")
    score, push = [], []
    for matched in (True, False):
        x = typical.normalize(typical.resid_before(layer, matched))
        q = einsum(x[END_POSITION], W_Q, "d_model, head d_model d_head -> head d_head") + b_Q
        k = einsum(x, W_K, "seq d_model, head d_model d_head -> head seq d_head") + b_K[:, None]
        score.append(einsum(q, k, "head d_head, head seq d_head -> head seq") / attention.d_head**0.5)
        push.append(einsum(x, line, "seq d_model, head d_model -> head seq"))
    readers = tuple(Head(layer, index) for index in range(model.config.n_heads))
    return Tables(readers, torch.stack(score), torch.stack(push))


@dataclass(frozen=True)
class Predicted:
    """What the weights alone say of inputs whose broken pairs are known. Nothing is fitted."""

    margin: Float[Tensor, "batch"]
    """Towards "not palindrome", before the final norm divides by its scale, the output bias included."""
    logit: Float[Tensor, "batch"]
    """The log odds of "not palindrome": the margin over the scale. Their signs are the same."""


@torch.no_grad()
def predict(model: Transformer, layer: int, broken: Broken) -> Predicted:
    """The answer on a typical input with these pairs broken.

    For a processed model in which only the heads of this layer, its last, read what earlier layers wrote;
    an MLP in this layer is left out.
    """
    typical, tables, attention = Typical(model), read_tables(model, layer), model.block(layer).attn
    before = [typical.resid_before(layer, matched) for matched in (True, False)]
    W_V, W_O = attention.W_V.cpu().double(), attention.W_O.cpu().double()
    moved = [
        einsum(
            typical.normalize(resid), W_V, W_O,
            "seq d_in, head d_in d_head, head d_head d_out -> head seq d_out",
        )
        for resid in before
    ]  # fmt: skip
    value = torch.where(tables.state(broken)[..., None], moved[1], moved[0])
    written = einsum(
        tables.attention(broken), value, "batch head seq, batch head seq d_model -> batch d_model"
    )
    resid = before[0][END_POSITION] + written + attention.b_O.cpu()
    scale = model.ln_final.scale(resid)[:, 0]
    pushed = resid @ (model.W_U[:, 0] - model.W_U[:, 1]).cpu().double()
    bias = (model.b_U[0] - model.b_U[1]).item()
    return Predicted(pushed + bias * scale, pushed / scale + bias)


def fit_program(tables: Tables, broken: Broken, logit: Float[Tensor, "batch"]) -> Program:
    """The program whose three constants bring its probabilities nearest to a model's, in cross-entropy.

    `logit` is the model's log odds of "not palindrome" on inputs whose pairs are broken as in `broken`.
    """
    target = logit.double().sigmoid()
    # The sharpness is fitted by its logarithm, so that it stays positive.
    constants = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([constants], max_iter=100, line_search_fn="strong_wolfe")

    def missed() -> Tensor:
        optimizer.zero_grad()
        sharpness, gain, bias = constants[0].exp(), constants[1], constants[2]
        said = bias + gain * tables.pushed(broken, sharpness).sum(-1)
        missed = functional.binary_cross_entropy_with_logits(said, target)
        missed.backward()
        return missed

    optimizer.step(missed)
    sharpness, gain, bias = constants.detach().tolist()
    return Program(tables, float(torch.tensor(sharpness).exp()), gain, bias)


def broken_pairs(mismatch: Bool[Tensor, "batch seq"]) -> Broken:
    """The task's concept `mismatch` by pair, the outermost first."""
    return mismatch[:, 1 : HALF + 1]
