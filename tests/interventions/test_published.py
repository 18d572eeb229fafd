"""The published interventions on the public weights, against the reference values."""

import json

import pytest
import torch
from safetensors.torch import load_file

import algoscope
from algoscope.interventions.attribution_patching import agreement, attribution_patching
from algoscope.interventions.families import heads, heads_by_position, queries_keys_values
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.metrics import logit_difference, loss
from algoscope.interventions.run import run
from algoscope.interventions.sources import FromRun, Mean, Value, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.processing import process
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.files import read_examples
from algoscope.tasks.palindromes import arena_sample


@pytest.fixture(scope="module")
def palindromes(reference):
    model = process(algoscope.load(reference / "arena" / "palindrome_classifier.pt", task="palindromes"))
    return model, load_file(reference / "golden" / "palindromes.safetensors")


@pytest.fixture(scope="module")
def brackets(reference):
    model = algoscope.load(reference / "arena" / "brackets_model_state_dict.pt", task="brackets")
    return model, load_file(reference / "golden" / "brackets.safetensors")


@pytest.fixture(scope="module")
def values(reference):
    return json.loads((reference / "golden" / "palindromes.json").read_text())


@pytest.mark.parametrize(("name", "source"), [("zero", Zero()), ("mean", Mean())])
def test_ablating_each_palindrome_head_changes_the_loss_as_published(palindromes, name, source):
    model, golden = palindromes
    found = sweep(model, arena_sample(500), heads(model.config, source), loss)
    change = (found.as_grid("layer", "head").values - found.clean).double()
    assert torch.allclose(change, golden[f"head_ablation_{name}_delta_loss_500"].double(), atol=1e-5)


def test_noise_in_place_of_each_palindrome_head_changes_the_loss_as_published(palindromes):
    model, golden = palindromes
    family = []
    for seed in range(50):
        # The reference draws from torch's global generator, seeded before each run.
        noise = torch.randn(500, 22, 28, generator=torch.Generator().manual_seed(seed))
        for layer in range(2):
            for head in range(2):
                site = f"blocks.{layer}.attn.hook_result"
                family.append(Intervention(site, Value(noise.unsqueeze(2)), head=head))
    found = sweep(model, arena_sample(500), family, loss)
    change = (found.values - found.clean).view(50, 2, 2).permute(1, 2, 0)
    assert torch.allclose(change, golden["head_ablation_random_delta_loss_500_draws"], atol=1e-5)


@pytest.mark.parametrize(("name", "source"), [("zero", Zero()), ("mean", Mean())])
def test_ablating_queries_keys_and_values_changes_the_loss_as_published(palindromes, name, source):
    model, golden = palindromes
    found = sweep(model, arena_sample(500)[:200], queries_keys_values(model.config, source), loss)
    change = (found.values - found.clean).view(3, 2, 2)
    assert torch.allclose(change, golden[f"qkv_ablation_{name}_delta_loss_first200"], atol=1e-5)


@pytest.mark.parametrize(("name", "source"), [("zero", Zero()), ("mean", Mean())])
def test_ablating_the_reading_heads_queries_costs_what_was_published(palindromes, values, name, source):
    model, _ = palindromes
    found = sweep(model, arena_sample(100), [Intervention("blocks.1.attn.hook_q", source, head=0)], loss)
    published = values[f"ablation_{name}_q_h10_delta_loss_first100"]["value"]
    assert abs(float(found.values[0] - found.clean) - published) < 1e-5


@pytest.mark.parametrize("side", ["left", "right"])
def test_layer_0_patterns_with_averaged_keys_are_as_published(brackets, side):
    model, golden = brackets
    tokens = Brackets().encode([("(" if side == "left" else ")") * 40])
    patched = Intervention("blocks.0.attn.hook_k", Value(golden["k0_avg"]))
    site = "blocks.0.attn.hook_pattern"
    pattern = run(model, tokens, patched, sites=[site]).cache[site][0]
    assert torch.allclose(pattern, golden[f"attn_layer0_{side}_queries_avg_keys"], atol=1e-5)


def test_attention_from_patched_queries_is_as_published(brackets, reference):
    model, golden = brackets
    data = read_examples(reference / "arena" / "brackets_data.json.gz", Brackets())
    full_and_balanced = (data.tokens != 1).all(1) & (data.labels == 1)
    all_open = Brackets().encode(["(" * 40])
    patched = Intervention("blocks.0.attn.hook_q", FromRun(all_open))
    site = "blocks.0.attn.hook_pattern"
    pattern = run(model, data[full_and_balanced].tokens, patched, sites=[site]).cache[site]
    published = golden["attn_layer0_query1_open_patched_mean_full"]
    assert torch.allclose(pattern[:, :, 1].mean(0), published, atol=1e-5)


def test_attribution_patching_finds_what_the_exact_sweep_finds_only_in_part(brackets):
    """Replacing a head's output is a large step here: the estimate ranks positions, but loosely."""
    model, _ = brackets
    examples = Brackets().sample(200, seed=0)
    family = heads_by_position(model.config, Mean(), range(42))
    metric = logit_difference(towards=0)
    exact = sweep(model, examples, family, metric)
    found = agreement(exact, attribution_patching(model, examples, family, metric))
    assert 0.5 < found.pearson < 0.95
