from __future__ import annotations

import pytest
import torch

from algoscope.analysis.attribution import Direction
from algoscope.analysis.directions import attention_norm_fit, through_head
from algoscope.analysis.neurons import (
    NeuronKinds,
    neuron_activations,
    neuron_kinds,
    neurons_along,
    output_by_neuron,
)
from algoscope.errors import UserError
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer


@pytest.fixture
def mlp_model() -> Transformer:
    sizes = {
        "n_layers": 2,
        "d_model": 8,
        "n_heads": 2,
        "d_head": 4,
        "d_mlp": 6,
        "act_fn": "relu",
        "n_ctx": 42,
    }
    kind = {"d_vocab": 5, "d_vocab_out": 2, "attention_dir": "bidirectional", "pad_token": 1}
    model = Transformer(Config.from_dict(sizes | kind), seed=0).requires_grad_(False)
    for block in model.blocks:
        block.mlp.b_out.normal_(generator=torch.Generator().manual_seed(0))
    return model


@pytest.mark.parametrize("position", [None, 2])
def test_neurons_and_the_output_bias_add_up_to_the_mlps_output(mlp_model, strings, position):
    _, cache = mlp_model.run_with_cache(strings.tokens)
    out = cache["blocks.1.hook_mlp_out"] if position is None else cache["blocks.1.hook_mlp_out"][:, position]
    each = output_by_neuron(mlp_model, strings, 1, position)
    torch.testing.assert_close(each.sum(-2) + mlp_model.b_out[1], out, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("position", [None, 2])
def test_without_the_large_tensor_the_dot_products_are_the_same(mlp_model, strings, position):
    direction = Direction(torch.randn(8, generator=torch.Generator().manual_seed(1)), "yes", "before")
    large = output_by_neuron(mlp_model, strings, 0, position) @ direction.vector
    small = neurons_along(mlp_model, strings, 0, direction, position)
    torch.testing.assert_close(small, large, atol=1e-5, rtol=1e-5)


def test_a_layer_or_an_mlp_that_is_not_there_is_an_error(mlp_model, strings):
    with pytest.raises(UserError, match="layer 2 does not exist"):
        neuron_activations(mlp_model, strings, 2)
    config = mlp_model.config.to_dict() | {"d_mlp": None, "act_fn": None}
    with pytest.raises(UserError, match="attention-only"):
        neuron_activations(Transformer(Config.from_dict(config)), strings, 0)


def test_hand_made_neurons_are_what_they_were_made_to_be():
    share = torch.tensor([0.2, 0.4, 0.5, 0.5, 0.7])
    more, less = (share - 0.5).relu(), (0.5 - share).relu()
    along = 10 * torch.stack([more, less, more + less, -more, 0 * more, more - less], 1)
    found = neuron_kinds(3, along, share)
    assert found.kinds == (
        "more than half", "less than half", "exactly half", "opposite", "neither", "more than half"
    )  # fmt: skip
    assert found.count() == {
        "more than half": 2, "less than half": 1, "exactly half": 1, "opposite": 1, "neither": 1
    }  # fmt: skip
    assert found.strength.tolist() == pytest.approx([2, 2, 2, 2, 0, 2])
    assert found.ranked()[-1] == 4


def test_kinds_need_examples_on_both_sides_of_one_half():
    assert neuron_kinds(0, torch.ones(2, 3), torch.tensor([0.5, 0.7])) is None


def test_the_public_models_neurons_are_golden(public):
    fit = attention_norm_fit(public.model, public.examples, 2, 1)
    direction = through_head(public.direction, public.model, Head(2, 0), fit, "before head 2.0")
    examples = public.examples[public.examples.concepts["starts_open"]]
    share = examples.concepts["open_proportion"]
    golden = public.tensors["neuron_mean_by_open_proportion_5000"]
    kinds = public.values["neuron_kinds_5000"]["value"]
    for layer in (0, 1):
        found = neuron_kinds(layer, neurons_along(public.model, examples, layer, direction, 1), share)
        scale = golden[layer].abs().max().item()
        torch.testing.assert_close(found.means, golden[layer], atol=1e-3 * scale, rtol=0)
        assert differences(found, kinds[f"layer{layer}"]) <= {(1, 4)}, (
            "all but 1.4, which is at the threshold"
        )


def differences(found: NeuronKinds, golden: dict[str, list[int]]) -> set[tuple[int, int]]:
    """The neurons to which the golden file gives another kind."""
    names = {
        "above": "more than half", "above_monotone": "more than half", "below": "less than half",
        "below_monotone": "less than half", "both": "exactly half", "opposite": "opposite", "none": "neither",
    }  # fmt: skip
    expected = {neuron: names[kind] for kind, neurons in golden.items() for neuron in neurons}
    return {(found.layer, neuron) for neuron, kind in enumerate(found.kinds) if kind != expected[neuron]}
