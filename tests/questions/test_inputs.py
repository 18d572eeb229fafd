from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import torch

from algoscope.discovery.effects import Effect, Interval
from algoscope.discovery.inputs import ROUTES, InputNeeds, Places, input_needs, places
from algoscope.model.component import Component
from algoscope.model.head import Head
from algoscope.questions.inputs import _one_place, _routes, hides, inputs
from algoscope.questions.seen import see

HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hand = load("by_hand")


def effect(mean: float) -> Effect:
    return Effect(Interval(mean, mean, mean), Interval(1, 1, 1), (mean,))


def routes(**costs: float):
    return {route: effect(costs.get(route, 0.0)) for route in ROUTES}


@pytest.fixture
def asked(majority):
    """`asked(model)`: what the model makes of majority."""
    return lambda model: see(model, majority, majority.sample(300, seed=0))


def counting():
    model = hand.blank(6, n_heads=2)
    hand.counts(model, 1, 2.0)
    return model


def test_a_head_that_looks_evenly_needs_its_values_and_not_its_pattern(asked, found):
    section = inputs(asked(counting()))
    pattern, values = found(section)["pattern-needed"], found(section)["values-needed"]
    assert (pattern.value, pattern.verdict, pattern.said) == (1, "refuted", "head 0.1")
    assert (values.value, values.verdict) == (0, "holds")
    assert found(section)["inputs-jointly"].verdict == "holds"


def test_a_head_that_finds_its_own_letter_needs_its_pattern_and_its_values(seen_echo, verdicts):
    found = verdicts(inputs(seen_echo))
    assert (found["pattern-needed"], found["values-needed"]) == ("holds", "holds")


def test_a_head_that_moves_a_constant_from_where_it_looks_needs_its_pattern_alone(asked, found):
    """The answer's own place moves 1, the bits nothing; ones draw attention away from it."""
    model = hand.blank(6)
    model.W_E[2, 2] = 1.0
    attention = model.blocks[0].attn
    attention.b_Q[0, 0] = 1.0
    attention.W_K[0, hand.BIT, 0] = 3.0
    attention.W_V[0, 2, 0] = attention.W_O[0, 0, hand.OUT] = 1.0
    # Attention to itself with two ones and three zeros, and the other way round; the sign is turned.
    two, three = (1 / (1 + n * torch.e**3 + (5 - n) * torch.e**-3) for n in (2, 3))
    attention.W_O[0, 0, hand.OUT] = -1000.0
    model.b_U[0] = 1000.0 * (two + three) / 2
    model.b_U[1] = -model.b_U[0]
    section = inputs(asked(model))
    values, pattern = found(section)["values-needed"], found(section)["pattern-needed"]
    assert (values.value, values.verdict, values.said) == (1, "refuted", "head 0.0")
    assert pattern.verdict == "holds"


def test_inputs_that_say_the_same_are_found_by_cutting_them_together():
    head = Head(0, 1)
    needs = InputNeeds({head: routes(kv=1.293, k=0.0025, v=0.0034, qk=0.0025)}, {})
    joint = _routes(needs)[2]
    assert (joint.value, joint.verdict) == (1, "refuted")
    assert joint.said == "0.1: keys and values cost 1.3 together"


@pytest.mark.parametrize(
    ("costs", "route"),
    [
        ({"kv": 1, "v": 0.06}, ""),
        ({"kv": 1, "v": 0.04, "k": 0.04}, "kv"),
        ({"qk": 0.06}, "qk"),
        ({"qk": 0.04}, ""),
        ({"q": 1, "k": 1, "v": 1}, ""),
    ],
)
def test_a_route_is_hidden_if_it_is_needed_and_none_of_its_inputs_is(costs, route):
    assert hides(routes(**costs)) == route


def test_a_head_at_the_answer_alone_is_needed_at_one_position(asked, found):
    one = found(inputs(asked(counting())))["needed-at-one-position"]
    assert (one.value, one.verdict, one.said) == (0, "holds", "0.1 at position 5")


def test_a_head_that_writes_everywhere_for_one_that_looks_everywhere_is_needed_elsewhere_too(asked, found):
    model = hand.blank(6, n_layers=2, n_heads=1, attention_dir="bidirectional")
    hand.counts(model, 0, to=3)
    last = model.blocks[1].attn
    last.W_V[0, 3, 0] = 2.0
    last.W_O[0, 0, hand.OUT] = 1.0
    section = inputs(asked(model))
    one = found(section)["needed-at-one-position"]
    assert (one.value, one.verdict) == (1, "refuted")
    assert one.said.startswith("0.0 costs ")
    assert one.said.endswith("1.0 at position 5")
    assert section.tables[0].rows[1][:3] == ("1.0", "5", 5)


@pytest.mark.parametrize(("low", "verdict"), [(0.1, "refuted"), (-0.1, "open")])
def test_what_too_few_inputs_decide_about_does_not_count_as_needed_elsewhere(low, verdict):
    there, elsewhere = effect(1.0), Effect(Interval(0.3, low, 0.7), Interval(1, 1, 1), (0.3,))
    one = _one_place({Component.parse("0.0"): Places((effect(0.0), there), elsewhere)})
    assert one.verdict == verdict
    assert ("ndecided" in one.note) == (verdict == "open")


def test_where_no_part_is_needed_all_is_open(asked, verdicts):
    model = hand.blank(6, n_heads=2)
    assert set(verdicts(inputs(asked(model))).values()) == {"open"}


def test_where_no_head_is_needed_the_positions_of_an_mlp_are_still_told(majority, found):
    """The answer is the last token's own bit, which a neuron reads."""
    model = hand.blank(6, d_mlp=1, act_fn="relu")
    hand.neuron(model, 0, hand.BIT, 1.0, 8.0)
    model.b_U[:] = torch.tensor([-4.0, 4.0])
    tokens = majority.sample(300, seed=0).tokens
    tokens[:, 5] = (tokens[:, :5].sum(1) > 2).long()
    section = inputs(see(model, majority, majority.examples(tokens)))
    assert found(section)["values-needed"].note == "no head is needed alone"
    assert found(section)["needed-at-one-position"].said == "MLP 0 at position 5"


def test_the_maps_name_what_is_replaced_and_where(asked):
    by_route, by_place = (each.figure for each in inputs(asked(counting())).illustrations)
    assert list(by_route.data[0].x) == [
        "queries", "keys", "values", "queries and<br>keys", "keys and<br>values",
    ]  # fmt: skip
    assert by_route.layout.xaxis.title.text == "replaced"
    assert list(by_place.data[0].x) == ["0", "1", "2", "3", "4", "5"]
    assert (by_place.layout.xaxis.title.text, by_place.layout.yaxis.title.text) == (
        "position",
        "head or MLP",
    )


def test_a_route_costs_what_a_run_with_hooks_on_its_sites_loses(seen_echo):
    examples, model = seen_echo.examples, seen_echo.model
    found = input_needs(model, examples, [Head(0, 0)], seed=4)
    order = torch.randperm(400, generator=torch.Generator().manual_seed(4))

    def loss(hooks):
        logits = model.run_with_hooks(examples.tokens, hooks)[examples.answered]
        return (
            torch.nn.functional.cross_entropy(logits, examples.labels).item() / torch.tensor(4.0).log().item()
        )

    for effects, new in (
        (found.mean, lambda value: value.mean(0, keepdim=True)),
        (found.resample, lambda value: value[order]),
    ):

        def change(value, site, new=new):
            value[:, :, 0] = new(value[:, :, 0].clone())

        for route in ROUTES:
            hooks = [(f"blocks.0.attn.hook_{letter}", change) for letter in route]
            rise = loss(hooks) - loss([])
            assert effects[Head(0, 0)][route].rise.mean == pytest.approx(rise, abs=1e-4)


def test_a_place_costs_what_a_run_with_a_hook_there_loses(seen_echo):
    examples, model = seen_echo.examples, seen_echo.model
    found = places(model, examples, [Component.parse("0.0")])[Component.parse("0.0")]

    def loss(*at):
        def change(value, site):
            value[:, at, 0] = value[:, at, 0].mean(0)

        logits = model.run_with_hooks(examples.tokens, [("blocks.0.attn.hook_z", change)])[examples.answered]
        return (
            torch.nn.functional.cross_entropy(logits, examples.labels).item() / torch.tensor(4.0).log().item()
        )

    clean = loss()
    singles = [loss(at) - clean for at in range(4)]
    assert [each.rise.mean for each in found.single] == pytest.approx(singles, abs=1e-4)
    assert found.best == max(range(4), key=singles.__getitem__)
    assert found.needed == (0, 1, 2, 3)
    rest = [at for at in range(4) if at != found.best]
    assert found.others.rise.mean == pytest.approx(loss(*rest) - clean, abs=1e-4)
