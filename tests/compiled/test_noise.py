from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from algoscope.compiled.compiler import compile
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.errors import UserError
from algoscope.model.head import every_head

NONE = Noise(rotate=False, width=0, heads=0, neurons=0, weights=0.0)
DEEP = "first-unique"


def logits(compiled):
    return compiled.model(compiled.task.sample(40, seed=0).tokens)


def test_without_any_noise_a_model_is_the_plain_one(compiled):
    plain, none = compiled(DEEP), compiled(DEEP, NONE)
    assert plain.model.config == none.model.config
    assert plain.graph.edges == none.graph.edges
    torch.testing.assert_close(logits(none), logits(plain))


@pytest.mark.parametrize("name", [DEEP, "balanced", "majority", "most-frequent"])
def test_another_basis_and_unread_parts_change_no_logit(name, compiled):
    hidden = compiled(name, Noise(width=6, heads=2, neurons=9, weights=0.0))
    torch.testing.assert_close(logits(hidden), logits(compiled(name)), atol=1e-3, rtol=0)


def test_unread_parts_are_there_and_work(compiled):
    each = compiled(DEEP, Noise(width=6, heads=2, neurons=9, weights=0.0, rotate=False))
    plain = compiled(DEEP).model.config
    config = each.model.config
    assert config.n_heads == plain.n_heads + 2
    assert config.d_mlp == plain.d_mlp + 9
    assert config.d_model == plain.d_model + 6
    _, cache = each.model.run_with_cache(each.task.sample(40, seed=0).tokens)
    real = {wire.sender.head for wire in each.graph.wires}
    for head in every_head(config):
        written = cache[head.site("hook_result")][:, :, head.index]
        used, spare = written[..., : plain.d_model], written[..., plain.d_model :]
        assert (used.abs().max() > 0) == (head in real)
        assert (spare.std(0).max() > 0.1) == (head not in real)


def test_the_seed_decides(compiled):
    first, again, other = (compile(PROGRAMS[DEEP], Noise(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(first.model.W_E, again.model.W_E)
    assert not torch.equal(first.model.W_E, other.model.W_E)


def test_the_seed_decides_in_every_process():
    """Sets of strings are in another order in each."""
    say = (
        "from algoscope.compiled.compiler import compile; from algoscope.compiled.noise import Noise; "
        "from algoscope.compiled.programs.copying import palindrome; "
        "print(compile(palindrome, Noise()).model.W_in.tolist())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", say],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in "012"
    }
    assert len(said) == 1


def test_the_basis_is_orthonormal(compiled):
    basis = compiled(DEEP, Noise()).basis
    torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis)), atol=1e-5, rtol=0)


def test_too_much_noise_is_an_error():
    with pytest.raises(UserError, match=r"answers of histogram are wrong with Noise.*give less noise"):
        compile(PROGRAMS["histogram"], Noise(weights=0.1))
