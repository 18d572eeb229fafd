from dataclasses import replace

import torch
from torch import Generator

from algoscope.explanation.places import Node, positions
from algoscope.explanation.pool import Pool
from algoscope.explanation.rows import rows
from algoscope.explanation.steps import outputs
from algoscope.explanation.trial import Bench, first_stage, same_inputs, stages
from algoscope.model.component import Component, heads_and_mlps


def by_hooks(pool: Pool, component: Component, where: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """The slow and obvious way: the whole model again, with a hook."""
    examples = pool.examples

    def put(value: torch.Tensor, _: object) -> torch.Tensor:
        value = value.clone()
        target = value if component.head is None else value[:, :, component.index]
        target[where] = values
        return value

    logits = pool.model.run_with_hooks(examples.tokens, [(component.site, put)])
    return examples.at_answers(logits)


def test_the_parts_put_out_what_the_model_does(untrained_pool: Pool) -> None:
    model, examples = untrained_pool.model, untrained_pool.examples
    heads, mlps, logits = outputs(model, examples)
    whole, cache = model.run_with_cache(examples.tokens)
    torch.testing.assert_close(logits, examples.at_answers(whole))
    for layer in range(2):
        real = untrained_pool.inputs.real
        torch.testing.assert_close(heads[layer][real], cache[f"blocks.{layer}.attn.hook_z"][real])
        torch.testing.assert_close(mlps[layer][real], cache[f"blocks.{layer}.hook_mlp_out"][real])


def test_an_output_put_in_at_a_stage_is_a_hook_in_the_whole_model(untrained_pool: Pool) -> None:
    pool = untrained_pool
    bench = Bench.of(pool, len(pool.examples))
    where = positions([1, 2]).of(pool.inputs)
    for stage in stages(bench):
        for component in filter(stage.here, heads_and_mlps(pool.model.config)):
            values = stage.value(component)[where].flip(0)
            found = stage.logits_if(component, where, values)
            torch.testing.assert_close(found, by_hooks(pool, component, where, values), atol=1e-5, rtol=1e-4)


def test_a_stage_that_nothing_was_put_in_changes_no_answer(untrained_pool: Pool) -> None:
    for stage in stages(Bench.of(untrained_pool, 20)):
        assert stage.change.kl < 1e-6
        assert stage.change.changed == 0


def test_what_was_put_in_goes_on_to_later_stages(untrained_pool: Pool) -> None:
    pool = untrained_pool
    bench = Bench.of(pool, len(pool.examples))
    component = heads_and_mlps(pool.model.config)[0]
    where = positions([0]).of(pool.inputs)
    values = pool.value(component)[where].flip(0) * 3
    stage = first_stage(bench).put(component, where, values)
    wanted = bench.change(by_hooks(pool, component, where, values))
    while stage is not None:
        assert abs(stage.change.kl - wanted.kl) < 1e-5
        stage = stage.next()


def test_an_input_is_the_same_only_if_every_answer_is(histogram_pool: Pool) -> None:
    examples, logits = histogram_pool.examples[:3], histogram_pool.logits
    mine = logits[: len(examples.labels)].clone()
    other = mine.clone()
    last = int((examples.row_example == 1).nonzero()[-1])
    other[last] = -other[last]
    assert same_inputs(mine, other, examples).tolist() == [True, False, True]


def test_rows_are_drawn_for_every_place_of_a_node(histogram_pool: Pool) -> None:
    own = rows(histogram_pool, positions([2]), 10)
    other = own.others(torch.zeros_like(own.identity), Generator().manual_seed(0))
    assert own.tested == int((histogram_pool.inputs.length[:10] > 2).sum())
    assert not (own.identity[other] == own.identity).any()


def test_a_node_says_what_and_where() -> None:
    assert str(Node(Component.parse("MLP 0"), positions([3]))) == "MLP 0 at position 3"


def test_an_answer_that_wavers_is_not_changed_by_a_hair(untrained_pool: Pool) -> None:
    bench = Bench.of(untrained_pool, 20)
    first = torch.zeros_like(bench.logits)
    first[:, 0] = 1e-3
    assert replace(bench, logits=first).change(-first).changed == 0
    assert replace(bench, logits=1e4 * first).change(-1e4 * first).changed == 1
