"""Methods on compiled programs, whose edges are known. `algoscope benchmark circuits` has all of them."""

from __future__ import annotations

import pytest
import torch

from algoscope.compiled.compiler import compile
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.discovery.circuits.benchmark import judged, summaries
from algoscope.discovery.circuits.contrast import resampled
from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.judged import Judged, auroc, judge, told_apart
from algoscope.discovery.circuits.scores import Scores
from algoscope.model.component import ANSWER, TOKEN, Component

SOME = {
    name: PROGRAMS[name] for name in ("histogram", "palindrome", "never-negative", "maximum", "last-token")
}
VOTING = {name: PROGRAMS[name] for name in ("histogram-by-vote", "never-negative-by-vote")}


@pytest.fixture(scope="module")
def results():
    return list(judged(SOME, 20, 0.95, Noise()))


def test_every_method_finds_the_programs_behind_noise(results):
    for each in summaries(results, 0.95):
        assert each.auroc >= 0.95 or each.method == "EAP", each
        assert each.programs == len(SOME)
    pruning, exact = (of(results, method) for method in ("pruning", "exact"))
    assert pruning.lowest == 1
    assert pruning.found == len(SOME)
    assert pruning.precision == 1
    assert exact.large == len(SOME)


def of(results, method):
    (found,) = (each for each in summaries(results, 0.95) if each.method == method)
    return found


def test_edges_cut_one_by_one_miss_heads_that_vote_and_pruning_does_not():
    results = list(judged(VOTING, 20, 0.95, Noise()))
    pruning, exact = (of(results, method) for method in ("pruning", "exact"))
    assert pruning.votes
    assert (pruning.found, pruning.lowest, pruning.precision) == (len(VOTING), 1, 1)
    assert exact.large == 0
    for each, _ in results:
        if each.method == "exact":
            assert each.large == pytest.approx(0, abs=0.05), each


def test_a_summary_counts_what_was_found():
    def one(auroc: float, recall: float, large: float | None, ways: int) -> tuple[Judged, float]:
        return Judged("p", "m", auroc, 0.5, recall, 4, 2, large, ways, 20), 2.0

    results = [one(0.9, 0.95, 1.04, 1), one(1.0, 0.94, 0.94, 1), one(0.7, 1.0, 1.0, 1), one(0.6, 0, None, 3)]
    alone, voting = summaries(results, 0.95)
    assert (alone.auroc, alone.lowest, alone.found, alone.programs, alone.seconds) == (0.9, 0.7, 2, 3, 6.0)
    assert (alone.votes, alone.large, voting.votes, voting.large) == (False, 2, True, None)


def test_a_method_is_judged_by_the_way_that_it_comes_closest_to():
    compiled = compile(PROGRAMS["previous-token-by-vote"])
    one, other = compiled.task.contrasts(20, 0)
    contrast = resampled(compiled.model, one, other)
    heads = [Component.parse(f"0.{index}") for index in range(3)]
    way = {Edge(Component.parse("MLP 0"), ANSWER)}
    for head in heads[1:]:
        way |= {Edge(TOKEN, head, "v"), Edge(head, Component.parse("MLP 0"))}
    # Half of one way and half of another is none.
    mixed = {Edge(TOKEN, heads[0], "v"), Edge(heads[1], Component.parse("MLP 0"))}

    def found(edges: set[Edge], effect: float) -> Judged:
        scores = Scores(contrast.graph, "told", effect * contrast.graph.mask(edges).double())
        return judge(compiled, contrast, other, scores, 0.95)

    # Of the 20 logits between the two answers, a faithful circuit may lose one.
    small, large = found(way, 0.1), found(way, 10)
    assert (small.auroc, small.recall, small.precision, small.true, small.ways) == (1, 1, 1, 5, 3)
    assert (small.large, large.large) == (pytest.approx(0, abs=0.01), pytest.approx(1, abs=0.01))
    assert found(mixed, 10).auroc < 1


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
