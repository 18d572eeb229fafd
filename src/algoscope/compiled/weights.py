"""Weights that compute a program's variables, each written along directions of its own."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.compiled.language import BOS
from algoscope.compiled.lowered import Attend, Lookup
from algoscope.compiled.placed import Placed, Variable
from algoscope.compiled.program import PAD
from algoscope.compiled.task import ProgramTask
from algoscope.model.config import Config
from algoscope.model.layers import MLP, Attention
from algoscope.model.transformer import Transformer

SHARP = 20.0
"""By how much the score of a key that fits exceeds that of one that does not. `<bos>`, where a head rests,
stands half-way, so at most e⁻¹⁰ of the attention goes astray; sharper heads would make noise louder."""
COUNTING = 10.0
"""The same of a head that counts, where `<bos>` stands as high as a key that fits."""
SURE = 10.0
"""By how many logits the answer exceeds every other class."""


def config(placed: Placed, task: ProgramTask, heads: int = 0, neurons: int = 0, width: int = 0) -> Config:
    """The smallest model that holds the program, with so much to spare in each layer and in the stream."""
    d_mlp = max(neurons_needed(placed).values(), default=0) + neurons
    return Config(
        n_layers=placed.n_layers,
        d_model=placed.n_directions + width,
        n_heads=max(1, placed.most_heads + heads),
        d_head=max(_d_head(placed, each) for each in placed.variables.values()),
        n_ctx=task.n_ctx,
        d_vocab=len(task.vocabulary),
        d_vocab_out=len(task.classes),
        attention_dir="causal" if placed.lowered.program.causal else "bidirectional",
        d_mlp=d_mlp or None,
        act_fn="relu" if d_mlp else None,
        normalization_type="none",
        pad_token=task.pad,
    )


def neurons_needed(placed: Placed) -> Counter[int]:
    """How many neurons each layer's variables take."""
    found: Counter[int] = Counter()
    for variable in placed.variables.values():
        if isinstance(variable.work, Lookup):
            found[variable.component.layer] += _n_neurons(placed, variable, variable.work)
    return found


@torch.no_grad()
def write(model: Transformer, placed: Placed, task: ProgramTask) -> None:
    """Sets every parameter: a variable's directions are coordinates of the stream, what is spare is zero."""
    for parameter in model.parameters():
        parameter.zero_()
    used: Counter[int] = Counter()
    for variable in placed.variables.values():
        layer = variable.component.layer
        match variable.work:
            case None if variable is placed.words:
                for index, word in enumerate(task.vocabulary):
                    if word != PAD:
                        model.W_E[index, variable.directions[variable.kept[word]]] = 1.0
            case None:
                for place, index in variable.kept.items():
                    model.W_pos[place, variable.directions[index]] = 1.0
            case Attend() as work:
                _write_head(model.block(layer).attn, placed, variable, work)
            case Lookup(terms=terms) as work:
                mlp = model.block(layer).mlp
                assert mlp is not None
                fill = _write_decoding if terms else _write_table
                fill(mlp, placed, variable, work, used[layer])
                used[layer] += _n_neurons(placed, variable, work)
    for (index,), value in placed.coarse(placed.lowered.answer).items():
        if value in task.answers:
            model.W_U[placed.asked.directions[index], task.answers.index(value)] = SURE


def _write_head(attention: Attention, placed: Placed, variable: Variable, work: Attend) -> None:
    """Coordinate 0 of the head's space is for the key of <bos>, each other one for a kind of key."""
    head = variable.component.index
    unit = ((COUNTING if work.shares else SHARP) * attention.d_head**0.5) ** 0.5
    w_q, w_k, b_q = attention.W_Q[head], attention.W_K[head], attention.b_Q[head]
    bos = placed.words.directions[placed.words.kept[BOS]]
    # In units: a letter that fits scores 1, any other 0; where every letter fits, each scores 0.
    fit, miss = (0.0, -2.0) if work.fits is None else (1.0, 0.0)
    w_k[bos, 0] = unit
    b_q[0] = unit * (fit if work.shares else (fit + miss) / 2)
    if not placed.lowered.program.causal:
        # <bos> sees only itself, by the mask or by this.
        w_q[bos, 0] = 2 * unit
    _write_fits(placed, work, w_q, w_k, b_q, unit)
    (read,) = (placed.variables[each] for each in work.reads.inputs)
    becomes = None if variable.is_number else variable
    for (index,), value in placed.coarse(work.reads, becomes).items():
        slot, size = (0, float(value)) if variable.is_number else (value, 1.0)
        attention.W_V[head, read.directions[index], slot] = size
        attention.W_O[head, slot, variable.directions[slot]] = 1.0


def _write_fits(
    placed: Placed,
    work: Attend,
    w_q: Float[Tensor, "d_model d_head"],
    w_k: Float[Tensor, "d_model d_head"],
    b_q: Float[Tensor, "d_head"],
    unit: float,
) -> None:
    """Keys of one kind fit the same queries: they share a coordinate, in which these queries stand out."""
    if work.fits is None:
        return
    key, *query = (placed.variables[each] for each in work.fits.inputs)
    bos = placed.words.directions[placed.words.kept[BOS]]
    kinds = placed.kinds(work.fits)
    coordinates = {fitting: kind for kind, fitting in enumerate(dict.fromkeys(kinds.values()), 1)}
    for index, fitting in kinds.items():
        kind = coordinates[fitting]
        w_k[key.directions[index], kind] = unit
        if index == placed.at_bos(key.expression):
            # Whatever the key is at <bos>, it is not selected.
            w_k[bos, kind] -= unit
        for asked in fitting:
            if query:
                w_q[query[0].directions[asked[0]], kind] = unit
            else:
                b_q[kind] = unit


def _d_head(placed: Placed, variable: Variable) -> int:
    """How many coordinates a head needs that computes this."""
    if not isinstance(variable.work, Attend):
        return 1
    return max(1 + len(set(placed.kinds(variable.work.fits).values())), len(variable.directions))


def _write_table(mlp: MLP, placed: Placed, variable: Variable, work: Lookup, first: int) -> None:
    """A neuron for each combination, which is 1 where that is met and 0 elsewhere."""
    read = [placed.variables[each] for each in work.table.inputs]
    for neuron, (classes, outcome) in enumerate(placed.coarse(work.table, variable).items(), first):
        for each, index in zip(read, classes, strict=True):
            mlp.W_in[each.directions[index], neuron] = 2.0
        # One match short is -1, not 0: a little noise leaves the neuron silent.
        mlp.b_in[neuron] = 1.0 - 2 * len(read)
        mlp.W_out[neuron, variable.directions[outcome]] = 1.0


def _write_decoding(mlp: MLP, placed: Placed, variable: Variable, work: Lookup, first: int) -> None:
    """Two neurons for each step: their difference is 0 below it, 1 above it, and steep between two values."""
    steps, lowest = _steps(variable, work)
    mlp.b_out[variable.directions[lowest]] += 1.0
    signs = [(step, sign) for step in steps for sign in (1.0, -1.0)]
    for neuron, ((low, high, before, after), sign) in enumerate(signs, first):
        # The difference rises by 2 / (high - low): half of that (as a factor) is read, and half written.
        slope = (2 / (high - low)) ** 0.5
        for term, times in work.terms:
            mlp.W_in[placed.variables[term].directions[0], neuron] += slope * times
        mlp.b_in[neuron] = sign / 2 / slope - slope * (low + high) / 2
        mlp.W_out[neuron, variable.directions[after]] += sign * slope
        mlp.W_out[neuron, variable.directions[before]] -= sign * slope


def _steps(variable: Variable, work: Lookup) -> tuple[list[tuple[float, float, int, int]], int]:
    """Where its class changes as a number grows: (low, high, before, after); and the class of the lowest."""
    outcome = work.table.outcome
    ladder = [(float(value), variable.kept[outcome[value,]]) for (value,) in sorted(outcome)]
    steps = [
        (low, high, before, after) for (low, before), (high, after) in pairwise(ladder) if before != after
    ]
    return steps, ladder[0][1]


def _n_neurons(placed: Placed, variable: Variable, work: Lookup) -> int:
    return 2 * len(_steps(variable, work)[0]) if work.terms else len(placed.coarse(work.table, variable))
