from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from algoscope.errors import UserError
from algoscope.hooked import HookedTransformer, HookedTransformerConfig
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets

few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def small(**settings) -> HookedTransformer:
    sizes = {"n_layers": 1, "d_model": 6, "n_ctx": 4, "n_heads": 2, "d_vocab": 5, "act_fn": "relu"}
    return HookedTransformer(HookedTransformerConfig(**sizes | settings))


@few
@given(data=st.data())
def test_it_gives_the_logits_and_the_cache_of_the_model_that_it_wraps(data, draw_model):
    model, tokens = draw_model(data)
    hooked = HookedTransformer.wrap(model)
    expected, values = model.run_with_cache(tokens)
    logits, cache = hooked.run_with_cache(tokens)
    assert torch.equal(logits, expected)
    assert dict(cache.cache_dict).keys() == dict(values).keys()
    assert all(torch.equal(cache[name], values[name]) for name in values)
    assert torch.equal(hooked(tokens), model(tokens))


@few
@given(data=st.data())
def test_a_hook_does_what_it_does_in_a_run_of_ours(data, draw_model):
    model, tokens = draw_model(data)
    hooked = HookedTransformer.wrap(model)
    name = data.draw(st.sampled_from(list(model.sites)))
    seen = []

    def shift(value, hook):
        seen.append(hook.name)
        return value.roll(1, 1)

    edited = hooked.run_with_hooks(tokens, fwd_hooks=[(name, shift)])
    assert torch.equal(edited, model.run_with_hooks(tokens, [(name, lambda value, site: value.roll(1, 1))]))
    assert set(seen) == {name}
    assert torch.equal(hooked(tokens), model(tokens))


def test_a_hook_that_fails_leaves_the_model_as_it_was(model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(model), tokens_for(model)
    before = hooked(tokens)

    def fail(value, hook):
        value[:] = 0
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        hooked.run_with_hooks(tokens, fwd_hooks=[("hook_embed", fail)])
    with pytest.raises(ZeroDivisionError), hooked.hooks([("hook_embed", fail)]):
        hooked(tokens)
    assert torch.equal(hooked(tokens), before)


def test_hooks_hold_for_the_time_of_a_with_block(model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(model), tokens_for(model)
    before, edit = hooked(tokens), [("hook_embed", lambda value, hook: 0 * value)]
    alone = hooked.run_with_hooks(tokens, fwd_hooks=edit)
    with hooked.hooks(fwd_hooks=edit) as same:
        assert same is hooked
        assert torch.equal(hooked(tokens), alone)
        _, cache = hooked.run_with_cache(tokens)
        assert not cache["embed"].any()
    assert torch.equal(hooked(tokens), before)


def test_an_added_hook_stays_until_it_is_reset_and_a_permanent_one_beyond(model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(model), tokens_for(model)
    before, name = hooked(tokens), "blocks.0.attn.hook_z"
    half = hooked.run_with_hooks(tokens, fwd_hooks=[(name, lambda value, hook: value / 2)])
    hooked.add_hook(name, lambda value, hook: value / 2)
    hooked.run_with_hooks(tokens, fwd_hooks=[("hook_embed", lambda value, hook: None)])
    assert torch.equal(hooked(tokens), half)
    hooked.reset_hooks()
    assert torch.equal(hooked(tokens), before)
    hooked.add_perma_hook(name, lambda value, hook: value / 2)
    hooked.reset_hooks()
    assert torch.equal(hooked(tokens), half)
    hooked.reset_hooks(including_permanent=True)
    assert torch.equal(hooked(tokens), before)


def test_hooks_of_a_site_run_in_the_order_in_which_they_came(model, tokens_for):
    hooked, tokens, order = HookedTransformer.wrap(model), tokens_for(model), []

    def note(word):
        return lambda value, hook: order.append(word)

    hooked.add_hook("hook_embed", note("added"))
    hooked.add_hook("hook_embed", note("in front"), prepend=True)
    with hooked.hooks([("hook_embed", note("block"))]):
        hooked.run_with_hooks(tokens, fwd_hooks=[("hook_embed", note("call"))])
    assert order == ["in front", "added", "block", "call"]


def test_a_filter_stands_for_every_site_whose_name_it_is_true_of(padded_model, tokens_for):
    hooked, layers = HookedTransformer.wrap(padded_model), []
    watch = (lambda name: name.endswith("pattern"), lambda value, hook: layers.append(hook.layer()))
    assert hooked.run_with_hooks(tokens_for(padded_model), return_type=None, fwd_hooks=[watch]) is None
    assert layers == [0, 1]


def test_a_hook_remembers_by_its_point(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model), tokens_for(padded_model)

    def keep(value, hook):
        hook.ctx["mean"] = value.mean()

    hooked.run_with_hooks(tokens, fwd_hooks=[("hook_embed", keep)])
    assert hooked.hook_dict["hook_embed"].ctx["mean"] == padded_model.W_E[tokens].mean()
    hooked.reset_hooks()
    assert not hooked.hook_dict["hook_embed"].ctx


def test_a_site_that_is_not_there_is_an_error(padded_model, tokens_for):
    hooked, tokens = HookedTransformer.wrap(padded_model), tokens_for(padded_model)
    with pytest.raises(UserError, match=r"did you mean 'blocks\.0\.attn\.hook_q'"):
        hooked.run_with_hooks(tokens, fwd_hooks=[("blocks.0.attn.hook_query", lambda value, hook: None)])
    with pytest.raises(UserError, match="true of no site"):
        hooked.add_hook(lambda name: name.endswith("patern"), lambda value, hook: None)


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("bwd_hooks", [("hook_embed", print)], "not gradients"),
        ("reset_hooks_end", False, "add_hook makes one that stays"),
        ("stop_at_layer", 1, "blocks.1.hook_resid_pre"),
        ("prepend_bos", True, "first token already"),
        ("fwd_hook", [], "did you mean fwd_hooks"),
    ],
)
def test_what_is_not_there_is_refused_by_name(argument, value, says):
    with pytest.raises(UserError, match=says) as raised:
        small().run_with_hooks(torch.zeros(1, 2).long(), **{argument: value})
    assert argument in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_changes_nothing_is_taken():
    tokens = torch.zeros(1, 2).long()
    small().run_with_hooks(tokens, bwd_hooks=[], reset_hooks_end=True, clear_contexts=True)
    small().run_with_cache(tokens, incl_bwd=False, pos_slice=None)
    small()(tokens, prepend_bos=False, past_kv_cache=None)


def test_a_backward_hook_is_refused():
    with pytest.raises(UserError, match="not gradients"):
        small().add_hook("hook_embed", lambda value, hook: None, dir="bwd")


def test_return_type_says_what_comes_back():
    model, tokens = small(), torch.tensor([[1, 2, 3, 4], [0, 0, 1, 2]])
    logits, loss = model(tokens, return_type="both")
    by_hand = [
        -logits[row, place].log_softmax(-1)[tokens[row, place + 1]] for row in range(2) for place in range(3)
    ]
    torch.testing.assert_close(loss, torch.stack(by_hand).mean())
    assert torch.equal(loss, model(tokens, return_type="loss"))
    assert model(tokens, return_type=None) is None
    with pytest.raises(UserError, match="choose from 'logits'"):
        model(tokens, return_type="logit")
    with pytest.raises(UserError, match="there are 2 classes"):
        small(d_vocab_out=2)(tokens, return_type="loss")


def test_one_input_needs_no_axis_for_the_batch():
    model, tokens = small(), torch.tensor([1, 2, 3])
    assert torch.equal(model(tokens), model(tokens[None]))


def test_state_dicts_have_the_old_names_and_are_those_of_the_model():
    model = small()
    ours = model.transformer.state_dict()
    assert list(model.state_dict()) == list(ours)
    assert all(torch.equal(value, ours[name]) for name, value in model.state_dict().items())
    assert [id(p) for p in model.parameters()] == [id(p) for p in model.transformer.parameters()]


def test_stored_masks_are_left_out_and_anything_else_has_to_fit():
    model, other = small(), small(seed=1)
    state = other.state_dict()
    state |= {"blocks.0.attn.mask": torch.ones(4, 4).tril(), "blocks.0.attn.IGNORE": torch.tensor(-1e5)}
    model.load_state_dict(state)
    assert torch.equal(model.W_E, other.W_E)
    with pytest.raises(UserError, match=r"no blocks\.0\.mlp\.W_gate"):
        model.load_state_dict(state | {"blocks.0.mlp.W_gate": torch.ones(1)}, strict=False)
    with pytest.raises(RuntimeError, match="Missing key"):
        model.load_state_dict({"embed.W_E": state["embed.W_E"]})


def test_a_copy_is_a_model_of_its_own():
    model, tokens = small(), torch.tensor([[1, 2]])
    before, other = model(tokens), copy.deepcopy(model)
    with torch.no_grad():
        other.embed.W_E.zero_()
    assert not other.transformer.W_E.any()
    assert torch.equal(model(tokens), before)
    assert not torch.equal(other(tokens), before)


def test_it_trains_as_a_module_does():
    model, tokens = small(), torch.tensor([[1, 2, 3, 4]])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    first = model(tokens, return_type="loss")
    first.backward()
    optimizer.step()
    assert model(tokens, return_type="loss") < first


def test_weights_and_circuits_are_those_of_the_model(model):
    hooked = HookedTransformer.wrap(model)
    assert torch.equal(hooked.W_Q, model.W_Q)
    for layer in range(model.config.n_layers):
        for head in range(model.config.n_heads):
            ov = model.W_V[layer, head] @ model.W_O[layer, head]
            qk = model.W_Q[layer, head] @ model.W_K[layer, head].T
            torch.testing.assert_close(hooked.W_OV[layer, head], ov)
            torch.testing.assert_close(hooked.OV[layer, head].AB, ov)
            torch.testing.assert_close(hooked.W_QK[layer, head], qk)
    with pytest.raises(AttributeError):
        _ = hooked.W_Z


def test_cfg_reads_as_it_was_given():
    cfg = HookedTransformerConfig(
        n_layers=2, d_model=6, n_ctx=4, n_heads=2, d_vocab=5, act_fn="gelu", normalization_type=None, seed=3
    )
    model = HookedTransformer(cfg)
    assert {k: v for k, v in model.cfg.to_dict().items() if k != "device"} == {
        k: v for k, v in cfg.to_dict().items() if k != "device"
    }
    assert (model.cfg.device, model.cfg.d_mlp) == ("cpu", 24)
    assert torch.equal(model.W_E, Transformer(cfg.config, seed=3).W_E)


def test_a_task_turns_texts_into_tokens_and_back():
    model = HookedTransformer.from_pretrained("brackets", task="brackets")
    tokens = model.to_tokens(["(())", ")("])
    assert torch.equal(tokens, Brackets().encode(["(())", ")("]))
    assert torch.equal(model("(())"), model(tokens[:1]))
    assert model.to_string(tokens) == Brackets().decode(tokens)
    assert model.to_string(tokens[1]) == Brackets().decode(tokens)[1]
    assert model.to_str_tokens("()")[:4] == ["[start]", "(", ")", "[end]"]
    assert len(model.to_str_tokens(tokens)) == 2
    with pytest.raises(UserError, match="give one"):
        small().to_tokens("()")


def test_a_pretrained_model_is_processed_and_answers_the_same():
    raw = HookedTransformer.from_pretrained_no_processing("brackets", task="brackets")
    model = HookedTransformer.from_pretrained("brackets")
    tokens = raw.to_tokens(["(())", ")("])
    torch.testing.assert_close(
        model(tokens).log_softmax(-1), raw(tokens).log_softmax(-1), atol=1e-4, rtol=1e-4
    )
    assert (raw.cfg.normalization_type, model.cfg.normalization_type) == ("LN", "LNPre")
    assert not model.b_V.any()
    assert isinstance(model.task, Brackets)
