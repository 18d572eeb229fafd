"""A program as text that can be read: Python with a line for each step, and small tables written out."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from algoscope.explanation.pool import Pool
from algoscope.explanation.program import CodesOf, Program, Step
from algoscope.explanation.steps import Steps
from algoscope.explanation.tables import Joint
from algoscope.model.component import heads_and_mlps
from algoscope.tasks.task import Examples

SMALL = 12
"""Cells up to which a table is written out."""
SHOWN = 3
"""Classes that a cell names: those that it pushes most, up or down."""
SCALED = 500
"""Inputs over which the final norm's scale is averaged."""

HEAD = """\
# `fact` is what is so at a place of an input, as a number; `look_up` is a mean over inputs that agree on it.
# `effect_of_...` a step is its direct push on the answer's logits, beyond the mean of the step's
# outputs, with the final norm's scale at its mean. What goes through later steps is not in it.
"""


def listing(program: Program, pool: Pool) -> str:
    """The program, with the pool that its tables come from. It is Python by its grammar; it does not run."""
    codes, scale = CodesOf(pool.inputs), _scale(program, pool.examples[:SCALED])
    lines = ["stream = embedding(token, position)"]
    names = _names([str(step.node) for step in program.steps])
    for component in heads_and_mlps(program.model.config):
        if component not in program.looked_up:
            name = _name(component.words)
            lines += ["", f"{name} = computed({str(component)!r}, stream)", f"stream += {name}"]
        for step in program.steps:
            if step.node.component == component:
                lines += ["", *_step(program, step, names[str(step.node)], pool, codes, scale)]
    body = [f"    {line}" if line else "" for line in [*lines, "", "return unembedding(final_norm(stream))"]]
    return "\n".join([*HEAD.splitlines(), "def answer(token, position, fact):", *body, ""])


def _step(program: Program, step: Step, name: str, pool: Pool, codes: CodesOf, scale: float) -> list[str]:
    if not step.factors:
        return [f"{name} = mean_of({str(step.node)!r})", f"stream += {name}"]
    facts = ", ".join(f"fact({factor.name!r})" for factor in step.factors)
    kind = "look_up" if isinstance(step.table, Joint) else "sum_of_look_ups"
    size = f"  # {step.table.size} rows" + ("" if kind == "look_up" else ", one table for each fact")
    lines = [f"{name} = {kind}({str(step.node)!r}, {facts}){size}", f"stream += {name}"]
    where = step.node.place.of(pool.inputs)
    if not (where & pool.examples.answered).any():
        return [*lines, "# not where answers are read: it has no direct effect"]
    if not isinstance(step.table, Joint) or step.table.size > SMALL:
        return lines
    return [*lines, f"effect_of_{name} = {{", *_cells(program, step, pool, codes, scale), "}"]


def _cells(program: Program, step: Step, pool: Pool, codes: CodesOf, scale: float) -> list[str]:
    """A line for each cell: what the facts are, what that pushes, and an input where they are so."""
    assert isinstance(step.table, Joint)
    where = step.node.place.of(pool.inputs)
    said = codes.at(step.factors, where)
    cell, places = step.table.cells(said), where.nonzero()
    pushed = push(program, step, scale)
    lines = []
    for index in range(step.table.size):
        row = int((cell == index).int().argmax())
        example, position = places[row].tolist()
        words = pool.task.words(pool.examples.tokens[example])
        shown = " ".join(word for word, real in zip(words, pool.inputs.real[example], strict=True) if real)
        effect = _effect(pushed[index], pool.task.classes, pool.examples.sets)
        as_in = f"as at place {position} of {shown!r}"
        lines.append(
            f"    {tuple(said[row].tolist())}: {effect},  # {int((cell == index).sum())} times, {as_in}"
        )
    return lines


def push(program: Program, step: Step, scale: float) -> Float[Tensor, "cell class"]:
    """What each cell of a joint table adds to the logits directly, less the mean over a table's cells' rows.

    Unit: logits, with the final norm dividing by `scale`. With classes, less the mean over classes, which
    decides nothing.
    """
    assert isinstance(step.table, Joint)
    model, component = program.model, step.node.component
    written = step.table.means[-1] - step.table.means[0]
    if component.head is not None:
        written = written @ model.W_O[component.layer, component.index]
    if model.config.centred:
        written = written - written.mean(-1, keepdim=True)
    weight = getattr(model.ln_final, "w", None)
    return (written / scale if weight is None else written / scale * weight) @ model.W_U


def _effect(pushed: Float[Tensor, "class"], classes: tuple[str, ...], sets: bool) -> str:
    if len(classes) == 2 and not sets:
        return f"{{{f'{classes[1]} rather than {classes[0]}'!r}: {float(pushed[1] - pushed[0]):+.2f}}}"
    pushed = pushed if sets else pushed - pushed.mean()
    most = pushed.abs().topk(min(SHOWN, len(pushed))).indices.tolist()
    return "{" + ", ".join(f"{classes[each]!r}: {float(pushed[each]):+.2f}" for each in most) + "}"


@torch.no_grad()
def _scale(program: Program, examples: Examples) -> float:
    """What the final norm divides by, on average, where the model answers."""
    model, steps = program.model, Steps.of(program.model, examples)
    resid = steps.embedded(examples)
    for layer in range(model.config.n_layers):
        resid = model.block(layer)(resid, steps.bias, steps.tap)
    return float(model.ln_final.scale(resid[examples.answered]).mean())


def _names(nodes: Sequence[str]) -> dict[str, str]:
    """A name for Python for each node, no two alike: words may differ in what no name may hold."""
    found: dict[str, str] = {}
    for node in nodes:
        taken = sum(_name(other) == _name(node) for other in found)
        found[node] = f"{_name(node)}__{taken + 1}" if taken else _name(node)
    return found


def _name(words: str) -> str:
    """A name for Python: `head_0_0_at_position_1`."""
    return re.sub(r"\W+", "_", words, flags=re.ASCII).strip("_").lower()
