"""Edges against a forward pass written out: what every receiver reads is put together by hand."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.interventions import sweep as sweep_module
from algoscope.interventions.attribution_patching import attribution_patching
from algoscope.interventions.families import on
from algoscope.interventions.intervention import place
from algoscope.interventions.metrics import loss
from algoscope.interventions.order import acting, times
from algoscope.interventions.paths import edges, frozen_norms, path_patch
from algoscope.interventions.run import run
from algoscope.interventions.sources import Add, FromCache, FromRun, Mean, Value, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.component import ANSWER, POSITION, TOKEN, Component
from algoscope.model.config import ACTIVATIONS
from algoscope.tasks.task import Examples


def outputs(model, tokens):
    """What each sender writes into the stream in a run without interventions, and the norms' scales."""
    cache = model.run_with_cache(tokens)[1]
    found = {TOKEN: cache["hook_embed"], POSITION: cache["hook_pos_embed"]}
    for layer in range(model.config.n_layers):
        for head in range(model.config.n_heads):
            found[Component.parse(f"{layer}.{head}")] = cache[f"blocks.{layer}.attn.hook_result"][:, :, head]
        if model.config.d_mlp:
            found[Component.mlp(layer)] = cache[f"blocks.{layer}.hook_mlp_out"]
    return found, {name: value for name, value in cache.items() if name.endswith("hook_scale")}


def normed(model, name, x, scales):
    """The norm of this name, its scale computed anew or taken from `scales`."""
    kind, norm = model.config.normalization_type, model.get_submodule(name)
    if kind == "none":
        return x
    x = x - x.mean(-1, keepdim=True) if kind.startswith("LN") else x
    scale = (x.pow(2).mean(-1, keepdim=True) + model.config.eps).sqrt()
    x = x / (scales[f"{name}.hook_scale"] if scales else scale)
    return {"LN": lambda: x * norm.w + norm.b, "RMS": lambda: x * norm.w}.get(kind, lambda: x)()


def by_hand(model, tokens, patches, scales, silent=None):
    """Logits where each of `patches` (sender, receiver, input, position, value) puts its value into an input
    in place of what the sender writes here. The component `silent` writes nothing."""
    written = {}

    def read(receiver, letter):
        stream = sum(written.values()) + bias
        for sender, its, via, position, value in patches:
            if its == receiver and via in (letter, "in"):
                at = slice(None) if position is None else position
                stream[:, at] += (value - written[sender])[:, at]
        return stream

    def write(sender, value):
        written[sender] = 0 * value if sender == silent else value

    position = model.W_pos[: tokens.shape[1]].expand(len(tokens), -1, -1)
    write(TOKEN, model.W_E[tokens])
    write(POSITION, position)
    bias, mask = torch.zeros_like(position), model.attention_bias(tokens)
    for layer, block in enumerate(model.blocks):
        attn, name, heads = block.attn, f"blocks.{layer}", {}
        for head in range(model.config.n_heads):
            it, made = Component.parse(f"{layer}.{head}"), {}
            for letter in "qkv":
                weight, shift = (getattr(attn, f"{kind}_{letter.upper()}")[head] for kind in "Wb")
                made[letter] = normed(model, f"{name}.ln1", read(it, letter), scales) @ weight + shift
            scores = made["q"] @ made["k"].mT / model.config.d_head**0.5
            scores = scores if mask is None else scores + mask[:, 0]
            heads[it] = scores.softmax(-1) @ made["v"] @ attn.W_O[head]
        for it, value in heads.items():
            write(it, value)
        bias = bias + attn.b_O
        if block.mlp is not None:
            mlp, act = block.mlp, ACTIVATIONS[model.config.act_fn]
            x = normed(model, f"{name}.ln2", read(Component.mlp(layer), "in"), scales)
            gated = model.config.gated_mlp
            post = act(x @ mlp.W_gate) * (x @ mlp.W_in) + mlp.b_in if gated else act(x @ mlp.W_in + mlp.b_in)
            write(Component.mlp(layer), post @ mlp.W_out + mlp.b_out)
    return normed(model, "ln_final", read(ANSWER, "in"), scales) @ model.W_U + model.b_U


@st.composite
def some_edges(draw, model, others):
    """One to four different edges, each with its source and a position or all; and by hand."""
    config, seq, there = model.config, others.shape[1], outputs(model, others)[0]
    every = [(each.source.sender, each.source.receiver, each.source.input) for each in edges(config, Zero())]
    heads = [(a, b, "in") for a, b, letter in every if letter == "q"]
    chosen = draw(st.lists(st.sampled_from(every + heads), min_size=1, max_size=4, unique_by=lambda e: e[:2]))
    found, patches = [], []
    for sender, receiver, letter in chosen:
        value = there[sender]
        position = draw(st.one_of(st.none(), st.integers(0, seq - 1)))
        source, value = draw(
            st.sampled_from(
                [
                    (FromRun(others), value),
                    (Zero(), 0 * value),
                    (Mean(over=others), value.mean(0, keepdim=True).expand_as(value)),
                ]
            )
        )
        found.append(path_patch(config, sender, receiver, source, letter, position))
        patches.append((sender, receiver, letter, position, value))
    return tuple(found), patches


def swept(model, tokens, variants, answered):
    labels = torch.zeros(int(answered.sum()), dtype=torch.long)
    return sweep(model, Examples(tokens, labels, {}, answered), variants).values


@st.composite
def answers(draw, tokens):
    """At one place, at all, or here and there."""
    mask = torch.zeros_like(tokens, dtype=torch.bool)
    for row, position in draw(st.lists(st.tuples(*(st.integers(0, n - 1) for n in mask.shape)), min_size=1)):
        mask[row, position] = True
    return mask | draw(st.booleans())


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_edges_act_as_in_a_pass_written_out_with_norms_computed_anew_or_frozen(data, draw_model):
    model, tokens = draw_model(data)
    others, answered = tokens.flip(0), data.draw(answers(tokens))
    variants, expected = [], []
    for _ in range(3):
        variant, patches = data.draw(some_edges(model, others))
        scales = data.draw(st.sampled_from([{}, outputs(model, tokens)[1]]))
        variant += frozen_norms(model.config) if scales else ()
        heads = [sender for sender in outputs(model, tokens)[0] if sender.head is not None]
        silent = data.draw(st.one_of(st.none(), st.sampled_from(heads)))
        variant += () if silent is None else (on(silent, Zero()),)
        logits = by_hand(model, tokens, patches, scales, silent)
        torch.testing.assert_close(run(model, tokens, variant).logits, logits, rtol=1e-8, atol=1e-8)
        variants.append(variant)
        expected.append(logits[answered])
    found = swept(model, tokens, variants, answered)
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-8, atol=1e-8)


def test_every_edge_of_a_model_alone_is_the_pass_written_out(model, tokens_for):
    tokens = tokens_for(model)
    others, answered = tokens.roll(1, 0), torch.arange(tokens.shape[1]).expand(tokens.shape) == 0
    there, scales = outputs(model, others)[0], outputs(model, tokens)[1]
    family = edges(model.config, FromRun(others))
    for held in ({}, scales):
        variants = [(each, *(frozen_norms(model.config) if held else ())) for each in family]
        expected = [
            by_hand(
                model,
                tokens,
                [(e.sender, e.receiver, e.input, None, there[e.sender])],
                held,
            )[answered]
            for e in (each.source for each in family)
        ]
        torch.testing.assert_close(swept(model, tokens, variants, answered), torch.stack(expected))


def test_edges_at_single_positions_are_swept_as_they_are_run(padded_model, tokens_for):
    tokens, config = tokens_for(padded_model), padded_model.config
    answered = torch.arange(5).expand(3, 5) == 0
    ends = Component.parse("0.1"), Component.parse("1.0")
    family = [
        path_patch(config, *ends, FromRun(tokens.flip(0)), letter, position)
        for letter in ("in", "q", "k", "v")
        for position in range(5)
    ]
    expected = [run(padded_model, tokens, each).logits[answered] for each in family]
    torch.testing.assert_close(swept(padded_model, tokens, family, answered), torch.stack(expected))


def test_edges_in_small_blocks_of_the_batch_are_the_same(padded_model, tokens_for, monkeypatch):
    tokens, config = tokens_for(padded_model, batch=7), padded_model.config
    answered = torch.arange(5).expand(7, 5) == 0
    source, silent = FromRun(tokens.roll(1, 0)), on(Component.parse("0.0"), Zero())
    family = [(each, silent, *frozen_norms(config)) for each in edges(config, source)]
    whole = swept(padded_model, tokens, family, answered)
    monkeypatch.setattr(sweep_module, "CACHE", 3 * 4 * 5 * 8)
    torch.testing.assert_close(swept(padded_model, tokens, family, answered), whole)


def test_a_vector_may_be_added_to_what_one_reader_gets(padded_model, tokens_for):
    tokens, config, step = tokens_for(padded_model), padded_model.config, torch.arange(8.0).double()
    patch = path_patch(config, Component.mlp(0), Component.parse("1.1"), Add(step), "k")
    beside = on(Component.mlp(0), Zero())
    found = run(padded_model, tokens, (patch, beside)).logits

    def shifted(value, site):
        value[:, :, 1] += step

    def nothing(value, site):
        value[:] = 0

    hooks = [("blocks.0.hook_mlp_out", nothing), ("blocks.1.hook_k_input", shifted)]
    torch.testing.assert_close(found, padded_model.run_with_hooks(tokens, hooks))


def test_an_edge_that_carries_what_is_there_anyway_changes_nothing(padded_model, tokens_for):
    tokens = tokens_for(padded_model)
    for each in edges(padded_model.config, FromRun(tokens)):
        torch.testing.assert_close(run(padded_model, tokens, each).logits, padded_model(tokens))


def test_what_is_frozen_before_an_edge_takes_no_part_in_the_run(padded_model):
    config = padded_model.config
    patch = path_patch(config, Component.parse("0.0"), Component.parse("1.1"), Zero(), "q")
    variant = [(one, place(padded_model, one, 5)) for one in (*frozen_norms(config), patch)]
    names = [each.place.site.name for each in acting(variant, times(padded_model.sites))]
    assert names == [
        "blocks.1.ln1.hook_scale",
        "blocks.1.ln2.hook_scale",
        "ln_final.hook_scale",
        "blocks.1.hook_q_input",
    ]


def test_a_table_names_the_ends_of_each_edge(padded_model, tokens_for):
    tokens, config = tokens_for(padded_model), padded_model.config
    answered = torch.arange(5).expand(3, 5) == 0
    family = [(each, *frozen_norms(config)) for each in edges(config, Zero(), position=2)]
    examples = Examples(tokens, torch.zeros(3, dtype=torch.long), {}, answered)
    found = sweep(padded_model, examples, family, loss)
    # 2 embeddings, 2 heads and an MLP a layer; a head has three inputs.
    senders = 2 * 3 * 2 + 4 + 2 * 3 * 5 + 7 + 8
    assert len(found) == senders
    assert {label["position"] for label in found.labels} == {2}
    assert {label["source"] for label in found.labels} == {"zero"}
    grid = found.as_grid("sender", "receiver", "input")
    at = grid.coordinates[0].index(Component.parse("0.1")), grid.coordinates[1].index(Component.mlp(0))
    alone = path_patch(config, Component.parse("0.1"), Component.mlp(0), Zero(), position=2)
    expected = sweep(padded_model, examples, [(alone, *frozen_norms(config))], loss).values[0]
    assert grid.values[at][grid.coordinates[2].index("in")] == pytest.approx(expected.item())


def test_the_estimate_of_small_edges_is_their_effect_with_norms_computed_anew_or_frozen(
    padded_model, tokens_for
):
    tokens, config = tokens_for(padded_model), padded_model.config
    cache = padded_model.run_with_cache(tokens)[1]
    sites = {sender.site for sender in outputs(padded_model, tokens)[0]}
    near = {name: cache[name] + 1e-6 * torch.randn_like(cache[name]) for name in sites}
    examples = Examples(tokens, torch.zeros(3, dtype=torch.long), {}, torch.arange(5).expand(3, 5) == 0)
    family = edges(config, FromCache(near))
    held = [(each, *frozen_norms(config)) for each in family]
    estimated = attribution_patching(padded_model, examples, family + held, loss)
    exact = sweep(padded_model, examples, family + held, loss)
    changes = torch.stack([found.values - found.clean for found in (exact, estimated)])
    assert torch.allclose(*changes, rtol=1e-3, atol=1e-11)
    free, frozen = changes[0].split(len(family))
    assert (free - frozen).abs().max() > 1e-8


@pytest.mark.parametrize(
    ("sender", "receiver", "letter", "says"),
    [
        ("1.0", "1.1", "k", "head 1.1 reads before head 1.0 writes"),
        ("MLP 0", "0.1", "in", "head 0.1 reads before MLP 0 writes"),
        ("0.0", "token embedding", "in", "the token embedding reads nothing"),
        ("answer", "1.0", "q", "head 1.0 reads before the answer writes"),
        ("embedding", "1.0", "q", "the embedding is two senders"),
        ("0.0", "MLP 1", "q", "MLP 1 has no input 'q': choose from in"),
        ("0.0", "1.0", "z", "head 1.0 has no input 'z': choose from in, q, k, v"),
        ("0.0", "2.0", "q", "head 2.0 does not exist"),
        ("0.0", "MLP 5", "in", "MLP 5 does not exist"),
    ],
)
def test_an_edge_that_the_model_does_not_have_is_refused(padded_model, sender, receiver, letter, says):
    ends = Component.parse(sender), Component.parse(receiver)
    with pytest.raises(UserError, match=says):
        path_patch(padded_model.config, *ends, Zero(), letter)


@pytest.mark.parametrize("letter", ["k", "in"])
def test_two_edges_of_one_sender_into_one_input_are_refused(padded_model, tokens_for, letter):
    ends = Component.parse("0.0"), Component.parse("1.1")
    first = path_patch(padded_model.config, *ends, Zero(), "k")
    second = path_patch(padded_model.config, *ends, Mean(), letter, position=2)
    with pytest.raises(UserError, match=r"two edges take the place of what head 0\.0 writes"):
        run(padded_model, tokens_for(padded_model), (first, second))
    apart = path_patch(padded_model.config, *ends, Mean(), "v")
    run(padded_model, tokens_for(padded_model), (first, apart))


def test_a_source_of_another_shape_than_the_senders_output_is_refused(padded_model, tokens_for):
    wrong = Value(torch.zeros(3, 5, 2, 9))
    patch = path_patch(padded_model.config, Component.parse("0.0"), ANSWER, wrong)
    with pytest.raises(UserError, match=r"does not fit 'blocks\.0\.attn\.hook_z'"):
        run(padded_model, tokens_for(padded_model), patch)
