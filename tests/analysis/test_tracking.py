from __future__ import annotations

import pytest
import torch

from algoscope.analysis.neuron_effects import attributed, to_mean
from algoscope.analysis.tracking import Tracking, explained, not_padding, places, track, tracking
from algoscope.errors import UserError
from algoscope.model.component import Component
from algoscope.tasks.answers import margin
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.task import Examples

HELD = torch.arange(400) % 2 == 1


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.double)


def test_what_is_a_function_of_a_quantity_is_explained_by_it_whatever_the_function():
    codes = torch.randint(5, (400,), generator=torch.Generator().manual_seed(0))
    values = torch.stack([(codes == 2).double(), (codes - 2.0) ** 2, codes.double()], 1)[..., None]
    assert explained(values, codes, HELD).tolist() == pytest.approx([1, 1, 1])


def test_half_of_the_variance_is_explained_where_as_much_again_is_noise():
    codes = torch.randint(2, (20_000,), generator=torch.Generator().manual_seed(0))
    values = ((2.0 * codes - 1) + drawn(20_000)).view(-1, 1, 1)
    held = torch.arange(20_000) % 2 == 1
    assert explained(values, codes, held).item() == pytest.approx(0.5, abs=0.02)


def test_a_quantity_with_many_values_explains_no_noise():
    codes = torch.randint(100, (400,), generator=torch.Generator().manual_seed(1))
    assert explained(drawn(400, 1, 1), codes, HELD).item() < 0.02


def test_a_value_that_only_held_out_rows_have_is_met_by_the_mean():
    codes = torch.tensor([0, 0, 1, 1, 0, 2])
    held = torch.tensor([False, False, False, False, True, True])
    values = torch.tensor([1.0, 1.0, 3.0, 3.0, 1.0, 5.0]).double().view(-1, 1, 1)
    # The mean of the others is 2, so 5 is missed by 3; around their mean, 3, the two held out vary by 8.
    assert explained(values, codes, held).item() == pytest.approx(0.0)
    values[-1] = 2.0
    assert explained(values, codes, held).item() == pytest.approx(1.0)


def test_what_does_not_vary_and_what_has_no_rows_is_not_explained():
    codes = torch.arange(400) % 3
    assert explained(torch.full((400, 1, 1), 0.1).double(), codes, HELD).item() == 0
    assert explained(drawn(400, 1, 1), codes, torch.zeros(400).bool()).item() == 0


def test_the_coordinates_of_a_unit_count_by_their_variance():
    codes = torch.arange(400) // 2 % 2
    values = torch.stack([3.0 * (2 * codes - 1), drawn(400)], 1)[:, None]
    assert explained(values, codes, HELD).item() == pytest.approx(9 / 10, abs=0.02)


def a_tracking(shares, values):
    names = tuple(f"q{index}" for index in range(len(shares)))
    table = torch.tensor([shares])
    return Tracking(Component.mlp(0), "the answer", names, table, tuple(values), torch.ones(1))


def test_the_best_is_the_coarsest_of_those_that_explain_nearly_as_much():
    assert a_tracking([0.9, 0.905, 0.4], [6, 30, 2]).best() == ("q0", pytest.approx(0.9))
    assert a_tracking([0.8, 0.905, 0.4], [6, 30, 2]).best() == ("q1", pytest.approx(0.905))
    assert a_tracking([0.9, 0.9], [6, 6]).best() == ("q0", pytest.approx(0.9))
    assert a_tracking([], []).best() == ("", 0.0)


def test_quantities_that_do_not_vary_where_one_looks_are_left_out():
    codes = {"same": torch.zeros(400).long(), "parity": torch.arange(400) % 3}
    found = tracking(Component.mlp(0), "elsewhere", drawn(400, 2, 1), codes, HELD)
    assert (found.quantities, found.values, found.shares.shape) == (("parity",), (3,), (2, 1))
    assert found.spread.tolist() == pytest.approx(drawn(400, 2).std(0, correction=0).tolist())


def answered(*rows: str) -> Examples:
    mask = torch.tensor([[mark == "a" for mark in row] for row in rows])
    tokens = torch.tensor([[0 if mark == "-" else 1 for mark in row] for row in rows])
    return Examples(tokens, torch.zeros(int(mask.sum()), dtype=torch.long), {}, mask)


def told(examples, single=()):
    found = places(examples, examples.tokens != 0, single)
    return {place: ["".join(".x"[mark] for mark in row) for row in mask] for place, mask in found.items()}


def test_every_place_that_is_no_padding_is_of_one_kind():
    assert told(answered("xxax-", "xaxxx")) == {
        "the answer": ["..x..", ".x..."],
        "elsewhere": ["xx.x.", "x.xxx"],
    }
    assert told(answered("xaxa", "axax"), [2]) == {
        "answer 0": [".x..", "x..."],
        "answer 1": ["...x", "..x."],
        "position 2": ["..x.", "...."],
        "elsewhere": ["x...", ".x.x"],
    }


def test_more_answers_than_one_wants_to_see_apart_are_put_into_stretches():
    assert set(told(answered("aaaaaa"))) == {f"answer {number}" for number in range(6)}
    assert told(answered("aaaaaaax")) == {
        "answers 0-1": ["xx......"],
        "answers 2-3": ["..xx...."],
        "answers 4-5": ["....xx.."],
        "answers 6-6": ["......x."],
        "elsewhere": [".......x"],
    }


def test_neurons_and_heads_are_measured_where_they_are(small, strings):
    codes = {"parity of the row": (torch.arange(40) // 2 % 2)[:, None].expand(strings.tokens.shape)}
    kinds = places(strings, not_padding(small, strings))
    found = track(small, strings, codes, kinds)
    _, cache = small.run_with_cache(strings.tokens)
    for each in found:
        layer, rows = each.component.layer, kinds[each.place]
        if each.component.head is None:
            values = cache[f"blocks.{layer}.mlp.hook_post"][rows][..., None]
        else:
            values = cache[f"blocks.{layer}.attn.hook_result"][rows][:, [each.component.index]]
        spread = values.double().var(0, correction=0).sum(-1).sqrt()
        if int(rows.sum()) <= 1500:
            assert each.spread.tolist() == pytest.approx(spread.tolist(), rel=1e-3, abs=1e-5)
    parts = {each.component for each in found}
    assert len(parts) == small.config.n_layers * (small.config.n_heads + bool(small.config.d_mlp))


def test_padding_is_no_place(padded_model, tokens_for):
    tokens = tokens_for(padded_model)
    examples = Examples(tokens, torch.zeros(3).long(), {}, torch.arange(5) == torch.zeros(3, 1))
    assert torch.equal(not_padding(padded_model, examples), tokens != padded_model.config.pad_token)


def test_setting_to_the_mean_is_by_position_and_over_marked_places_only():
    values = torch.tensor([[1.0, 5.0], [3.0, 9.0], [100.0, 1.0]])
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    assert to_mean(values, mask).tolist() == [[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]


def test_the_estimate_is_the_slope_of_the_margin_times_the_step(small, strings):
    if small.config.d_mlp is None:
        with pytest.raises(UserError, match="attention-only"):
            attributed(small, strings, not_padding(small, strings))
        return
    mask = not_padding(small, strings)
    found = attributed(small, strings, mask)
    _, cache = small.run_with_cache(strings.tokens)
    step = 1e-2
    for layer, position, neuron in ((0, 1, 0), (1, 0, 2)):
        site = f"blocks.{layer}.mlp.hook_post"

        def moved(value, site, position=position, neuron=neuron):
            value[:, position, neuron] += step

        logits = [
            strings.at_answers(small.run_with_hooks(strings.tokens, hooks)) for hooks in ([], [(site, moved)])
        ]
        before, after = (margin(each.double(), strings.labels) for each in logits)
        delta = to_mean(cache[site], mask)[:, position, neuron]
        slow = (after - before) / step * delta
        assert found[layer, :, position, neuron].tolist() == pytest.approx(slow.tolist(), rel=0.15, abs=2e-3)


def test_brackets_are_tracked_without_knowing_them(public):
    from algoscope.analysis.quantities import quantities

    examples = public.examples[:600]
    codes = quantities(Brackets(), examples, causal=False)
    kinds = places(examples, not_padding(public.model, examples))
    found = {(str(each.component), each.place): each for each in track(public.model, examples, codes, kinds)}
    # The text: head 2.0 finds total elevation failures, head 2.1 negative ones.
    assert found["2.1", "the answer"].best()[0] == "negative_failure"
    assert found["0.0", "the answer"].best()[0] == "open_proportion"
