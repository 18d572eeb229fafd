"""Cells in the style of a course, run with one word of their imports changed, give what they should."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from algoscope.analysis.circuits import W_OV, W_QK
from algoscope.analysis.composition import composition
from algoscope.hooked import HookedTransformer
from algoscope.model.head import Head
from algoscope.model.processing import process

from .by_hand import ByHand, loss

CELLS = Path(__file__).parents[2] / "benchmarks" / "cells.py"


@pytest.fixture(scope="module")
def cells() -> SimpleNamespace:
    namespace: dict[str, object] = {}
    exec(compile(CELLS.read_text().replace("transformer_lens", "algoscope.hooked"), CELLS, "exec"), namespace)
    return SimpleNamespace(**namespace)


@dataclass
class Case:
    """A model of the cells with random weights, tokens, and the same model by hand."""

    model: HookedTransformer
    tokens: Tensor
    state: dict[str, Tensor]
    hand: ByHand

    def run(self, **edits):
        return self.hand.run(self.tokens, {name.replace("__", "."): edit for name, edit in edits.items()})


@pytest.fixture
def case(cells) -> Case:
    generator = torch.Generator().manual_seed(3)
    state = {
        name: value + torch.randn(value.shape, generator=generator) / 4
        for name, value in cells.build().state_dict().items()
    }
    tokens = torch.randint(10, (4, 8), generator=generator)
    return Case(cells.build(state), tokens, state, ByHand(state))


def same(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


def test_every_cell_is_tested():
    text = Path(__file__).read_text()
    names = CELLS.read_text().partition("CELLS = (")[2].split(",")[:-1]
    assert len(names) >= 20
    for name in names:
        assert f"cells.{name.strip()}(" in text, name


def test_logits_and_loss(cells, case):
    logits, mean, per_token, accuracy, right = cells.logits_and_loss(case.model, case.tokens)
    expected, _ = case.run()
    same(logits, expected)
    same(mean, loss(expected, case.tokens))
    for row in range(4):
        for place in range(7):
            surprise = -expected[row, place].log_softmax(-1)[case.tokens[row, place + 1]]
            same(per_token[row, place], surprise)
            assert right[row, place] == (expected[row, place].argmax() == case.tokens[row, place + 1])
    same(accuracy, right.sum() / right.numel())


def test_attention_patterns(cells, case):
    _, values = case.run()
    expected = [values[f"blocks.{layer}.attn.hook_pattern"] for layer in range(2)]
    same(cells.attention_patterns(case.model, case.tokens), torch.stack(expected))
    same(cells.pattern_from_q_and_k(case.model, case.tokens), expected[0])


def test_ablations(cells, case):
    before = loss(case.run()[0], case.tokens)
    zero = cells.zero_ablation(case.model, case.tokens)
    mean = cells.mean_ablation(case.model, case.tokens)
    for layer in range(2):
        for head in range(4):

            def cut(z, head=head):
                z[:, :, head] = 0
                return z

            def level(z, head=head):
                z[:, :, head] = z[:, :, head].mean(0)
                return z

            site = f"blocks.{layer}.attn.hook_z"
            for found, edit in ((zero, cut), (mean, level)):
                logits, _ = case.hand.run(case.tokens, {site: edit})
                same(found[layer, head], loss(logits, case.tokens) - before)


def test_attention_to_the_first_token_cut(cells, case):
    def cut(scores):
        scores[:, 1, 2:, 0] = -torch.inf
        return scores

    found = cells.attention_to_the_first_token_cut(case.model, case.tokens)
    same(found, case.run(blocks__1__attn__hook_attn_scores=cut)[0])


def test_previous_token_scores(cells, case):
    found, (_, values) = cells.previous_token_scores(case.model, case.tokens), case.run()
    for layer in range(2):
        pattern = values[f"blocks.{layer}.attn.hook_pattern"]
        for head in range(4):
            same(found[layer, head], torch.stack([pattern[:, head, q, q - 1] for q in range(1, 8)]).mean())


def test_logit_attribution_by_head(cells, case):
    found, (_, values) = cells.logit_attribution_by_head(case.model, case.tokens), case.run()
    for place in range(7):
        column = case.state["unembed.W_U"][:, case.tokens[0, place + 1]]
        same(found[place, 0], values["hook_embed"][0, place] @ column)
        for head in range(8):
            result = values[f"blocks.{head // 4}.attn.hook_result"]
            same(found[place, 1 + head], result[0, place, head % 4] @ column)


def test_logit_diff_by_component(cells, case):
    found, (_, values) = cells.logit_diff_by_component(case.model, case.tokens), case.run()
    names = ["hook_embed", "hook_pos_embed"]
    names += [f"blocks.{layer}.hook_{part}_out" for layer in range(2) for part in ("attn", "mlp")]
    W_U = case.state["unembed.W_U"]
    for number, name in enumerate(names):
        for row in range(4):
            part = case.hand.centred(values[name][row, -1], values["ln_final.hook_scale"][row, -1])
            right, wrong = case.tokens[row, :2]
            same(found[number, row], part @ W_U[:, right] - part @ W_U[:, wrong])


def test_logit_attrs_by_head(cells, case):
    found, (_, values) = cells.logit_attrs_by_head(case.model, case.tokens), case.run()
    direction = case.state["unembed.W_U"][:, 3] - case.state["unembed.W_U"][:, 4]
    scale, rest = values["ln_final.hook_scale"][:, -1], values["blocks.1.hook_resid_post"][:, -1]
    for number in range(8):
        part = values[f"blocks.{number // 4}.attn.hook_result"][:, -1, number % 4]
        same(found[number], case.hand.centred(part, scale) @ direction)
        rest = rest - part
    same(found[8], case.hand.centred(rest, scale) @ direction)


def test_logit_attrs_of_every_next_token(cells, case):
    (found, some), (_, values) = cells.logit_attrs_of_every_next_token(case.model, case.tokens), case.run()
    same(some, found[:, 1:])
    for head in range(4):
        part = case.hand.centred(
            values["blocks.0.attn.hook_result"][:, :, head], values["ln_final.hook_scale"]
        )
        for row in range(4):
            for place in range(8):
                column = case.state["unembed.W_U"][:, case.tokens[row, place]]
                same(found[head, row, place], part[row, place] @ column)


def test_logit_lens(cells, case):
    found, (logits, values) = cells.logit_lens(case.model, case.tokens), case.run()
    sites = ("0.hook_resid_pre", "0.hook_resid_mid", "1.hook_resid_pre", "1.hook_resid_mid")
    for number, site in enumerate(sites):
        normed = case.hand.norm("ln_final", values[f"blocks.{site}"][:, -1], lambda name, value: value)
        same(found[number], normed @ case.state["unembed.W_U"] + case.state["unembed.b_U"])
    same(found[4], logits[:, -1])


def test_norms_and_unembedding_called(cells, case):
    logits, effective = cells.norms_and_unembedding_called(case.model, case.tokens)
    expected, values = case.run()
    same(logits, expected)
    _, alone = case.run(blocks__0__hook_attn_out=lambda written: 0 * written)
    same(effective, alone["blocks.0.hook_mlp_out"])
    same(values["hook_embed"], case.model.embed(case.tokens))


def test_full_OV_circuit(cells, case):
    whole, corner, other, top1 = cells.full_OV_circuit(case.model, case.tokens)
    W_E, W_U = case.state["embed.W_E"], case.state["unembed.W_U"]
    expected = W_E @ W_OV(case.model.transformer, Head(1, 2)) @ W_U
    same(whole, expected)
    same(corner, expected[:2, :2])
    same(other, expected[:3, :3])
    assert top1 == sum(expected[token].argmax() == token for token in range(10)) / 10


def test_full_QK_circuit(cells, case):
    pattern, whole = cells.full_QK_circuit(case.model, case.tokens)
    W_pos, qk = case.state["pos_embed.W_pos"], W_QK(case.model.transformer, Head(0, 1))
    for place in range(8):
        scores = torch.stack([W_pos[place] @ qk @ W_pos[key] / 2 for key in range(place + 1)])
        same(pattern[place, : place + 1], scores.softmax(-1))
        assert not pattern[place, place + 1 :].any()
    both = torch.cat((case.state["embed.W_E"], W_pos))
    same(whole, both @ qk @ both.T)


def test_copying_scores_and_singular_values(cells, case):
    model = case.model.transformer
    found = cells.copying_scores(case.model, case.tokens)
    for layer in range(2):
        for head in range(4):
            whole = model.W_E @ W_OV(model, Head(layer, head)) @ model.W_U
            eigenvalues = torch.linalg.eigvals(whole.double())
            expected = (eigenvalues.sum().real / eigenvalues.abs().sum()).float()
            same(found[layer, head], expected)
    sizes, norm, again, even, product, turned = cells.singular_values(case.model, case.tokens)
    ov = W_OV(model, Head(1, 0))
    same(sizes, torch.linalg.svdvals(ov)[:4])
    same(norm, ov.norm())
    same(again, ov)
    same(even, ov)
    same(product, ov @ W_QK(model, Head(0, 0)).T)
    same(turned, ov.T)


def test_composition_scores(cells, case):
    found = cells.composition_scores(case.model, case.tokens)
    ours = composition(case.model.transformer, draws=1)
    for kind, scores in zip("QKV", found, strict=True):
        assert not scores[0, :, 0].any()
        assert not scores[1].any()
        for writer in range(4):
            for reader in range(4):
                expected = ours.score(kind, Head(0, writer), Head(1, reader))
                assert scores[0, writer, 1, reader].item() == pytest.approx(expected, abs=1e-5)


def test_residual_stream_patching(cells, case):
    found, (_, clean) = cells.residual_stream_patching(case.model, case.tokens), case.run()
    before, corrupted = loss(case.run()[0], case.tokens), case.tokens.roll(1, 0)
    for layer in range(2):
        for place in range(8):
            site = f"blocks.{layer}.hook_resid_pre"

            def patch(resid, site=site, place=place):
                resid[:, place] = clean[site][:, place]
                return resid

            logits, _ = case.hand.run(corrupted, {site: patch})
            same(found[layer, place], loss(logits, case.tokens) - before)


def test_head_vector_patching(cells, case):
    found, (_, clean) = cells.head_vector_patching(case.model, case.tokens), case.run()
    for layer in range(2):
        for head in range(4):
            site = f"blocks.{layer}.attn.hook_z"

            def patch(z, site=site, head=head):
                z[:, :, head] = clean[site][:, :, head]
                return z

            logits, _ = case.hand.run(case.tokens.roll(1, 0), {site: patch})
            same(found[layer, head], logits[:, -1, 0].mean())


def test_patching_by_one_call(cells, case):
    stream, blocks, heads, by_pos, pattern = cells.patching_by_one_call(case.model, case.tokens)

    def patched(tokens: Tensor, site: str, place: tuple) -> Tensor:
        _, clean = case.hand.run(tokens)

        def put(value):
            value[place] = clean[site][place]
            return value

        logits, _ = case.hand.run(tokens.roll(1, 0), {site: put})
        return torch.stack([logits[row, -1, tokens[row, 0]] for row in range(4)]).mean()

    every = slice(None)
    for layer in range(2):
        for place in range(8):
            at = every, place
            same(stream[layer, place], patched(case.tokens, f"blocks.{layer}.hook_resid_mid", at))
            for kind, name in enumerate(("resid_pre", "attn_out", "mlp_out")):
                same(blocks[kind, layer, place], patched(case.tokens, f"blocks.{layer}.hook_{name}", at))
        for head in range(4):
            for kind, letter in enumerate("zqkv"):
                site = f"blocks.{layer}.attn.hook_{letter}"
                same(heads[kind, layer, head], patched(case.tokens, site, (every, every, head)))
                same(by_pos[kind, layer, 5, head], patched(case.tokens, site, (every, 5, head)))
            site = f"blocks.{layer}.attn.hook_pattern"
            same(heads[4, layer, head], patched(case.tokens, site, (every, head)))
            same(by_pos[4, layer, 5, head], patched(case.tokens, site, (every, head, 5)))
            same(pattern[layer, head, 2, 1], patched(case.tokens[:, :3], site, (every, head, 2, 1)))


def test_path_patching(cells, case):
    """What 0.1 wrote, and through the MLP of its layer, is in the queries of 1.2 alone."""
    _, clean = case.run()
    _, new = case.hand.run(case.tokens.roll(1, 0))

    def freeze(z):
        z[:] = clean["blocks.0.attn.hook_z"]
        z[:, :, 1] = new["blocks.0.attn.hook_z"][:, :, 1]
        return z

    _, patched = case.run(blocks__0__attn__hook_z=freeze)
    logits, _ = case.hand.run(case.tokens, {"blocks.1.hook_q_input": {2: patched["blocks.1.hook_resid_pre"]}})
    same(cells.path_patching(case.model, case.tokens), logits)


def test_nested_hooks(cells, case):
    outer, inner, again, after = cells.nested_hooks(case.model, case.tokens)

    def cut(z):
        z[:, :, 0] = 0
        return z

    same(outer, case.run(blocks__0__attn__hook_z=cut)[0])
    same(inner, case.run(blocks__0__attn__hook_z=lambda z: 2 * cut(z), hook_embed=lambda e: 2 * e)[0])
    assert torch.equal(again, outer)
    same(after, case.run()[0])


def test_hooks_added_and_reset(cells, case):
    both, permanent, after = cells.hooks_added_and_reset(case.model, case.tokens)
    half = {"blocks__1__hook_resid_mid": lambda resid: resid / 2}
    same(both, case.run(hook_embed=lambda embedded: embedded / 2, **half)[0])
    same(permanent, case.run(**half)[0])
    same(after, case.run()[0])


def test_hook_points_as_attributes(cells, case):
    logits, post, embedded = cells.hook_points_as_attributes(case.model, case.tokens)
    expected, values = case.run(blocks__0__attn__hook_pattern=lambda pattern: torch.ones_like(pattern) / 8)
    same(logits, expected)
    same(post, values["blocks.1.mlp.hook_post"].mean(0))
    same(embedded, values["hook_embed"].mean(0))


def test_neuron_results(cells, case):
    stack, some, two = cells.neuron_results(case.model, case.tokens)
    _, values = case.run()
    for layer in range(2):
        post, W_out = values[f"blocks.{layer}.mlp.hook_post"], case.state[f"blocks.{layer}.mlp.W_out"]
        for neuron in range(24):
            same(stack[24 * layer + neuron], post[:, -1, neuron, None] * W_out[neuron])
    same(two[:, 1], values["blocks.1.mlp.hook_post"][:, 2, 4, None] * case.state["blocks.1.mlp.W_out"][4])
    same(some.sum(0), values["blocks.0.hook_resid_post"])
    expected = values["blocks.0.mlp.hook_post"][..., 5, None] * case.state["blocks.0.mlp.W_out"][5]
    same(some[2], expected)


def test_full_decomposition(cells, case):
    parts, by_mlp = cells.full_decomposition(case.model, case.tokens)
    _, values = case.run()
    assert parts.shape == (8 + 48 + 3, 4, 16)
    same(parts.sum(0), values["blocks.1.hook_resid_post"][:, -1])
    biases = [
        case.state[f"blocks.{layer}.{name}"] for layer in range(2) for name in ("attn.b_O", "mlp.b_out")
    ]
    same(parts[-1], sum(biases).expand(4, -1))
    assert by_mlp.shape == (8 + 1 + 3, 4, 8, 16)
    resid, scale = values["blocks.1.hook_resid_mid"], values["blocks.1.ln2.hook_scale"]
    same(by_mlp.sum(0), case.hand.centred(resid, scale))


def test_biases_and_stacked_weights(cells, case):
    within, attention, product, biases, both, ov, columns, one = cells.biases_and_stacked_weights(
        case.model, case.tokens
    )
    w = case.state
    same(within, w["blocks.0.attn.b_O"] + w["blocks.0.mlp.b_out"] + w["blocks.1.attn.b_O"])
    same(attention, w["blocks.0.attn.b_O"] + w["blocks.1.attn.b_O"])
    same(product, w["blocks.0.mlp.W_out"] @ w["blocks.1.mlp.W_in"])
    out = w["blocks.0.mlp.b_out"].sum() + w["blocks.1.mlp.b_out"].sum()
    same(biases, torch.stack([w[f"blocks.{layer}.mlp.b_in"] for layer in range(2)]) + out)
    same(both, torch.cat((w["embed.W_E"], w["pos_embed.W_pos"])))
    for head in range(4):
        same(ov[head], w["blocks.1.attn.W_V"][head] @ w["blocks.1.attn.W_O"][head])
    same(columns[2, 3], w["unembed.W_U"][:, case.tokens[2, 3]])
    same(one, w["unembed.W_U"][:, 3])


def test_probe_of_the_residual_stream(cells, case):
    probed, flipped = cells.probe_of_the_residual_stream(case.model, case.tokens)
    probe = torch.linspace(-1, 1, 48).reshape(16, 3)
    _, values = case.run()
    same(probed, (values["blocks.0.hook_resid_post"] @ probe).log_softmax(-1))
    direction = probe[:, 0] / probe[:, 0].norm()

    def flip(resid):
        along = torch.outer(resid[:, 3] @ direction, direction)
        resid[:, 3] = resid[:, 3] - along - 2 * along
        return resid

    same(flipped, case.run(blocks__0__hook_resid_post=flip)[0])


def test_caches_cut_and_moved(cells, case):
    keys, heads, patterns, scale = cells.caches_cut_and_moved(case.model, case.tokens)
    _, values = case.run()
    same(keys, values["blocks.1.attn.hook_k"][:2])
    same(patterns[1], values["blocks.1.attn.hook_pattern"])
    same(torch.from_numpy(scale), values["ln_final.hook_scale"])
    for head in range(4):
        part = values["blocks.0.attn.hook_result"][0, 1:4, head]
        same(heads[head], case.hand.centred(part, values["blocks.1.ln1.hook_scale"][0, 1:4]))


def test_weights_processed(cells, case):
    found, centred, means = cells.weights_processed(case.model, case.tokens)
    expected = case.run()[0].log_softmax(-1)
    same(found, expected)
    same(centred, expected)
    same(means, torch.zeros(16))
    same(found, process(case.model.transformer)(case.tokens).log_softmax(-1))


def test_gradients(cells, case):
    found = cells.gradients(case.model, case.tokens)
    names = ("blocks.0.attn.W_Q", "unembed.W_U", "embed.W_E")
    state = {name: value.clone().requires_grad_(name in names) for name, value in case.state.items()}
    loss(ByHand(state).run(case.tokens)[0], case.tokens).backward()
    for gradient, name in zip(found, names, strict=True):
        same(gradient, state[name].grad)


def test_training_loop(cells, case):
    losses, logits = cells.training_loop(case.model, case.tokens)
    state = {name: value.clone().requires_grad_() for name, value in case.state.items()}
    optimizer = torch.optim.AdamW(state.values(), lr=1e-3, weight_decay=1e-2)
    for step in range(5):
        value = loss(ByHand(state).run(case.tokens)[0], case.tokens)
        same(losses[step], value.detach())
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
    same(logits.detach(), ByHand(state).run(case.tokens)[0].detach())
