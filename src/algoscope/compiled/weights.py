"""Weights that compute a program's variables, each written along directions of its own."""

from __future__ import annotations

from collections import Counter

import torch

from algoscope.compiled.language import BOS, Expression, tokens as TOKENS
from algoscope.compiled.lowered import Attend, Lookup
from algoscope.compiled.placed import Placed, Variable
from algoscope.compiled.program import PAD
from algoscope.compiled.task import ProgramTask
from algoscope.model.config import Config
from algoscope.model.layers import MLP, Attention
from algoscope.model.transformer import Transformer

SHARP = 40.0
"""By how much the score of a key that fits exceeds that of one that does not: e⁻⁴⁰ is nothing to a float."""
SURE = 10.0
"""By how many logits the answer exceeds every other class."""


def config(placed: Placed, task: ProgramTask, heads: int = 0, neurons: int = 0, width: int = 0) -> Config:
    """The smallest model that holds the program, with so much room to spare in each layer, and in the stream."""
    variables = placed.variables.values()
    causal = placed.lowered.program.causal
    d_mlp = max(neurons_needed(placed).values(), default=0) + neurons
    return Config(
        n_layers=placed.n_layers,
        d_model=placed.n_directions + width,
        n_heads=max(1, placed.most_heads + heads),
        d_head=max((_d_head(placed, each) for each in variables if each.component.head), default=1),
        n_ctx=task.n_ctx,
        d_vocab=len(task.vocabulary),
        d_vocab_out=len(task.classes),
        attention_dir="causal" if causal else "bidirectional",
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
            found[variable.component.layer] += _n_neurons(placed, variable)
    return found


@torch.no_grad()
def write(model: Transformer, placed: Placed, task: ProgramTask) -> None:
    """Sets every parameter of the model: each direction is a coordinate of the stream, what is spare is zero."""
    for parameter in model.parameters():
        parameter.zero_()
    used: Counter[int] = Counter()
    for expression, variable in placed.variables.items():
        layer = variable.component.layer
        match variable.work:
            case None if expression is TOKENS:
                for index, word in enumerate(task.vocabulary):
                    if word != PAD:
                        model.W_E[index, _direction(variable, variable.kept[word])] = 1.0
            case None:
                for place, index in variable.kept.items():
                    model.W_pos[place, _direction(variable, index)] = 1.0
            case Attend():
                _write_head(model.block(layer).attn, placed, variable)
            case Lookup(terms=terms):
                mlp = model.block(layer).mlp
                assert mlp is not None
                first = used[layer]
                used[layer] += _n_neurons(placed, variable)
                (_write_decoding if terms else _write_table)(mlp, placed, variable, first)
    (asked,) = placed.lowered.answer.inputs
    for (index,), value in placed.coarse(placed.lowered.answer).items():
        if value in task.answers:
            direction = _direction(placed.variables[asked], index)
            model.W_U[direction, task.answers.index(value)] = SURE


def _write_head(attention: Attention, placed: Placed, variable: Variable) -> None:
    """Coordinate 0 of the head's space is <bos>'s key; the others are one for each kind of key."""
    work, head = variable.work, variable.component.index
    assert isinstance(work, Attend)
    unit = (SHARP * attention.d_head**0.5) ** 0.5
    w_q, w_k = attention.W_Q[head], attention.W_K[head]
    bos = _bos(placed)
    # A letter that fits scores 1, any other 0; where all fit, 0. Resting is in between, sharing is as a letter.
    rest = (0.0 if work.shares else -1.0) if work.fits is None else (1.0 if work.shares else 0.5)
    w_k[bos, 0] = unit
    attention.b_Q[head, 0] = rest * unit
    if not placed.lowered.program.causal:
        w_q[bos, 0] = 2 * unit
    if work.fits is not None:
        key, *query = (placed.variables[each] for each in work.fits.inputs)
        kinds = _kinds(placed, variable)
        for index, fitting in kinds.items():
            kind = 1 + list(dict.fromkeys(kinds.values())).index(fitting)
            w_k[_direction(key, index), kind] = unit
            if index == placed.at_bos(key.expression):
                # Whatever the variable is at <bos>, it is not selected.
                w_k[bos, kind] -= unit
            for asked in fitting:
                if query:
                    w_q[_direction(query[0], *asked), kind] = unit
                else:
                    attention.b_Q[head, kind] = unit
    (read,) = work.reads.inputs
    for (index,), value in placed.coarse(work.reads, None if variable.is_number else variable).items():
        slot = 0 if variable.is_number else value
        size = float(value) if variable.is_number else 1.0
        attention.W_V[head, _direction(placed.variables[read], index), slot] = size
        attention.W_O[head, slot, _direction(variable, slot)] = 1.0


def _kinds(placed: Placed, variable: Variable) -> dict[int, tuple[tuple[int, ...], ...]]:
    """For each class of key that fits some query, which ones it fits; `((),)` if queries don't matter."""
    assert isinstance(variable.work, Attend)
    found: dict[int, tuple[tuple[int, ...], ...]] = {}
    if variable.work.fits is not None:
        for (key, *query), fits in sorted(placed.coarse(variable.work.fits).items()):
            if fits:
                found[key] = (*found.get(key, ()), tuple(query))
    return found


def _d_head(placed: Placed, variable: Variable) -> int:
    return max(1 + len(set(_kinds(placed, variable).values())), len(variable.directions))


def _write_table(mlp: MLP, placed: Placed, variable: Variable, first: int) -> None:
    """A neuron for each combination, which is 1 where that is met and 0 elsewhere."""
    assert isinstance(variable.work, Lookup)
    table = variable.work.table
    read = [placed.variables[each] for each in table.inputs]
    for neuron, (classes, outcome) in enumerate(placed.coarse(table, variable).items(), first):
        for each, index in zip(read, classes, strict=True):
            mlp.W_in[_direction(each, index), neuron] = 2.0
        # Half a match away from being silent and from being off by one, so that noise must be large to matter.
        mlp.b_in[neuron] = 1.0 - 2 * len(read)
        mlp.W_out[neuron, _direction(variable, outcome)] = 1.0


def _write_decoding(mlp: MLP, placed: Placed, variable: Variable, first: int) -> None:
    """Two neurons for each step: their difference is 0 below it, 1 above it, and steep between two values."""
    assert isinstance(variable.work, Lookup)
    values, classes = _ladder(variable)
    mlp.b_out[_direction(variable, classes[0])] += 1.0
    neuron = first
    for low, high, before, after in zip(values, values[1:], classes, classes[1:], strict=False):
        if before == after:
            continue
        slope, middle = 2 / (high - low), (low + high) / 2
        for sign, shift in ((1.0, 0.5), (-1.0, -0.5)):
            for term, times in variable.work.terms:
                mlp.W_in[_direction(placed.variables[term], 0), neuron] += slope * times
            mlp.b_in[neuron] = shift - slope * middle
            mlp.W_out[neuron, _direction(variable, after)] += sign
            mlp.W_out[neuron, _direction(variable, before)] -= sign
            neuron += 1


def _ladder(variable: Variable) -> tuple[list[float], list[int]]:
    """The values of the number that is decoded, in order, and the class that each becomes."""
    assert isinstance(variable.work, Lookup)
    outcome = variable.work.table.outcome
    values = sorted(outcome)
    return [float(value) for (value,) in values], [variable.kept[outcome[value]] for value in values]


def _n_neurons(placed: Placed, variable: Variable) -> int:
    assert isinstance(variable.work, Lookup)
    if not variable.work.terms:
        return len(placed.coarse(variable.work.table, variable))
    _, classes = _ladder(variable)
    return 2 * sum(before != after for before, after in zip(classes, classes[1:], strict=False))


def _bos(placed: Placed) -> int:
    """The direction in which <bos> differs from every letter."""
    words = placed.variables[TOKENS]
    return _direction(words, words.kept[BOS])


def _direction(variable: Variable, index: int) -> int:
    return variable.directions[0 if variable.is_number else index]
