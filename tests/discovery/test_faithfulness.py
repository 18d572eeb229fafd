from __future__ import annotations

import pytest

from algoscope.analysis.accuracy import score
from algoscope.discovery.faithfulness import Part, complement, faithfulness
from algoscope.errors import UserError
from algoscope.model.component import Component
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets


@pytest.fixture
def bracket_model() -> Transformer:
    sizes = {"n_layers": 2, "d_model": 8, "n_heads": 2, "d_head": 4, "d_mlp": 6, "n_ctx": 42}
    config = {
        "d_vocab": 5,
        "d_vocab_out": 2,
        "attention_dir": "bidirectional",
        "act_fn": "relu",
        "pad_token": 1,
    }
    return Transformer(Config.from_dict(sizes | config), seed=0).requires_grad_(False)


def test_the_whole_model_as_a_circuit_loses_nothing(bracket_model):
    examples = Brackets().sample(50, 0)
    everything = [Part(Component.parse(name)) for name in ("0.0", "0.1", "MLP 0", "1.0", "1.1", "MLP 1")]
    found = faithfulness(bracket_model, examples, everything)
    assert found.alone == found.whole


def test_a_circuit_alone_is_the_model_with_means_put_in_by_hooks(bracket_model):
    examples = Brackets().sample(50, 0)
    _, cache = bracket_model.run_with_cache(examples.tokens)

    def mean_of_all_but_head_1(value, site):
        value[:, :, 0] = cache[site.name][:, :, 0].mean(0)

    def mean_but_at_2_and_3(value, site):
        kept = value[:, 2:4].clone()
        value[:] = cache[site.name].mean(0)
        value[:, 2:4] = kept

    def mean(value, site):
        value[:] = cache[site.name].mean(0)

    hooks = [
        ("blocks.0.attn.hook_z", mean_of_all_but_head_1),
        ("blocks.0.hook_mlp_out", mean_but_at_2_and_3),
        ("blocks.1.attn.hook_z", mean),
        ("blocks.1.hook_mlp_out", mean),
    ]
    by_hand = score(bracket_model.run_with_hooks(examples.tokens, hooks)[:, 0], examples.labels)
    found = faithfulness(
        bracket_model, examples, [Part(Component.parse("0.1")), Part(Component.parse("MLP 0"), (2, 3))]
    ).alone
    assert found.right == by_hand.right
    assert found.loss == pytest.approx(by_hand.loss, abs=1e-5)


def test_a_circuit_and_its_complement_trade_places(bracket_model):
    examples = Brackets().sample(30, 0)
    circuit = [Part(Component.parse("0.0")), Part(Component.parse("MLP 1"), (0,))]
    rest = complement(bracket_model, circuit, 42)
    one, other = (faithfulness(bracket_model, examples, parts) for parts in (circuit, rest))
    assert one.alone.loss == pytest.approx(other.without.loss, abs=1e-6)
    assert one.without.loss == pytest.approx(other.alone.loss, abs=1e-6)


def test_a_part_named_twice_is_inside_at_both_its_positions(bracket_model):
    rest = complement(
        bracket_model, [Part(Component.parse("0.0"), (1,)), Part(Component.parse("0.0"), (3,))], seq=5
    )
    assert Part(Component.parse("0.0"), (0, 2, 4)) in rest


def test_a_part_that_the_model_lacks_is_named(bracket_model):
    examples = Brackets().sample(4, 0)
    with pytest.raises(UserError, match=r"head 5\.0 does not exist: the model has layers 0-1 with 2 heads"):
        faithfulness(bracket_model, examples, [Part(Component.parse("5.0"))])
    with pytest.raises(UserError, match="empty circuit"):
        faithfulness(bracket_model, examples, [])


def test_an_attention_only_model_has_no_mlp_outside_its_circuit():
    config = Config(
        n_layers=1, d_model=6, n_heads=2, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=2, attention_dir="causal"
    )
    assert [
        str(part.component) for part in complement(Transformer(config), [Part(Component.parse("0.1"))], 4)
    ] == ["0.0"]
