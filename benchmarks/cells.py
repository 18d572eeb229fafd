"""Cells as a course's notebooks have them, written for TransformerLens 2, one a function.

As it stands this file runs with TransformerLens. With `transformer_lens` read as `algoscope.hooked` in its
imports, and nothing else changed, it runs with algoscope: tests/hooked/test_cells.py does that, and
benchmarks/same_cells.py compares the two.
"""

from functools import partial

import einops
import torch
from torch import Tensor
from transformer_lens import (
    ActivationCache,
    FactoredMatrix,
    HookedTransformer,
    HookedTransformerConfig,
    patching,
    utils,
)
from transformer_lens.hook_points import HookPoint


def build(state_dict=None):
    cfg = HookedTransformerConfig(
        n_layers=2,
        d_model=16,
        n_ctx=8,
        d_head=4,
        n_heads=4,
        d_mlp=24,
        d_vocab=10,
        act_fn="relu",
        normalization_type="LN",
        use_attn_result=True,
        seed=0,
        device="cpu",
    )
    model = HookedTransformer(cfg)
    if state_dict is not None:
        model.load_state_dict(state_dict, strict=False)
    return model


def logits_and_loss(model, tokens):
    logits, loss = model(tokens, return_type="both")
    per_token = model(tokens, return_type="loss", loss_per_token=True)
    assert torch.isclose(loss, model.loss_fn(logits, tokens))
    assert torch.isclose(loss, per_token.mean())
    accuracy = utils.lm_accuracy(logits, tokens)
    return logits, loss, per_token, accuracy, utils.lm_accuracy(logits, tokens, per_token=True)


def attention_patterns(model, tokens):
    pattern_hook_names_filter = lambda name: name.endswith("pattern")  # noqa: E731
    logits, cache = model.run_with_cache(tokens, return_type=None, names_filter=pattern_hook_names_filter)
    assert logits is None
    assert all(name.endswith("hook_pattern") for name in cache)
    return torch.stack([cache["pattern", layer] for layer in range(model.cfg.n_layers)])


def pattern_from_q_and_k(model, tokens):
    _, cache = model.run_with_cache(tokens)
    q, k = cache["q", 0], cache["k", 0]
    seq, head_size = q.shape[1], q.shape[-1]
    scores = einops.einsum(q, k, "batch seqQ n h, batch seqK n h -> batch n seqQ seqK")
    mask = torch.triu(torch.ones((seq, seq), dtype=torch.bool), diagonal=1)
    pattern = (scores / head_size**0.5).masked_fill(mask, -1e9).softmax(-1)
    torch.testing.assert_close(cache["pattern", 0], pattern)
    return pattern


def head_zero_ablation_hook(z: Tensor, hook: HookPoint, head_index_to_ablate: int) -> None:
    z[:, :, head_index_to_ablate, :] = 0.0


def head_mean_ablation_hook(z: Tensor, hook: HookPoint, head_index_to_ablate: int):
    z[:, :, head_index_to_ablate, :] = z[:, :, head_index_to_ablate, :].mean(0)
    return z


def get_ablation_scores(model, tokens, ablation_function=head_zero_ablation_hook):
    ablation_scores = torch.zeros((model.cfg.n_layers, model.cfg.n_heads))
    model.reset_hooks()
    loss_no_ablation = model(tokens, return_type="loss")
    for layer in range(model.cfg.n_layers):
        for head in range(model.cfg.n_heads):
            temp_hook_fn = partial(ablation_function, head_index_to_ablate=head)
            ablated_loss = model.run_with_hooks(
                tokens,
                return_type="loss",
                fwd_hooks=[(utils.get_act_name("z", layer), temp_hook_fn)],
            )
            ablation_scores[layer, head] = ablated_loss - loss_no_ablation
    return ablation_scores


def zero_ablation(model, tokens):
    return get_ablation_scores(model, tokens)


def mean_ablation(model, tokens):
    return get_ablation_scores(model, tokens, head_mean_ablation_hook)


def attention_to_the_first_token_cut(model, tokens):
    def hook_function(attn_scores: Tensor, hook: HookPoint) -> Tensor:
        attn_scores[:, 1, 2:, 0] = -1e9
        return attn_scores

    return model.run_with_hooks(tokens, fwd_hooks=[("blocks.1.attn.hook_attn_scores", hook_function)])


def previous_token_scores(model, tokens):
    prev_token_score_store = torch.zeros((model.cfg.n_layers, model.cfg.n_heads))

    def prev_token_hook(pattern: Tensor, hook: HookPoint):
        diagonal = pattern.diagonal(offset=-1, dim1=-2, dim2=-1)
        score = einops.reduce(diagonal, "batch head_index position -> head_index", "mean")
        prev_token_score_store[hook.layer(), :] = score

    model.run_with_hooks(
        tokens,
        return_type=None,
        fwd_hooks=[(lambda name: name.endswith("pattern"), prev_token_hook)],
    )
    return prev_token_score_store


def logit_attribution_by_head(model, tokens):
    _, cache = model.run_with_cache(tokens)
    W_U_correct_tokens = model.W_U[:, tokens[0, 1:]]
    l1_results, l2_results = cache["result", 0][0], cache["result", 1][0]
    direct = einops.einsum(W_U_correct_tokens, cache["embed"][0, :-1], "emb seq, seq emb -> seq")
    l1 = einops.einsum(W_U_correct_tokens, l1_results[:-1], "emb seq, seq nhead emb -> seq nhead")
    l2 = einops.einsum(W_U_correct_tokens, l2_results[:-1], "emb seq, seq nhead emb -> seq nhead")
    return torch.concat([direct.unsqueeze(-1), l1, l2], dim=-1)


def logit_diff_by_component(model, tokens):
    _, cache = model.run_with_cache(tokens)
    answers, wrong = tokens[:, 0], tokens[:, 1]
    answer_residual_directions = model.tokens_to_residual_directions(answers)
    logit_diff_directions = answer_residual_directions - model.tokens_to_residual_directions(wrong)
    per_layer_residual, labels = cache.decompose_resid(
        layer=-1, pos_slice=-1, apply_ln=True, return_labels=True
    )
    assert labels[:3] == ["embed", "pos_embed", "0_attn_out"]
    by_hand = einops.einsum(
        per_layer_residual, logit_diff_directions, "... batch d_model, batch d_model -> ..."
    )
    stack = cache.decompose_resid(layer=-1, pos_slice=-1)
    attrs = cache.logit_attrs(stack, answers, wrong, pos_slice=-1)
    torch.testing.assert_close(attrs.sum(-1), by_hand, atol=1e-4, rtol=1e-4)
    return attrs


def logit_attrs_by_head(model, tokens):
    _, cache = model.run_with_cache(tokens)
    stack, labels = cache.stack_head_results(layer=-1, pos_slice=-1, return_labels=True, incl_remainder=True)
    assert labels == [*model.all_head_labels(), "remainder"]
    scaled = cache.apply_ln_to_stack(stack, layer=-1, pos_slice=-1)
    torch.testing.assert_close(
        scaled @ model.W_U[:, 3], cache.logit_attrs(stack, 3, pos_slice=-1), atol=1e-4, rtol=1e-4
    )
    return cache.logit_attrs(stack, tokens=3, incorrect_tokens=4, pos_slice=-1)


def logit_attrs_of_every_next_token(model, tokens):
    _, cache = model.run_with_cache(tokens)
    stack = cache.stack_head_results(layer=1)
    some = cache.logit_attrs(stack, tokens[1:], batch_slice=(1, None))
    return cache.logit_attrs(stack, tokens), some


def logit_lens(model, tokens):
    _, cache = model.run_with_cache(tokens)
    accumulated_residual, labels = cache.accumulated_resid(
        layer=-1, incl_mid=True, pos_slice=-1, return_labels=True, apply_ln=True
    )
    assert labels == ["0_pre", "0_mid", "1_pre", "1_mid", "final_post"]
    return accumulated_residual @ model.W_U + model.b_U


def norms_and_unembedding_called(model, tokens):
    _, cache = model.run_with_cache(tokens)
    logits = model.unembed(model.ln_final(cache["resid_post", -1]))
    block = model.blocks[0]
    effective_embedding = block.mlp(block.ln2(model.embed(tokens) + model.pos_embed(tokens)))
    return logits, effective_embedding


def full_OV_circuit(model, tokens):
    head_index, layer = 2, 1
    W_OV = FactoredMatrix(model.W_V[layer, head_index], model.W_O[layer, head_index])
    full_OV = model.W_E @ W_OV @ model.W_U
    assert full_OV.ndim == 2
    top1 = (full_OV.AB.argmax(dim=1) == torch.arange(model.cfg.d_vocab)).float().mean()
    torch.testing.assert_close(full_OV.AB, (model.W_E @ model.OV[layer, head_index] @ model.W_U).AB)
    return full_OV.AB, utils.get_corner(full_OV, 2), full_OV.get_corner(3), top1


def full_QK_circuit(model, tokens):
    W_QK = model.W_Q[0, 1] @ model.W_K[0, 1].T
    pos_by_pos_scores = model.W_pos @ W_QK @ model.W_pos.T
    mask = torch.tril(torch.ones_like(pos_by_pos_scores)).bool()
    pos_by_pos_pattern = torch.where(mask, pos_by_pos_scores / model.cfg.d_head**0.5, -1.0e6).softmax(-1)
    full_QK = model.W_E_pos @ model.QK[0, 1] @ model.W_E_pos.T
    return pos_by_pos_pattern, full_QK.AB


def copying_scores(model, tokens):
    full_OV = model.W_E @ model.OV @ model.W_U
    eigenvalues = full_OV.eigenvalues
    return eigenvalues.sum(dim=-1).real / eigenvalues.abs().sum(dim=-1)


def singular_values(model, tokens):
    OV = model.OV[1, 0]
    U, S, Vh = OV.svd()
    even = OV.make_even()
    return S, OV.norm(), U @ S.diag() @ Vh.T, even.AB, (OV @ model.QK[0, 0].T).AB, OV.T.AB


def composition_scores(model, tokens):
    def get_comp_score(W_A, W_B):
        return ((W_A @ W_B).norm() / (W_A.norm() * W_B.norm())).item()

    scores = torch.zeros(3, model.cfg.n_heads, model.cfg.n_heads)
    for i in range(model.cfg.n_heads):
        for j in range(model.cfg.n_heads):
            OV = model.W_V[0, i] @ model.W_O[0, i]
            QK = model.W_Q[1, j] @ model.W_K[1, j].T
            scores[0, i, j] = get_comp_score(OV, QK)
            scores[1, i, j] = get_comp_score(OV, QK.T)
            scores[2, i, j] = get_comp_score(OV, model.W_V[1, j] @ model.W_O[1, j])
    every = torch.stack([model.all_composition_scores(mode) for mode in "QKV"])
    torch.testing.assert_close(every[:, 0, :, 1], scores, atol=1e-4, rtol=1e-4)
    return every


def residual_stream_patching(model, tokens):
    clean_tokens, corrupted_tokens = tokens, tokens.roll(1, 0)
    _, clean_cache = model.run_with_cache(clean_tokens)
    clean_loss = model(clean_tokens, return_type="loss")

    def patch_residual_component(corrupted_residual_component, hook, pos, clean_cache: ActivationCache):
        corrupted_residual_component[:, pos] = clean_cache[hook.name][:, pos]
        return corrupted_residual_component

    results = torch.zeros(model.cfg.n_layers, tokens.shape[1])
    for layer in range(model.cfg.n_layers):
        for position in range(tokens.shape[1]):
            hook_fn = partial(patch_residual_component, pos=position, clean_cache=clean_cache)
            patched_logits = model.run_with_hooks(
                corrupted_tokens, fwd_hooks=[(utils.get_act_name("resid_pre", layer), hook_fn)]
            )
            results[layer, position] = utils.lm_cross_entropy_loss(patched_logits, clean_tokens) - clean_loss
    return results


def head_vector_patching(model, tokens):
    corrupted_tokens = tokens.roll(1, 0)
    _, clean_cache = model.run_with_cache(tokens, names_filter=lambda name: name.endswith("z"))

    def patch_head_vector(corrupted_head_vector, hook, head_index, clean_cache):
        corrupted_head_vector[:, :, head_index] = clean_cache[hook.name][:, :, head_index]
        return corrupted_head_vector

    results = torch.zeros(model.cfg.n_layers, model.cfg.n_heads)
    for layer in range(model.cfg.n_layers):
        for head in range(model.cfg.n_heads):
            hook_fn = partial(patch_head_vector, head_index=head, clean_cache=clean_cache)
            logits = model.run_with_hooks(
                corrupted_tokens,
                fwd_hooks=[(utils.get_act_name("z", layer), hook_fn)],
                return_type="logits",
            )
            results[layer, head] = logits[:, -1, 0].mean()
    return results


def patching_by_one_call(model, tokens):
    _, clean_cache = model.run_with_cache(tokens)

    def metric(logits, answer_tokens=tokens[:, 0]):
        return logits[range(len(logits)), -1, answer_tokens].mean()

    corrupted_tokens = tokens.roll(1, 0)
    stream = patching.get_act_patch_resid_mid(model, corrupted_tokens, clean_cache, metric)
    blocks = patching.get_act_patch_block_every(model, corrupted_tokens, clean_cache, metric)
    heads = patching.get_act_patch_attn_head_all_pos_every(model, corrupted_tokens, clean_cache, metric)
    by_pos = patching.get_act_patch_attn_head_by_pos_every(model, corrupted_tokens, clean_cache, metric)
    _, short_cache = model.run_with_cache(tokens[:, :3])
    pattern = patching.get_act_patch_attn_head_pattern_dest_src_pos(
        model, corrupted_tokens[:, :3], short_cache, metric
    )
    return stream, blocks, heads, by_pos, pattern


def path_patching(model, tokens):
    """Head 0.1 into the queries of head 1.2: the other heads are frozen."""
    model.set_use_split_qkv_input(True)
    new_tokens = tokens.roll(1, 0)
    z_name_filter = lambda name: name.endswith("z")  # noqa: E731
    _, new_cache = model.run_with_cache(new_tokens, names_filter=z_name_filter, return_type=None)
    _, orig_cache = model.run_with_cache(tokens, names_filter=z_name_filter, return_type=None)

    def patch_or_freeze_head_vectors(orig_head_vector, hook, new_cache, orig_cache, head_to_patch):
        orig_head_vector[...] = orig_cache[hook.name][...]
        if head_to_patch[0] == hook.layer():
            orig_head_vector[:, :, head_to_patch[1]] = new_cache[hook.name][:, :, head_to_patch[1]]
        return orig_head_vector

    hook_fn = partial(
        patch_or_freeze_head_vectors, new_cache=new_cache, orig_cache=orig_cache, head_to_patch=(0, 1)
    )
    model.add_hook(z_name_filter, hook_fn, level=1)
    _, patched_cache = model.run_with_cache(
        tokens, names_filter=lambda name: name.endswith("hook_q_input"), return_type=None
    )
    model.reset_hooks()

    def patch_head_input(orig_activation, hook, patched_cache, head):
        orig_activation[:, :, head] = patched_cache[hook.name][:, :, head]
        return orig_activation

    model.add_hook(
        utils.get_act_name("q_input", 1),
        partial(patch_head_input, patched_cache=patched_cache, head=2),
        level=1,
    )
    patched_logits = model(tokens)
    model.reset_hooks()
    return patched_logits


def nested_hooks(model, tokens):
    def double(value, hook):
        return 2 * value

    def cut_head(value, hook, head):
        value[:, :, head] = 0

    with model.hooks(fwd_hooks=[("blocks.0.attn.hook_z", partial(cut_head, head=0))]):
        outer = model(tokens)
        with model.hooks(
            fwd_hooks=[("blocks.0.attn.hook_z", double), ("hook_embed", double)]
        ) as hooked_model:
            inner = hooked_model(tokens)
        again = model(tokens)
    return outer, inner, again, model(tokens)


def hooks_added_and_reset(model, tokens):
    def halve(value, hook):
        return value / 2

    model.add_hook("hook_embed", halve)
    model.add_perma_hook(name="blocks.1.hook_resid_mid", hook=halve)
    both = model(tokens)
    model.reset_hooks()
    permanent = model(tokens)
    model.reset_hooks(including_permanent=True)
    return both, permanent, model(tokens)


def hook_points_as_attributes(model, tokens):
    def remember(value, hook):
        hook.ctx["mean"] = value.mean(0)

    pattern_hook = model.blocks[0].attn.hook_pattern
    assert pattern_hook.name == utils.get_act_name("pattern", 0)
    model.blocks[1].mlp.hook_post.add_hook(remember)
    model.hook_embed.add_hook(remember)
    even = model.run_with_hooks(
        tokens,
        fwd_hooks=[(pattern_hook.name, lambda pattern, hook: torch.ones_like(pattern) / pattern.shape[-1])],
    )
    means = model.hook_dict["blocks.1.mlp.hook_post"].ctx["mean"], model.hook_embed.ctx["mean"]
    model.reset_hooks()
    assert model.hook_embed.ctx == {}
    return even, *means


def neuron_results(model, tokens):
    _, cache = model.run_with_cache(tokens)
    neuron = 5
    neuron_acts = cache["post", 0, "mlp"][:, -1, neuron]
    direct = neuron_acts * (model.blocks[0].mlp.W_out[neuron] @ model.W_U[:, 1])
    stack, labels = cache.stack_neuron_results(layer=-1, pos_slice=-1, return_labels=True)
    assert labels[neuron] == "L0N5"
    torch.testing.assert_close(stack[neuron] @ model.W_U[:, 1], direct)
    some = cache.stack_neuron_results(1, neuron_slice=(3, 6), incl_remainder=True)
    return stack, some, cache.get_neuron_results(1, neuron_slice=[0, 4], pos_slice=2)


def full_decomposition(model, tokens):
    _, cache = model.run_with_cache(tokens)
    parts, labels = cache.get_full_resid_decomposition(pos_slice=-1, return_labels=True)
    assert labels[0] == "L0H0"
    assert labels[-3:] == ["embed", "pos_embed", "bias"]
    torch.testing.assert_close(parts.sum(0), cache["resid_post", -1][:, -1], atol=1e-4, rtol=1e-4)
    by_mlp = cache.get_full_resid_decomposition(layer=1, mlp_input=True, expand_neurons=False, apply_ln=True)
    return parts, by_mlp


def biases_and_stacked_weights(model, tokens):
    return (
        model.accumulated_bias(1, mlp_input=True),
        model.accumulated_bias(2, include_mlp_biases=False),
        model.W_out[0] @ model.W_in[1],
        model.b_in + model.b_out.sum(),
        model.W_E_pos,
        model.blocks[1].attn.OV.AB,
        model.tokens_to_residual_directions(tokens),
        model.tokens_to_residual_directions(torch.tensor([3])),
    )


def probe_of_the_residual_stream(model, tokens):
    _, cache = model.run_with_cache(
        tokens, names_filter=["blocks.0.hook_resid_post", "blocks.0.hook_mlp_out"]
    )
    linear_probe = torch.linspace(-1, 1, 16 * 3).reshape(16, 3)
    probe_out = einops.einsum(
        cache["resid_post", 0], linear_probe, "batch pos d_model, d_model options -> batch pos options"
    )
    flip_dir = linear_probe[:, 0] / linear_probe[:, 0].norm()

    def flip(resid, hook, flip_dir, scale, pos):
        coeff = resid[:, pos] @ flip_dir
        resid[:, pos] -= (scale + 1) * coeff[:, None] * flip_dir
        return resid

    flipped = model.run_with_hooks(
        tokens,
        fwd_hooks=[
            (
                utils.get_act_name("resid_post", 0),
                partial(flip, flip_dir=flip_dir, scale=2, pos=3),
            )
        ],
    )
    return probe_out.log_softmax(-1), flipped


def caches_cut_and_moved(model, tokens):
    _, cache = model.run_with_cache(tokens)
    assert cache.to("cpu") is cache
    assert len(cache) == len(cache.keys()) == len(list(cache.items()))
    some = cache.apply_slice_to_batch_dim((0, 2))
    one = cache.apply_slice_to_batch_dim(0)
    _, single = model.run_with_cache(tokens[:1], remove_batch_dim=True)
    torch.testing.assert_close(single["q", 0, "attn"], one["blocks.0.attn.hook_q"], atol=1e-4, rtol=1e-4)
    heads = single.stack_head_results(layer=1, pos_slice=(1, 4), apply_ln=True)
    return some["k", -1], heads, cache.stack_activation("pattern"), utils.to_numpy(cache["scale"])


def weights_processed(model, tokens):
    processed = build()
    processed.load_and_process_state_dict(
        model.state_dict(), fold_ln=True, center_writing_weights=True, center_unembed=True
    )
    by_hand = build()
    by_hand.load_state_dict(model.center_writing_weights(model.state_dict()), strict=False)
    return processed(tokens).log_softmax(-1), by_hand(tokens).log_softmax(-1), processed.W_U.mean(-1)


def gradients(model, tokens):
    model.zero_grad()
    model(tokens, return_type="loss").backward()
    grads = (
        model.blocks[0].attn.W_Q.grad.clone(),
        model.unembed.W_U.grad.clone(),
        model.embed.W_E.grad.clone(),
    )
    model.zero_grad()
    return grads


def training_loop(model, tokens):
    copy = build(model.state_dict())
    optimizer = torch.optim.AdamW(copy.parameters(), lr=1e-3, weight_decay=1e-2)
    losses = []
    for _ in range(5):
        loss = copy(tokens, return_type="loss")
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return torch.tensor(losses), copy(tokens)


CELLS = (
    logits_and_loss,
    attention_patterns,
    pattern_from_q_and_k,
    zero_ablation,
    mean_ablation,
    attention_to_the_first_token_cut,
    previous_token_scores,
    logit_attribution_by_head,
    logit_diff_by_component,
    logit_attrs_by_head,
    logit_attrs_of_every_next_token,
    logit_lens,
    norms_and_unembedding_called,
    full_OV_circuit,
    full_QK_circuit,
    copying_scores,
    singular_values,
    composition_scores,
    residual_stream_patching,
    head_vector_patching,
    patching_by_one_call,
    path_patching,
    nested_hooks,
    hooks_added_and_reset,
    hook_points_as_attributes,
    neuron_results,
    full_decomposition,
    biases_and_stacked_weights,
    probe_of_the_residual_stream,
    caches_cut_and_moved,
    weights_processed,
    gradients,
    training_loop,
)
