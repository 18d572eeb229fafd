from __future__ import annotations

import pytest
import torch

from algoscope.discovery.edges import edge_effects, edge_names, edges
from algoscope.model.component import ANSWER
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.task import Examples

SIZES = {"n_layers": 2, "d_model": 8, "n_heads": 2, "d_head": 4, "n_ctx": 42, "d_vocab": 5, "d_vocab_out": 2}


def a_model(**settings) -> Transformer:
    config = Config.from_dict(SIZES | {"attention_dir": "bidirectional", "pad_token": 1} | settings)
    return Transformer(config, seed=0).requires_grad_(False)


def pairs():
    task = Brackets()
    return task.examples(task.encode(["(())", "()()"])), task.examples(task.encode(["(()(", "))()"]))


@pytest.mark.parametrize("norm", ["LN", "none"])
def test_an_edge_is_what_hooks_on_the_receivers_input_give(norm):
    model = a_model(d_mlp=6, act_fn="relu", normalization_type=norm)
    generator = torch.Generator().manual_seed(0)
    for name, value in model.named_parameters():
        if ".b_" in name or "ln" in name:
            value.add_(0.5 * torch.randn(value.shape, generator=generator))
    one, other = pairs()
    found = {(str(edge.sender), str(edge.receiver)): edge.effect for edge in edges(model, one, other).edges}
    _, there = model.run_with_cache(other.tokens)
    clean, here = model.run_with_cache(one.tokens)
    delta = there["blocks.0.attn.hook_result"][:, :, 1] - here["blocks.0.attn.hook_result"][:, :, 1]

    def to_head_1_0(value, site):
        value[:, :, 0] += delta

    hooks = [(f"blocks.1.hook_{letter}_input", to_head_1_0) for letter in "qkv"]
    fall = difference(clean) - difference(model.run_with_hooks(one.tokens, hooks))
    assert found["0.1", "1.0"] == pytest.approx(fall, abs=1e-5)

    # Only MLP 1 gets the changed stream: what attention and the residual carry is put back behind it.
    changed = model.run_with_cache(
        one.tokens, hooks=[("blocks.1.hook_resid_mid", lambda value, site: value + delta)]
    )[1]["blocks.1.hook_mlp_out"]
    fall = difference(clean) - difference(
        model.run_with_hooks(one.tokens, [("blocks.1.hook_mlp_out", lambda value, site: changed)])
    )
    assert found["0.1", "MLP 1"] == pytest.approx(fall, abs=1e-5)


def test_in_a_model_without_norms_or_layers_between_the_edges_to_the_answer_are_the_whole_gap():
    model = a_model(normalization_type="none")
    found = edges(model, *pairs())
    direct = [edge.effect for edge in found.edges if edge.receiver == ANSWER]
    assert sum(direct) == pytest.approx(found.gap, abs=1e-5)


def test_the_strong_edges_are_sorted_and_large():
    found = edges(a_model(), *pairs())
    strong = found.strong(0.01)
    assert [edge.effect for edge in strong] == sorted((edge.effect for edge in strong), reverse=True)
    assert all(edge.effect >= 0.01 * found.gap for edge in strong)


def test_every_sender_writes_before_its_receiver_reads():
    edges = edge_names(a_model(d_mlp=6, act_fn="relu").config)
    names = [tuple(map(str, edge)) for edge in edges]
    assert ("0.0", "MLP 0") in names
    assert ("0.0", "0.1") not in names
    assert ("MLP 1", "1.0") not in names
    assert len(names) == len(set(names)) == 2 + 3 + 8 + 6 + 7


def several(labels: list[int], answered: list[list[bool]]) -> Examples:
    tokens = torch.tensor([[0, 3, 4, 2], [0, 4, 4, 2]])
    return Examples(tokens, torch.tensor(labels), {}, torch.tensor(answered))


def test_answers_of_one_number_are_measured_apart_and_equal_ones_are_left_out():
    model = a_model(normalization_type="none", d_vocab_out=3)
    answered = [[True, True, False, False], [True, False, False, True]]
    one, other = several([0, 1, 2, 0], answered), several([0, 2, 1, 1], answered)
    other.tokens[:, 1:3] = torch.tensor([[4, 4], [3, 3]])
    found = edge_effects(model, one, other)
    here, there = (model(each.tokens)[torch.tensor(answered)].double() for each in (one, other))
    # Rows 1, 2 and 3 differ; they are a second, a first and a second answer.
    gap = [
        (here[row, a] - here[row, b] - there[row, a] + there[row, b]).item()
        for row, a, b in ((1, 1, 2), (2, 2, 1), (3, 0, 1))
    ]
    assert found.by_answer[0].gap == pytest.approx(gap[1], abs=1e-5)
    assert found.by_answer[1].gap == pytest.approx((gap[0] + gap[2]) / 2, abs=1e-5)
    assert found.pooled.gap == pytest.approx(sum(gap) / 3, abs=1e-5)
    for part, whole in ((found.by_answer[0], gap[1]), (found.pooled, sum(gap) / 3)):
        direct = [edge.effect for edge in part.edges if edge.receiver == ANSWER]
        assert sum(direct) == pytest.approx(whole, abs=1e-5)


def test_of_sets_the_classes_that_only_one_of_a_pair_has_add_up():
    model = a_model(normalization_type="none", d_vocab_out=3)
    answered = torch.tensor([[True, False, False, False]])
    one, other = (
        Examples(torch.tensor([tokens]), torch.tensor([labels]), {}, answered)
        for tokens, labels in (([0, 3, 4, 2], [True, True, False]), ([0, 4, 3, 2], [True, False, True]))
    )
    here, there = model(one.tokens)[0, 0], model(other.tokens)[0, 0]
    gap = (here[1] - here[2] - there[1] + there[2]).item()
    assert edges(model, one, other).gap == pytest.approx(gap, abs=1e-6)


@pytest.mark.parametrize("what", ["equal answers", "other places"])
def test_pairs_that_carry_no_difference_are_an_error(what):
    answered = [[True, False, False, False]] * 2
    elsewhere = [[False, True, False, False]] * 2
    other = several([0, 1] if what == "equal answers" else [1, 0], answered if "equal" in what else elsewhere)
    with pytest.raises(ValueError, match="at the same places, and some that differ"):
        edges(a_model(), several([0, 1], answered), other)


def test_nothing_is_strong_without_a_gap_in_favour_of_the_truth():
    model = a_model()
    found = edges(model, *pairs())
    model.W_U.neg_()
    reversed_ = edges(model, *pairs())
    assert found.gap == pytest.approx(-reversed_.gap, abs=1e-6)
    for each in (found, reversed_):
        assert bool(each.strong(0.01)) == (each.gap > 0)


def difference(logits: torch.Tensor) -> float:
    """Towards "balanced", which the first of each pair is."""
    return (logits[:, 0, 1] - logits[:, 0, 0]).mean().item()
