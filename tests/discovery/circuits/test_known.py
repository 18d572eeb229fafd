"""Methods on compiled programs, whose edges are known. `algoscope benchmark circuits` has all of them."""

from __future__ import annotations

import pytest
import torch

from algoscope.compiled.compiler import compile
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.discovery.circuits.benchmark import judged, summaries
from algoscope.discovery.circuits.judged import Judged, auroc, told_apart

SOME = {
    name: PROGRAMS[name] for name in ("histogram", "palindrome", "never-negative", "maximum", "last-token")
}


@pytest.fixture(scope="module")
def results():
    return list(judged(SOME, 20, 0.95, Noise()))


def test_every_method_finds_the_programs_behind_noise(results):
    for each in summaries(results):
        assert each.auroc >= 0.95 or each.method == "EAP", each
        assert each.programs == len(SOME)
    (pruning,) = (each for each in summaries(results) if each.method == "pruning")
    assert pruning.lowest == 1
    assert pruning.found == len(SOME)
    assert pruning.precision == 1


def test_a_summary_counts_what_was_found():
    def one(program: str, value: float, recall: float) -> tuple[Judged, float]:
        return Judged(program, "m", value, 0.5, recall, 4, 2, 20), 2.0

    (found,) = summaries([one("a", 0.9, 0.95), one("b", 1.0, 0.94), one("c", 0.7, 1.0)])
    assert (found.auroc, found.lowest, found.found, found.programs, found.seconds) == (0.9, 0.7, 2, 3, 6.0)


def test_auroc_is_the_share_of_pairs_in_the_right_order():
    true = torch.tensor([True, True, False, False])
    assert auroc(torch.tensor([4.0, 3, 2, 1]), true) == 1
    assert auroc(torch.tensor([1.0, 2, 3, 4]), true) == 0
    assert auroc(torch.tensor([1.0, 1, 1, 1]), true) == 0.5
    assert auroc(torch.tensor([4.0, 1, 2, 1]), true) == (1 + 1 + 0 + 0.5) / 4


def test_what_is_the_same_for_both_inputs_of_every_pair_is_not_asked_for():
    compiled = compile(PROGRAMS["last-token"])
    one, other = compiled.task.contrasts(20, 0)
    asked, every = told_apart(compiled, one, other), compiled.graph.edges
    # Which place is the last depends on the length alone, and both inputs of a pair are as long.
    assert {edge.input for edge in asked} == {"v", "in"}
    assert len(asked) < len(every)
    assert not told_apart(compiled, one, one)
