"""A bracket model whose weights are set by hand to do what the text says, with a knob for each way not to.

The stream: one dimension for each position, one for each bracket, then what heads and MLPs write. Head 0.0
writes the tally of every suffix (“(” minus “)”, over how many it looked at) as TALLY; MLPs write LOW where a
suffix has too many “(”, HIGH where it has too few; head 2.0 moves both from position 1, head 2.1 looks for
LOW.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

import algoscope
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import CLOSE, OPEN

SEQ = 42
IS_OPEN, IS_CLOSE, TALLY, OTHER, LOW, HIGH, ANSWER = range(SEQ, SEQ + 7)
D_MODEL, D_HEAD = 52, 44
FAR = 40.0
"""A score that leaves nothing for others: e^-40."""

Neuron = tuple[Mapping[int, float], float, Mapping[int, float]]
"""What it reads, its bias, and what it writes."""


def rising(gain: float, to: int, sign: int = 1) -> Neuron:
    """Grows with the tally above zero (or, with sign -1, below)."""
    return {TALLY: float(sign)}, 0.0, {to: gain}


def step(to: int, sign: int, room: float = 0.0) -> tuple[Neuron, Neuron]:
    """Two neurons that together write 1 as soon as the tally is more than `room` beyond zero."""
    read = {TALLY: 60.0 * sign}
    return (read, -60 * room, {to: 1.0}), (read, -60 * room - 1, {to: -1.0})


GRADED = (rising(3.0, LOW), rising(3.0, HIGH, -1))
STEPS = (*step(LOW, 1), *step(HIGH, -1))


def suffixes() -> Tensor:
    """Scores `[query key]`: everything from the query on, evenly."""
    return FAR * torch.ones(SEQ, SEQ).triu()


@dataclass(frozen=True)
class Hand:
    """By default, all that the text says."""

    scores: Tensor = field(default_factory=suffixes)
    """Of the tally head."""
    distracted: int | None = None
    """IS_OPEN or IS_CLOSE: a bracket whose queries look at [start] instead."""
    writes: tuple[int, float] = (TALLY, -1.0)
    """Where the tally head writes “)”, and how much; “(” is 1 of TALLY."""
    mlps: Sequence[Sequence[Neuron]] = (GRADED, STEPS)
    width: int = 8
    """Neurons of each MLP; those that are not named do nothing."""
    told: float = 0.0
    """What head 1.1 writes as HIGH at position 1 if some suffix is too low."""
    reads: Mapping[int, float] = field(default_factory=lambda: {1: FAR})
    """Head 2.0's scores for positions."""
    shy: float = 0.0
    """By how much less it looks at “)”."""
    moves: Mapping[int, float] = field(default_factory=lambda: {LOW: 1.0, HIGH: 1.0})
    """What it moves to the answer."""
    seeks: float = FAR
    """Head 2.1's score for a suffix that is too low."""
    low: float = 1.0
    """How much of LOW head 2.1 moves to the answer."""
    first: float = 0.0
    """What head 1.0 writes to the answer if the string starts with “)”."""
    second: float = 0.0
    """How much of HIGH at position 1 head 3.0 moves to the answer: a fourth layer, if it is not zero."""
    close_embedding: float = 0.0
    """HIGH in the embedding of “)”."""
    threshold: float = 0.5

    def model(self) -> Transformer:
        layers = 4 if self.second else 3
        config = Config.from_dict(
            {
                "n_layers": layers,
                "d_model": D_MODEL,
                "n_heads": 2,
                "d_head": D_HEAD,
                "n_ctx": SEQ,
                "d_vocab": 5,
            }
            | {"d_vocab_out": 2, "attention_dir": "bidirectional", "pad_token": 1, "act_fn": "relu"}
            | {"d_mlp": self.width, "normalization_type": "none"}
        )
        model = Transformer(config).requires_grad_(False)
        for parameter in model.parameters():
            parameter.zero_()
        model.embed.W_E[OPEN, IS_OPEN] = model.embed.W_E[CLOSE, IS_CLOSE] = 1
        model.embed.W_E[CLOSE, HIGH] = self.close_embedding
        model.pos_embed.W_pos[:, :SEQ] = torch.eye(SEQ)
        self._tally(model)
        for layer, neurons in enumerate(self.mlps):
            self._mlp(model, layer, neurons)
        head(model, 1, 0, {1: FAR}, {IS_CLOSE: self.first}, ANSWER)
        head(model, 1, 1, {LOW: 10 * FAR}, {LOW: self.told}, HIGH, query=1)
        head(model, 2, 0, {**self.reads, IS_CLOSE: -self.shy}, self.moves, ANSWER)
        head(model, 2, 1, {LOW: self.seeks}, {LOW: self.low}, ANSWER)
        if self.second:
            head(model, 3, 0, {1: FAR}, {HIGH: self.second}, ANSWER)
        model.unembed.W_U[ANSWER] = torch.tensor([10.0, -10.0])
        model.unembed.b_U.copy_(torch.tensor([-10.0, 10.0]) * self.threshold)
        return model

    def _tally(self, model: Transformer) -> None:
        attn = model.blocks[0].attn
        attn.W_Q[0, :SEQ, :SEQ] = torch.eye(SEQ)
        attn.W_K[0, :SEQ, :SEQ] = self.scores.T * D_HEAD**0.5
        if self.distracted is not None:
            attn.W_Q[0, self.distracted, SEQ] = 1
            attn.W_K[0, 0, SEQ] = (FAR + 1) * D_HEAD**0.5
        to, how_much = self.writes
        attn.W_V[0, IS_OPEN, 0] = attn.W_V[0, IS_CLOSE, 1] = 1
        attn.W_O[0, 0, TALLY], attn.W_O[0, 1, to] = 1, how_much

    def _mlp(self, model: Transformer, layer: int, neurons: Sequence[Neuron]) -> None:
        mlp = model.blocks[layer].mlp
        for index, (reads, bias, writes) in enumerate(neurons):
            for dimension, weight in reads.items():
                mlp.W_in[dimension, index] = weight
                if dimension == TALLY and self.writes[0] == OTHER:
                    # “)” is written elsewhere, so that reading the tally means to subtract it.
                    mlp.W_in[OTHER, index] = -weight / self.writes[1]
            mlp.b_in[index] = bias
            for dimension, weight in writes.items():
                mlp.W_out[index, dimension] = weight


def head(
    model: Transformer, layer: int, index: int, scores: Mapping[int, float], moves: Mapping[int, float],
    to: int, query: int = 0,
) -> None:  # fmt: skip
    """A head that looks from one position by these dimensions of keys, and writes what it finds as `to`."""
    attn = model.blocks[layer].attn
    attn.W_Q[index, query, 0] = D_HEAD**0.5
    for dimension, score in scores.items():
        attn.W_K[index, dimension, 0] = score
    for dimension, amount in moves.items():
        attn.W_V[index, dimension, 0] = amount
    attn.W_O[index, 0, to] = 1


def uneven(queries: range) -> Tensor:
    """A tally head whose queries in this range look mostly at the last place for a bracket."""
    scores = suffixes()
    scores[queries.start : queries.stop, SEQ - 2] += 4
    return scores


def leaning(slope: float, queries: range = range(SEQ)) -> Tensor:
    """A tally head whose queries in this range look the more at a bracket the further right it stands."""
    scores = suffixes()
    scores[queries.start : queries.stop] += slope * torch.arange(SEQ)
    return scores


def loud(seed: int) -> Transformer:
    """An untrained model that answers with such force that heads are found to have parts."""
    model = untrained(seed)
    model.unembed.W_U.mul_(100)
    return model


def untrained(seed: int = 0) -> Transformer:
    return Transformer(algoscope.load("brackets").config, seed=seed).eval().requires_grad_(False)


def equal_by_the_norm() -> Transformer:
    """Its norm is the test for one half: head 0.0 writes “(” minus “)”, ten times, and that drowns all else
    that stands at position 1, unless it is 0. Head 1.0 moves what is left of the position to the answer."""
    config = Config(
        n_layers=2, d_model=D_MODEL, n_heads=1, d_head=D_HEAD, n_ctx=SEQ, d_vocab=5, d_vocab_out=2,
        attention_dir="bidirectional", pad_token=1,
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    for name, parameter in model.named_parameters():
        if not name.endswith(".w"):
            parameter.zero_()
    model.embed.W_E[OPEN, IS_OPEN] = model.embed.W_E[CLOSE, IS_CLOSE] = 1
    model.pos_embed.W_pos[:, :SEQ] = torch.eye(SEQ)
    attn = model.blocks[0].attn
    attn.b_Q[0, 0] = D_HEAD**0.5
    attn.W_K[0, [IS_OPEN, IS_CLOSE], 0] = FAR
    attn.W_V[0, IS_OPEN, 0], attn.W_V[0, IS_CLOSE, 0], attn.W_O[0, 0, TALLY] = 1, -1, 10
    attn = model.blocks[1].attn
    attn.b_Q[0, 0] = D_HEAD**0.5
    attn.W_K[0, 1, 0], attn.W_V[0, 1, 0], attn.W_O[0, 0, ANSWER] = FAR, -1, 1
    model.unembed.W_U[ANSWER] = torch.tensor([10.0, -10.0])
    model.unembed.b_U.copy_(torch.tensor([30.0, -30.0]))
    return model


STEEP = (rising(30.0, LOW), rising(30.0, HIGH, -1))
TOLERANT = (*step(LOW, 1, 0.12), *step(HIGH, -1, 0.12))
BOTH_SIDES = ({LOW: 1.0, HIGH: 1.0}, 0.0, {HIGH: 1.0})
"""A neuron of a later layer that marks both sides of one half."""
AGAINST = tuple(
    ({TALLY: 60.0 * (-1) ** k, 1: 30.0 * k}, -30.0 * k, {HIGH if k % 2 else LOW: float(k)})
    for k in range(1, 7)
)
"""The stronger a neuron, the worse it is aligned with the tally: it reads its position as well."""
ONLY_FIRST = tuple(({TALLY: 60.0 * sign, 1: 400.0}, -400.0, {to: 1.0}) for to, sign in ((LOW, 1), (HIGH, -1)))
NEVER = ({TALLY: 1.0}, -9.0, {})
MODELS: Mapping[str, Callable[[], Transformer]] = {
    "ideal": Hand().model,
    "shipped": lambda: algoscope.load("brackets"),
    "untrained": untrained,
    "loud": lambda: loud(13),
    "only negative suffixes": Hand(moves={}).model,
    "no negative head": Hand(low=0.0, first=1.0).model,
    "two notice the first": Hand(first=1.0).model,
    "two positions": Hand(reads={1: FAR, 2: FAR}).model,
    "shy": Hand(shy=2 * FAR).model,
    "first MLP only": Hand(mlps=(STEEP, ())).model,
    "embedding": Hand(close_embedding=0.2).model,
    "told": Hand(told=0.6).model,
    "past the MLPs": Hand(mlps=(GRADED[:1], STEPS[:2]), moves={TALLY: -40.0}).model,
    "more later": Hand(mlps=(GRADED, (*STEPS, rising(1.0, LOW)))).model,
    "rarer later": Hand(mlps=((*GRADED, rising(1.0, HIGH, -1)), STEPS)).model,
    "composed": Hand(mlps=(GRADED, (*STEPS[:2], BOTH_SIDES))).model,
    "leaning hardly": Hand(scores=leaning(0.004), mlps=(GRADED, STEEP)).model,
    "leaning": Hand(scores=leaning(0.02), mlps=(GRADED, TOLERANT)).model,
    "leaning late": Hand(scores=leaning(1.0, range(14, SEQ))).model,
    "uneven early": Hand(scores=uneven(range(5, 12))).model,
    "uneven late": Hand(scores=uneven(range(28, 36))).model,
    "even": Hand(scores=torch.zeros(SEQ, SEQ)).model,
    "close distracts": Hand(distracted=IS_CLOSE).model,
    "open distracts": Hand(distracted=IS_OPEN).model,
    "orthogonal": Hand(writes=(OTHER, 1.0)).model,
    "unequal": Hand(writes=(OTHER, 0.5)).model,
    "wide": Hand(width=300).model,
    "against": Hand(mlps=(AGAINST, AGAINST)).model,
    "tied": Hand(mlps=((*ONLY_FIRST, *6 * (NEVER,)), (*ONLY_FIRST, *6 * (NEVER,)))).model,
    "another reader": Hand(moves={LOW: 0.5, HIGH: 0.5}, second=0.45, threshold=0.8).model,
    "needs many": Hand(seeks=0.0, low=4.0).model,
    "equal by the norm": equal_by_the_norm,
    "rejects all": Hand(reads={}, moves={LOW: 9.0, HIGH: 9.0}).model,
}
