from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algoscope.analysis.mean_look import MeanLook, mean_look
from algoscope.model.config import Config
from algoscope.model.head import Head
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

SEQ, SHARP = 4, 40.0


def a_head(**settings: object) -> Transformer:
    """Nothing but a norm-free head of four dimensions, all zero; tokens lie in the stream's second half."""
    config = Config(
        n_layers=1, d_model=8, n_heads=1, d_head=4, n_ctx=SEQ, d_vocab=4, d_vocab_out=2,
        attention_dir="causal", normalization_type="none", **settings,
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    for parameter in model.parameters():
        parameter.zero_()
    model.W_E[:, 4:] = torch.eye(4)
    model.W_pos[:, :4] = torch.eye(4)
    return model


def random_inputs(count: int = 400, ids: Tensor | None = None) -> Examples:
    tokens = torch.randint(1, 4, (count, SEQ), generator=torch.Generator().manual_seed(0))
    answered = torch.zeros(count, SEQ, dtype=torch.bool)
    answered[:, -1] = True
    return Examples(tokens, torch.zeros(count, dtype=torch.long), {}, answered, ids)


def test_a_head_that_goes_by_position_looks_where_its_position_circuit_says():
    model = a_head()
    attention = model.block(0).attn
    # The query of a place asks for the key of the place before it.
    attention.W_Q[0, 1:4, :3] = SHARP * torch.eye(3)
    attention.W_K[0, :4] = torch.eye(4)
    examples = random_inputs()
    found = mean_look(model, examples, Head(0, 0), torch.ones_like(examples.answered), 1.0)
    assert found.places.tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(found.by_position[1:, :3], torch.eye(3).double(), atol=1e-6, rtol=0)
    assert found.explained == pytest.approx(1)
    # Away from evenness over one, two, three and four keys: 0, a half, two thirds and three quarters.
    assert found.uneven == pytest.approx((0 + 1 / 2 + 2 / 3 + 3 / 4) / 4, abs=1e-6)


def test_a_head_that_goes_by_token_is_not_explained_by_positions():
    model = a_head()
    attention = model.block(0).attn
    attention.b_Q[0, 3] = SHARP
    attention.W_K[0, 4:] = torch.eye(4)
    examples = random_inputs()
    examples.tokens[:, 0] = 3
    found = mean_look(model, examples, Head(0, 0), examples.answered, 1.0)
    assert found.true[0, 0] > 0.4
    torch.testing.assert_close(found.by_position, torch.full((1, 4), 0.25).double(), atol=1e-6, rtol=0)
    assert found.explained == pytest.approx(0, abs=1e-6)


def test_the_position_circuit_is_the_head_with_the_average_token_everywhere(padded_model, strings):
    """Asked of the model itself, with every token but padding embedded as the average one."""
    config = padded_model.config
    model = Transformer(Config.from_dict(config.to_dict() | {"normalization_type": "none"}), seed=3).double()
    with torch.no_grad():
        model.block(0).attn.b_Q.normal_()
        model.block(0).attn.b_K.normal_()
    tokens = torch.tensor([[2, 0, 3, 1, 1], [0, 0, 2, 4, 3]])
    examples = Examples(tokens, torch.tensor([0, 0]), {}, torch.tensor([[True, *4 * [False]]] * 2))
    queries = tokens != 1
    found = mean_look(model, examples, Head(0, 1), queries, 1.0)
    with torch.no_grad():
        model.W_E[:] = model.W_E[tokens[queries]].mean(0)
    _, cache = model.run_with_cache(tokens, ["blocks.0.attn.hook_pattern"])
    pattern = cache["blocks.0.attn.hook_pattern"][:, 1]
    for row, place in enumerate(found.places.tolist()):
        expected = pattern[queries[:, place], place].mean(0)
        torch.testing.assert_close(found.by_position[row], expected, atol=1e-9, rtol=1e-9)
    # Only the second input reaches place 4, and the first has three keys.
    torch.testing.assert_close(found.even[4], torch.full((5,), 0.2).double())
    torch.testing.assert_close(
        found.even[0], torch.tensor([1 / 3 + 0.2, *2 * [1 / 3 + 0.2], 0.2, 0.2]).double() / 2
    )


def test_positions_are_those_that_the_example_says():
    model = a_head()
    attention = model.block(0).attn
    attention.b_Q[0, 3] = SHARP
    attention.W_K[0, :4] = torch.eye(4)
    ids = torch.tensor([3, 2, 1, 0]).expand(400, SEQ)
    examples = random_inputs(ids=ids)
    found = mean_look(model, examples, Head(0, 0), examples.answered, 1.0)
    assert found.by_position[0].tolist() == pytest.approx([1, 0, 0, 0], abs=1e-6)
    assert found.explained == pytest.approx(1)


def test_a_circuit_that_is_wrong_is_worse_than_evenness():
    true, wrong = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    found = MeanLook(torch.tensor([0]), true, wrong, torch.tensor([[0.5, 0.5]]))
    assert found.explained == pytest.approx(1 - 2 / 0.5)
    assert found.uneven == pytest.approx(0.5)
