from __future__ import annotations

import pytest
import torch
from torch.nn.functional import one_hot

from algoscope.compiled.codes import codes
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize(("noise", "error"), [(None, 0.01), (Noise(), 0.2)], ids=["plain", "hidden"])
def test_the_stream_holds_every_variable_at_every_position(name, noise, error, compiled):
    each = compiled(name, noise)
    tokens = each.task.sample(50, seed=5).tokens
    last = f"blocks.{each.model.config.n_layers - 1}.hook_resid_post"
    held = each.model.run_with_cache(tokens, [last])[1][last] @ each.basis.T
    found = codes(each.placed, tokens)
    there = tokens != (-1 if each.task.pad is None else each.task.pad)
    for variable in each.variables:
        if variable.is_number:
            values = torch.tensor([float(value) for value in variable.kept])
            expected = values[found[variable.expression]][..., None]
        else:
            expected = one_hot(found[variable.expression], len(variable.directions)).float()
        difference = (held[..., list(variable.directions)] - expected)[there]
        assert difference.abs().max() < error, str(variable)


def test_a_program_without_maps_needs_no_mlp(compiled):
    assert compiled("reverse").model.config.d_mlp is None


def test_a_model_sees_as_far_as_its_program(compiled):
    assert compiled("parity-so-far").model.config.attention_dir == "causal"
    assert compiled("histogram").model.config.attention_dir == "bidirectional"
