"""Every line of the README's table for those who come from TransformerLens is true."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
import torch

from algoscope import hooked
from algoscope.errors import UserError
from algoscope.hooked import (
    ActivationCache,
    FactoredMatrix,
    HookedTransformer,
    HookedTransformerConfig,
    HookPoint,
    patching,
    utils,
)

ROOT = Path(__file__).parents[2]
TOKENS = torch.tensor([[1, 2, 0, 2], [2, 1, 1, 0]])
SIZES = {"n_layers": 2, "d_model": 6, "n_ctx": 4, "n_heads": 2, "d_vocab": 3, "act_fn": "relu"}


def cfg(**more: object) -> HookedTransformerConfig:
    return HookedTransformerConfig(**SIZES | more)


@pytest.fixture
def model() -> HookedTransformer:
    return HookedTransformer(cfg())


@pytest.fixture
def cache(model) -> ActivationCache:
    return model.run_with_cache(TOKENS)[1]


def halve(value, hook):
    return value / 2


def hooked_logits(model) -> list[torch.Tensor]:
    """Of three ways to have one hook in a run."""
    found = [model.run_with_hooks(TOKENS, fwd_hooks=[("hook_embed", halve)])]
    with model.hooks([("hook_embed", halve)]):
        found.append(model(TOKENS))
    model.add_hook("hook_embed", halve)
    found.append(model(TOKENS))
    model.reset_hooks()
    return found


WORKS = {
    "HookedTransformerConfig(...)": lambda model, cache: cfg().d_head == 3,
    "HookedTransformer(cfg)": lambda model, cache: all(p.requires_grad for p in model.parameters()),
    'model(tokens, return_type="loss")': lambda model, cache: model(TOKENS, return_type="loss").requires_grad,
    "run_with_cache(names_filter=)": lambda model, cache: (
        list(model.run_with_cache(TOKENS, names_filter="hook_embed")[1]) == ["hook_embed"]
    ),
    'cache["pattern", 0]': lambda model, cache: cache["pattern", 0] is cache["blocks.0.attn.hook_pattern"],
    'cache.to("cpu")': lambda model, cache: cache.to("cpu") is cache,
    "run_with_hooks(fwd_hooks=)": lambda model, cache: (
        not torch.equal(hooked_logits(model)[0], model(TOKENS))
    ),
    "model.hooks(...)": lambda model, cache: torch.equal(*hooked_logits(model)[:2]),
    "model.add_hook(...)": lambda model, cache: torch.equal(*hooked_logits(model)[::2]),
    "model.reset_hooks()": lambda model, cache: torch.equal(
        model(TOKENS), (hooked_logits(model), model(TOKENS))[1]
    ),
    "model.blocks[0].attn.hook_pattern": lambda model, cache: (
        model.blocks[0].attn.hook_pattern.name == "blocks.0.attn.hook_pattern"
    ),
    "model.ln_final(resid)": lambda model, cache: torch.allclose(
        model.ln_final(cache["resid_post", -1]), cache["normalized"], atol=1e-6
    ),
    "model.W_Q": lambda model, cache: torch.equal(model.W_Q[1], model.blocks[1].attn.W_Q),
    "cache.decompose_resid()": lambda model, cache: torch.allclose(
        cache.decompose_resid().sum(0), cache["resid_post", -1], atol=1e-6
    ),
    "cache.stack_head_results()": lambda model, cache: torch.allclose(
        cache.stack_head_results()[3], cache["result", 1][:, :, 1], atol=1e-6
    ),
    "cache.logit_attrs(...)": lambda model, cache: torch.allclose(
        cache.logit_attrs(cache.decompose_resid(), 2).sum(0) + model.b_U[2], model(TOKENS)[..., 2], atol=1e-5
    ),
    "FactoredMatrix(A, B).AB": lambda model, cache: torch.equal(
        FactoredMatrix(model.W_E, model.W_U).AB, model.W_E @ model.W_U
    ),
    "model.OV": lambda model, cache: torch.allclose(model.OV.AB, model.W_V @ model.W_O),
    'model.all_composition_scores("K")': lambda model, cache: (
        model.all_composition_scores("K").shape == (2, 2, 2, 2)
    ),
    'utils.get_act_name("z", 0)': lambda model, cache: utils.get_act_name("z", 0) == "blocks.0.attn.hook_z",
    "utils.to_numpy(...)": lambda model, cache: utils.to_numpy(model.W_E).shape == (3, 6),
    "utils.lm_accuracy(...)": lambda model, cache: 0 <= utils.lm_accuracy(model(TOKENS), TOKENS) <= 1,
    "patching.get_act_patch_resid_pre(...)": lambda model, cache: (
        patching.get_act_patch_resid_pre(model, TOKENS.roll(1, 0), cache, torch.sum).shape == (2, 4)
    ),
    "model.load_and_process_state_dict(...)": lambda model, cache: torch.allclose(
        processed(model)(TOKENS).log_softmax(-1), model(TOKENS).log_softmax(-1), atol=1e-5
    ),
}


def processed(model: HookedTransformer) -> HookedTransformer:
    other = HookedTransformer(cfg())
    other.load_and_process_state_dict(model.state_dict())
    return other


REFUSED = {
    "tokenizer=": lambda model: HookedTransformer(cfg(), tokenizer=str),
    'from_pretrained("gpt2")': lambda model: HookedTransformer.from_pretrained("gpt2"),
    "stop_at_layer=": lambda model: model(TOKENS, stop_at_layer=1),
    "bwd_hooks=": lambda model: model.run_with_hooks(TOKENS, bwd_hooks=[("hook_embed", halve)]),
    "incl_bwd=True": lambda model: model.run_with_cache(TOKENS, incl_bwd=True),
    "model.generate(...)": lambda model: model.generate("a"),
    "utils.test_prompt(...)": lambda model: utils.test_prompt("a", "b", model),
    "transformer_lens.head_detector": lambda model: hooked.head_detector,
    'positional_embedding_type="rotary"': lambda model: cfg(positional_embedding_type="rotary"),
    "n_key_value_heads=2": lambda model: cfg(n_key_value_heads=1),
    "use_local_attn=True": lambda model: cfg(use_local_attn=True),
}
TABLE = re.findall(
    r"^\| (`.*?|hooks that mask padding) \| (.*) \|$",
    (ROOT / "README.md").read_text().partition("## Coming from TransformerLens")[2].partition("\n## ")[0],
    flags=re.MULTILINE,
)


def spans(*starts: str) -> list[str]:
    """The code of the rows whose right side begins so."""
    rows = [left for left, right in TABLE if right.startswith(starts)]
    return [span for left in rows for span in re.findall(r"`([^`]+)`", left)]


@pytest.mark.parametrize("span", spans("as it was"))
def test_what_works_as_it_was_does(span, model, cache):
    assert WORKS[span](model, cache)


@pytest.mark.parametrize("span", spans("refused", "`task=`", "the path", "read the site"))
def test_what_is_refused_or_spelled_differently_is_one_line(span, model):
    with pytest.raises(UserError) as raised:
        REFUSED[span](model)
    assert "\n" not in str(raised.value)


def test_padding_is_masked_by_the_config():
    assert ("hooks that mask padding", "`pad_token=` in the config") in TABLE
    model = HookedTransformer(cfg(pad_token=0, attention_dir="bidirectional"))
    pattern = model.run_with_cache(TOKENS)[1]["pattern", 0]
    assert not pattern[1, :, :, 3].any()
    assert len(TABLE) == 15


def test_every_name_that_the_page_says_works_is_there(model, cache):
    page = (ROOT / "docs" / "from_transformerlens.md").read_text()
    table = page.partition("## What works as it was")[2].partition("\n## ")[0]
    things = (model, cache, utils, cfg(), FactoredMatrix, HookPoint, model.hook_embed, hooked)
    calls = (HookedTransformer.run_with_cache, HookedTransformer.run_with_hooks, HookedTransformer.forward,
             HookedTransformer.add_hook, HookedTransformer.reset_hooks, HookedTransformerConfig)  # fmt: skip
    arguments = {name for call in calls for name in inspect.signature(call).parameters}
    names = [
        name for span in re.findall(r"`([^`]+)`", table) for name in re.findall(r"^\w+$|^\w+(?==$)", span)
    ]
    assert len(names) > 60
    values = {"LN", "LNPre", "RMS", "RMSPre", "None"}
    missing = {
        name for name in names if name not in arguments | values and not any(hasattr(x, name) for x in things)
    }
    assert not missing
