"""A finer table knows what else an output tells, and nothing else."""

from __future__ import annotations

import torch
from tests.explanation.test_program import ALL, PLACE, TOKEN, drawn, every_node

from algoscope.explanation.concepts import Concept
from algoscope.explanation.finer import finer
from algoscope.explanation.pool import fill
from algoscope.explanation.program import tables
from algoscope.explanation.scored import score
from algoscope.explanation.screen import sensitivities


def noise(inputs):
    return torch.randint(3, inputs.tokens.shape, generator=torch.Generator().manual_seed(0))


NOISE = Concept("noise", noise)


def test_what_an_output_tells_is_added_and_what_it_does_not_is_not():
    model, task, examples = drawn("causal and padded, folded norms", n=600)
    examples.answered[:] = examples.tokens != model.config.pad_token
    pool = fill(model, task, task_of_every_place(examples))
    carried = every_node(model, [ALL], (TOKEN,))
    mlp = [node for node in carried if str(node.component) == "MLP 0"]
    idle = [node for node in carried if str(node.component) == "1.0"]
    found = finer(pool, carried | {idle[0]: ()}, [PLACE, NOISE], sensitivities(pool, 200, seed=0))
    assert PLACE in found[mlp[0]]
    assert found[mlp[0]][0] is TOKEN
    assert found[idle[0]] == ()
    assert all(NOISE not in factors for factors in found.values())
    before = score(tables(pool, carried)(pool.examples), pool.logits, pool.examples)
    after = score(tables(pool, found)(pool.examples), pool.logits, pool.examples)
    assert after.kl.mean < before.kl.mean


def task_of_every_place(examples):
    labels = torch.zeros(int(examples.answered.sum()), dtype=torch.long)
    return type(examples)(examples.tokens, labels, {}, examples.answered)
