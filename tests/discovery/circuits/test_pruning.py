"""On a model with two heads of which either would do, and one path that nothing else does."""

from __future__ import annotations

import pytest
import torch

from algoscope.discovery.circuits.circuit import circuit, curve, worth
from algoscope.discovery.circuits.contrast import Contrast, resampled
from algoscope.discovery.circuits.exact import exact
from algoscope.discovery.circuits.graph import Edge
from algoscope.discovery.circuits.pruning import pruning
from algoscope.discovery.circuits.smallest import overlap, rival, smallest, without
from algoscope.discovery.circuits.stability import stability
from algoscope.model.component import ANSWER, TOKEN, Component
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

ONE, OTHER, IDLE, MLP = (Component.parse(name) for name in ("0.0", "0.1", "0.2", "MLP 0"))


@pytest.fixture(scope="module")
def contrast() -> Contrast:
    """Is there a 1 before the last place? Heads 0.0 and 0.1 both say so, and the MLP listens to either.

    Stream: [token is 1, said by 0.0, said by 0.1, the MLP's verdict].
    """
    config = Config(
        n_layers=1, d_model=4, n_heads=3, d_head=1, n_ctx=4, d_vocab=2, d_vocab_out=2, d_mlp=2,
        act_fn="relu", attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    block = model.block(0)
    assert block.mlp is not None
    model.W_E[1, 0] = 1
    for head in (0, 1):
        block.attn.W_K[head, 0, 0] = 30
        block.attn.b_Q[head, 0] = 1
        block.attn.W_V[head, 0, 0] = 1
        block.attn.W_O[head, 0, head + 1] = 1
    # min(said by either, 1), as relu(x) - relu(x - 1).
    block.mlp.W_in[1:3] = 1
    block.mlp.b_in[1] = -1
    block.mlp.W_out[:, 3] = torch.tensor([1.0, -1.0])
    model.unembed.W_U[3, 1] = 20
    model.unembed.b_U[0] = 10
    ones, zeros = torch.eye(4, dtype=torch.long)[:3], torch.zeros(3, 4, dtype=torch.long)
    answered = torch.zeros(3, 4, dtype=torch.bool)
    answered[:, 3] = True
    yes = Examples(ones, torch.ones(3, dtype=torch.long), {}, answered)
    return resampled(model, yes, Examples(zeros, torch.zeros(3, dtype=torch.long), {}, answered))


def path(head: Component) -> set[Edge]:
    return {Edge(TOKEN, head, "k"), Edge(TOKEN, head, "v"), Edge(head, MLP), Edge(MLP, ANSWER)}


def test_single_edges_show_nothing_of_two_heads_of_which_either_would_do(contrast):
    found = exact(contrast)
    seen = {edge for edge, score in zip(found.graph.edges, found.each.tolist(), strict=True) if score > 0.01}
    assert seen == {Edge(MLP, ANSWER)}


def test_pruning_keeps_one_of_the_two_and_all_of_its_path(contrast):
    scores = pruning(contrast)
    assert set(scores.top(4)) in (path(ONE), path(OTHER))
    kept = smallest(contrast, scores, 0.95)
    assert set(contrast.graph.of(kept)) in (path(ONE), path(OTHER))


def test_pruning_ranks_every_edge_once(contrast):
    assert sorted(pruning(contrast).each.tolist()) == list(range(1, len(contrast.graph.edges) + 1))


def test_the_rival_goes_through_the_other_head(contrast):
    scores = pruning(contrast)
    kept = contrast.graph.mask(scores.top(4))
    other = rival(contrast, kept, scores, 0.95)
    first, second = (ONE, OTHER) if Edge(ONE, MLP) in scores.top(4) else (OTHER, ONE)
    assert set(contrast.graph.of(kept)) == path(first)
    assert Edge(second, MLP) in contrast.graph.of(other)
    assert Edge(first, MLP) not in contrast.graph.of(other)
    assert overlap(kept, other) < 0.5


def test_a_circuit_says_what_it_does_alone_and_what_the_rest_can_do(contrast):
    found = circuit(contrast, sorted(path(ONE)))
    assert found.faithfulness == pytest.approx(1, abs=1e-4)
    assert found.accuracy == 1
    assert found.kl == pytest.approx(0, abs=1e-4)
    # The other head lacks the MLP's edge to the answer, so the rest can do nothing.
    assert found.rest == pytest.approx(0, abs=1e-6)
    each = worth(contrast, sorted(path(ONE)))
    assert each[Edge(ONE, MLP)] == pytest.approx(1, abs=1e-4)
    assert each[Edge(TOKEN, ONE, "k")] == pytest.approx(0.75, abs=1e-4)
    nothing = circuit(contrast, [])
    assert (nothing.faithfulness, nothing.accuracy, worth(contrast, [])) == (0, 0, {})
    assert nothing.rest == pytest.approx(1)


def test_the_curve_is_faithfulness_by_size(contrast):
    scores = pruning(contrast)
    edges = len(contrast.graph.edges)
    found = curve(contrast, scores, [0, 3 / edges, 4 / edges, 1])
    assert found.faithfulness == pytest.approx((0, 0.25, 1, 1), abs=1e-4)
    # Without what its keys read, a head looks at all four places alike.
    under = (3 * (0 + 0.25) / 2 + (0.25 + 1) / 2) / edges
    assert found.cpr == pytest.approx(under + 1 - 4 / edges, abs=1e-3)
    assert found.cmd == pytest.approx(4 / edges - under, abs=1e-3)


def test_nothing_that_is_needed_is_left_out(contrast):
    everything = torch.ones(len(contrast.graph.edges), dtype=torch.bool)
    kept = without(contrast, everything, range(len(everything)), 0.95)
    for number in kept.nonzero()[:, 0].tolist():
        less = kept.clone()
        less[number] = False
        assert abs(float(contrast.faithfulness(less.float()[None])) - 1) > 0.05
    assert kept.sum() == 4


def test_overlap_is_what_is_shared_of_all():
    one, other = torch.tensor([1, 1, 0, 0]).bool(), torch.tensor([0, 1, 1, 0]).bool()
    assert overlap(one, other) == pytest.approx(1 / 3)
    assert overlap(one, one) == overlap(one & other & ~one, torch.zeros(4).bool()) == 1


def test_stability_is_one_where_examples_agree_and_less_where_they_do_not(contrast):
    scores = pruning(contrast)
    agreed = torch.arange(len(scores.each)).double()[:, None].expand(-1, 8)
    assert stability(type(scores)(scores.graph, "agreed", agreed.mean(1), agreed), 3) == 1
    each_its_own = torch.eye(len(scores.each), 8).double()
    found = stability(type(scores)(scores.graph, "own", each_its_own.mean(1), each_its_own), 1)
    # Two samples agree if the same example is drawn most often in both.
    assert 0 < found < 0.5
    with pytest.raises(ValueError, match="one by one"):
        stability(type(scores)(scores.graph, "none", scores.each), 3)
