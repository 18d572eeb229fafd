from __future__ import annotations

import pytest
import torch

from algoscope.discovery.constant_head import (
    Route,
    carried,
    into,
    joint_routes,
    learn_constant,
    writing,
    written,
)
from algoscope.interventions.metrics import loss
from algoscope.interventions.sweep import sweep
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.palindromes import Palindromes, arena_sample
from algoscope.tasks.task import Examples


@pytest.fixture
def constant_model() -> Transformer:
    """Head 0.1 writes the same everywhere, through its value bias, and only head 1.0's values read it."""
    config = Config(
        n_layers=2, d_model=4, n_heads=2, d_head=2, n_ctx=22, d_vocab=33, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.block(0).attn.b_V[1, 0] = model.block(0).attn.W_O[1, 0, 2] = 1.0
    model.block(1).attn.W_V[0, 2, 0] = model.block(1).attn.W_O[0, 0, 3] = 1.0
    model.W_U[3, 1] = 2.0
    return model


def costs(*logits: float) -> list[float]:
    """Of a palindrome, at a logit of so much towards the truth, less that at 2."""
    surprise = [torch.nn.functional.softplus(torch.tensor(-x)).item() for x in (*logits, 2.0)]
    return [each - surprise[-1] for each in surprise[:-1]]


@pytest.fixture
def palindromes() -> Examples:
    sample = Palindromes().sample(40, seed=0)
    return sample[sample.labels == 1]


def test_the_only_route_of_a_head_that_was_built_by_hand_is_found(constant_model, palindromes):
    found = carried(constant_model, palindromes, Head(0, 1))
    (zeroed,) = costs(0.0)
    values = into([Head(1, 0)], "v")
    for ways, each in found.items():
        assert each.cut == pytest.approx(zeroed if values <= ways else 0, abs=1e-6), each.name
        assert each.kept == pytest.approx(0 if values <= ways else zeroed, abs=1e-6), each.name
    assert found[values].name == "values of head 1.0"


def test_two_readers_that_stand_in_for_each_other_are_needed_together_only(constant_model, palindromes):
    """Both heads of layer 1 move it, and half of it is as good as all: the answer is a threshold."""
    attention = constant_model.block(1).attn
    attention.W_V[1, 2, 0] = attention.W_O[1, 0, 3] = 1.0
    constant_model.W_U[3, 1] = 40.0
    found = carried(constant_model, palindromes, Head(0, 1))
    one, both = (found[into(readers, "v")] for readers in ([Head(1, 0)], [Head(1, 0), Head(1, 1)]))
    assert one.cut == pytest.approx(0, abs=1e-6)
    assert one.kept == pytest.approx(0, abs=1e-6)
    assert both.cut == pytest.approx(torch.tensor(2.0).log().item(), abs=1e-6)
    assert both.name == "values of layer 1"


def test_routes_are_tested_singly_and_together_and_each_set_once():
    config = Config(
        n_layers=3,
        d_model=4,
        n_heads=1,
        d_head=2,
        n_ctx=22,
        d_vocab=33,
        d_vocab_out=2,
        attention_dir="causal",
    )
    found = joint_routes(config, Head(0, 0))
    assert len([ways for ways in found if len(ways) == 1]) == 7
    # One head a layer: what goes into the layer goes into the head.
    assert set(found.values()) == {
        *(f"{what} of head {head}" for head in ("1.0", "2.0") for what in ("queries", "keys", "values")),
        *(f"keys and values of head {head}" for head in ("1.0", "2.0")),
        *(f"queries, keys and values of head {head}" for head in ("1.0", "2.0")),
        "the final norm",
        "every route",
    }
    assert found[frozenset({Route()})] == "the final norm"
    assert max(found, key=len) == frozenset().union(*found)


def test_the_public_models_constant_head_is_needed_by_keys_and_values_together(public_palindromes):
    found = carried(public_palindromes.model, arena_sample(500), Head(0, 1))
    layer, reader = [Head(1, 0), Head(1, 1)], [Head(1, 0)]
    measured = {"q": -0.0003, "k": 0.0025, "v": 0.0034, "kv": 1.293}
    for letters, cost in measured.items():
        assert found[into(layer, letters)].cut == pytest.approx(cost, abs=6e-4), letters
    assert found[into(reader, "kv")].cut == pytest.approx(0.542, abs=6e-4)
    (every,) = (each for each in found.values() if each.name == "every route")
    assert every.cut == pytest.approx(1.353, abs=6e-4)


def test_all_routes_into_a_layer_are_those_of_a_layer_that_reads_a_stream_without_the_head(
    public_palindromes,
):
    """Where queries lose it too, as keys and values do, less is lost: they fit one another again."""
    model, examples, head = public_palindromes.model, arena_sample(500), Head(0, 1)
    layer = into([Head(1, 0), Head(1, 1)], "qkv")
    _, cache = model.run_with_cache(examples.tokens, [head.site("hook_result")])
    result = cache[head.site("hook_result")][:, :, head.index]
    hooks = [
        ("blocks.1.hook_resid_pre", lambda value, site: value - result),
        ("blocks.1.hook_resid_post", lambda value, site: value + result),
    ]
    losses = [
        torch.nn.functional.cross_entropy(model.run_with_hooks(examples.tokens, each)[:, -1], examples.labels)
        for each in (hooks, [])
    ]
    cut = carried(model, examples, head)[layer].cut
    assert cut == pytest.approx((losses[0] - losses[1]).item(), abs=1e-4)
    assert cut == pytest.approx(0.897, abs=6e-4)


def test_an_output_that_never_changes_is_all_constant(constant_model):
    seen = written(constant_model, Palindromes().sample(10, seed=0), Head(0, 1))
    assert seen.constant.tolist() == pytest.approx([1.0] * 22)
    assert seen.mean[5].tolist() == pytest.approx([0, 0, 1, 0])


def test_a_learnt_constant_does_better_than_the_mean_on_fresh_inputs(public_palindromes):
    model, head = public_palindromes.model, Head(0, 1)
    fitted, fresh = Palindromes().sample(1000, seed=1), Palindromes().sample(2000, seed=2)
    mean = written(model, fitted, head).mean
    learnt = learn_constant(model, fitted, head, steps=60)
    found = sweep(model, fresh, [writing(head, mean), writing(head, learnt)], loss)
    assert found.values[1] < found.values[0]
