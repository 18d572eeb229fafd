"""A sweep against one run for each intervention: every site and source, on models of every kind."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from torch import Tensor

from algoscope.errors import UserError
from algoscope.interventions import softmax_update
from algoscope.interventions import sweep as sweep_module
from algoscope.interventions.families import heads_by_position, sites_by_position
from algoscope.interventions.intervention import Intervention, place, refuse_overwriting
from algoscope.interventions.metrics import accuracy, loss, loss_by_row
from algoscope.interventions.needs import Inputs
from algoscope.interventions.run import run
from algoscope.interventions.sources import Add, FromRun, Mean, Resample, Value, Zero
from algoscope.interventions.sweep import sweep
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples


@pytest.fixture
def causal(tokens_for):
    config = Config(
        n_layers=2, d_model=6, n_heads=2, d_head=3, n_ctx=4, d_vocab=5, d_vocab_out=2, attention_dir="causal"
    )
    model = Transformer(config, seed=1).double().requires_grad_(False)
    return model, tokens_for(model)


def some_examples(model, tokens, answer=0, position_ids=None):
    """Answered at one position, at a slice of them, or where a mask says."""
    answered = torch.zeros_like(tokens, dtype=torch.bool)
    if isinstance(answer, Tensor):
        answered = answer
    else:
        answered[:, answer] = True
    labels = torch.arange(int(answered.sum())) % model.config.d_vocab_out
    return Examples(tokens, labels, {}, answered, position_ids)


def one_by_one(model, examples, variants):
    """Row by row, example by example and from left to right."""
    labels = examples.labels if len(examples.labels) == len(examples) else None
    rows = examples.answered.nonzero().tolist()
    found = []
    for variant in variants:
        ids = examples.position_ids
        logits = run(model, examples.tokens, variant, labels=labels, position_ids=ids).logits
        found.append(torch.stack([logits[example, position] for example, position in rows]))
    return torch.stack(found)


def editable(model):
    """Every site but the norms' scales, whose zeros would divide: NaN passes masks that numbers don't."""
    return [name for name in model.sites if not name.endswith("hook_scale")]


@st.composite
def selections(draw, site, config, seq):
    """A selection along each axis that the site has: one index, several, or all."""
    sizes = {"head": config.n_heads, "neuron": config.d_mlp, "key": seq, "seq": seq, "query": seq}
    chosen = {}
    for axis in set(site.axes) & set(sizes):
        indices = st.integers(0, sizes[axis] - 1)
        several = st.lists(indices, min_size=1, max_size=3, unique=True).map(tuple)
        name = "position" if axis in ("seq", "query") else axis
        chosen[name] = draw(st.one_of(indices, indices, several, st.none()))
    return chosen


@st.composite
def answered_examples(draw, model, tokens):
    """One answer or several, at the same places or at others in each input, at positions from any start."""
    batch, seq = tokens.shape
    masks = st.lists(st.booleans(), min_size=batch * seq, max_size=batch * seq).filter(any)
    answers = st.one_of(
        st.sampled_from([0, -1, slice(0, 2), slice(None)]),
        masks.map(lambda mask: torch.tensor(mask).view(batch, seq)),
    )
    return some_examples(model, tokens, draw(answers), draw(position_ids(model, tokens)))


def position_ids(model, tokens):
    """None, or an id drawn for each place."""
    ids = st.lists(
        st.integers(0, model.config.n_ctx - 1), min_size=tokens.numel(), max_size=tokens.numel()
    ).map(lambda ids: torch.tensor(ids).view(tokens.shape))
    return st.one_of(st.none(), ids)


@st.composite
def variants(draw, model, examples):
    """One to three interventions that act together and do not overwrite each other."""
    tokens = examples.tokens
    other_ids = draw(position_ids(model, tokens))
    config, seq = model.config, tokens.shape[1]
    names = draw(st.lists(st.sampled_from(editable(model)), min_size=1, max_size=3, unique=True))
    labels = torch.arange(len(tokens)) % config.d_vocab_out
    alone = [Mean(per="class", labels=labels)]
    per_class = [Mean(per="class"), Mean(per="class", over=tokens.flip(0), labels=labels)]
    sources = [
        *alone,
        *(per_class if Inputs.of(examples).classes is not None else []),
        Zero(),
        Mean(),
        Mean(per="all"),
        Mean(over=tokens.flip(0), position_ids=other_ids),
        Resample(seed=draw(st.integers(0, 9))),
        FromRun(tokens.flip(0)),
        FromRun(tokens[:1], None if other_ids is None else other_ids[:1]),
        Value(torch.tensor(0.7, dtype=torch.float64)),
        Add(torch.tensor(0.3, dtype=torch.float64)),
    ]
    of_tokens = [each for each in sources if isinstance(each, Resample | FromRun)]
    of_tokens.append(Value(torch.tensor(0 if config.pad_token else 1)))
    drawn = tuple(
        Intervention(
            name,
            draw(st.sampled_from(of_tokens if name == "hook_tokens" else sources)),
            **draw(selections(model.sites[name], config, seq)),
        )
        for name in names
    )
    try:
        refuse_overwriting([(each, place(model, each, seq)) for each in drawn], config)
    except UserError:
        # One value under two names.
        reject()
    return drawn


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_a_sweep_equals_one_run_for_each_intervention(data, draw_model):
    model, tokens = draw_model(data)
    examples = data.draw(answered_examples(model, tokens))
    drawn = data.draw(st.lists(variants(model, examples), min_size=1, max_size=6))
    found = sweep(model, examples, drawn).values
    assert torch.allclose(found, one_by_one(model, examples, drawn), rtol=1e-8, atol=1e-8)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_single_positions_at_every_site_equal_one_run_each(data, draw_model):
    model, tokens = draw_model(data)
    examples = data.draw(answered_examples(model, tokens))
    source = data.draw(st.sampled_from([Zero(), Resample(seed=1), FromRun(tokens.flip(0))]))
    kinds = [name for name in editable(model) if name.startswith("blocks.")]
    site = data.draw(st.sampled_from(kinds))
    family = [Intervention(site, source, position=position) for position in range(tokens.shape[1])]
    found = sweep(model, examples, family).values
    assert torch.allclose(found, one_by_one(model, examples, family), rtol=1e-8, atol=1e-8)


def test_scales_of_norms_can_be_swept_too(padded_model, tokens_for):
    examples = some_examples(padded_model, tokens_for(padded_model))
    scales = [name for name in padded_model.sites if name.endswith("hook_scale")]
    family = [Intervention(name, Resample(seed=1), position=p) for name in scales for p in range(5)]
    found = sweep(padded_model, examples, family).values
    assert torch.allclose(found, one_by_one(padded_model, examples, family), rtol=1e-8, atol=1e-8)


def test_small_chunks_and_blocks_of_the_batch_give_the_same(padded_model, tokens_for, monkeypatch):
    tokens = tokens_for(padded_model, batch=7)
    examples = some_examples(padded_model, tokens)
    family = heads_by_position(padded_model.config, Resample(seed=2), range(5))
    whole = sweep(padded_model, examples, family).values
    monkeypatch.setattr(sweep_module, "CACHE", 3 * 4 * 5 * 8)
    assert torch.allclose(sweep(padded_model, examples, family).values, whole)
    losses = sweep(padded_model, examples, family, loss, memory=20_000).values
    assert torch.allclose(losses, sweep(padded_model, examples, family, loss).values)


def test_an_edit_that_can_not_reach_the_answer_gives_the_clean_logits_exactly(padded_model, tokens_for):
    examples = some_examples(padded_model, tokens_for(padded_model))
    last = "blocks.1.attn.hook_z"
    family = [Intervention(last, Value(torch.tensor(torch.nan)), position=p) for p in range(1, 5)]
    found = sweep(
        padded_model, examples, [*family, Intervention("blocks.0.hook_resid_pre", Zero(), position=1)]
    )
    assert torch.allclose(found.clean, padded_model(examples.tokens)[:, 0])
    assert all(torch.equal(found.values[row], found.clean) for row in range(4))
    assert not torch.allclose(found.values[4], found.clean)


@pytest.mark.parametrize("metric", [None, accuracy])
def test_a_variant_of_no_interventions_is_the_clean_run(padded_model, tokens_for, metric):
    examples = some_examples(padded_model, tokens_for(padded_model))
    family = [(), Intervention("hook_embed", Zero())]
    swept = sweep(padded_model, examples, family, metric)
    assert torch.equal(swept.values[0], swept.clean)
    assert set(swept.labels[0].values()) == {None}
    assert swept.labels[0].keys() == swept.labels[1].keys()
    assert torch.allclose(
        sweep(padded_model, examples, family).values, one_by_one(padded_model, examples, family)
    )


def test_scores_that_let_later_keys_through_make_later_edits_count(causal):
    model, tokens = causal
    pair = (
        Intervention("blocks.1.attn.hook_attn_scores", Zero(), position=0),
        Intervention("hook_embed", Zero(), position=2),
    )
    examples = some_examples(model, tokens)
    found = sweep(model, examples, [pair]).values
    assert torch.allclose(found, one_by_one(model, examples, [pair]))
    assert not torch.allclose(found, sweep(model, examples, [pair[0]]).values)


def sharpened(model, factor):
    """The same model with attention so sharp that one key gets nearly all of the weight."""
    with torch.no_grad():
        for block in model.blocks:
            block.attn.W_Q *= factor
            block.attn.b_Q *= factor
    return model


@pytest.mark.parametrize("factor", [1, 10, 100])
def test_where_a_pattern_rests_on_the_replaced_position_it_is_computed_afresh(
    padded_model, tokens_for, factor, monkeypatch
):
    model = sharpened(padded_model.float(), factor)
    examples = some_examples(model, tokens_for(model, batch=6))
    pattern = model.run_with_cache(examples.tokens, ["blocks.1.attn.hook_pattern"])[1][
        "blocks.1.attn.hook_pattern"
    ]
    family = sites_by_position(model.config, Resample(seed=1), range(5))
    expected = one_by_one(model, examples, family)
    assert torch.allclose(sweep(model, examples, family).values, expected, atol=1e-5)
    if factor == 100:
        assert pattern.max() > 1 - 1e-6
        monkeypatch.setattr(softmax_update, "GUARD", -1.0)
        unguarded = sweep(model, examples, family).values
        assert not torch.allclose(unguarded, expected, atol=1e-5), "the guard is what makes this exact"


def test_the_model_is_left_as_it_was_when_a_sweep_is_interrupted(padded_model, tokens_for):
    examples = some_examples(padded_model, tokens_for(padded_model))
    before = padded_model(examples.tokens)

    def interrupted(logits, clean, labels):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(padded_model, examples, [Intervention("hook_embed", Zero())], interrupted)
    assert torch.equal(padded_model(examples.tokens), before)


@pytest.mark.parametrize(
    ("family", "metric", "says"),
    [
        ([], None, "a sweep of 0 interventions over 3 answers"),
        ([Intervention("blocks.0.attn.hook_z", Zero(), head=5)], None, "head 5 does not exist"),
        (["blocks.0.attn.hook_z"], None, "is no Intervention"),
        (
            [Intervention("hook_embed", Zero())],
            lambda logits, clean, labels: 1.0,
            "must return one number a variant",
        ),
    ],
)
def test_what_can_not_be_swept_is_an_error(padded_model, tokens_for, family, metric, says):
    with pytest.raises(UserError, match=says):
        sweep(padded_model, some_examples(padded_model, tokens_for(padded_model)), family, metric)


@pytest.mark.parametrize("label", [-1, 3])
def test_labels_that_are_none_of_the_models_classes_are_an_error(padded_model, tokens_for, label):
    one = some_examples(padded_model, tokens_for(padded_model))
    examples = Examples(one.tokens, torch.tensor([0, label, 1]), {}, one.answered)
    with pytest.raises(UserError, match=r"labels reach from .*: there are the classes 0 to 2"):
        sweep(padded_model, examples, [Intervention("hook_embed", Zero())], accuracy)


def test_a_metric_is_the_metric_of_the_logits(padded_model, tokens_for):
    examples = some_examples(padded_model, tokens_for(padded_model))
    family = sites_by_position(padded_model.config, Zero(), range(5))
    logits = sweep(padded_model, examples, family).values
    right = (logits.argmax(-1) == examples.labels).double().mean(1)
    assert torch.allclose(sweep(padded_model, examples, family, accuracy).values, right)


def test_a_metric_may_keep_answers_apart(padded_model, tokens_for):
    tokens = tokens_for(padded_model)
    mask = torch.tensor([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]], dtype=torch.bool)
    examples = some_examples(padded_model, tokens, mask)
    family = sites_by_position(padded_model.config, Zero(), range(5))
    logits = sweep(padded_model, examples, family)
    found = sweep(padded_model, examples, family, loss_by_row)
    assert found.values.shape == (len(family), 3)
    for row, label in enumerate(examples.labels):
        assert torch.allclose(found.values[:, row], -logits.values[:, row].log_softmax(-1)[:, label])
    assert torch.allclose(found.clean.mean(), sweep(padded_model, examples, family, loss).clean)


def test_an_answer_that_is_a_set_is_measured_as_one(padded_model, tokens_for):
    one = some_examples(padded_model, tokens_for(padded_model), slice(0, 2))
    family = [Intervention("blocks.1.attn.hook_z", Zero())]
    clean = sweep(padded_model, one, family).clean
    examples = Examples(one.tokens, clean > 0, {}, one.answered)
    found = sweep(padded_model, examples, family, accuracy)
    assert found.clean == 1
    expected = (one_by_one(padded_model, one, family)[0] > 0) == (clean > 0)
    assert torch.allclose(found.values[0], expected.all(1).double().mean())


def test_a_mean_per_class_needs_one_answer_to_each_input(padded_model, tokens_for):
    examples = some_examples(padded_model, tokens_for(padded_model), slice(0, 2))
    with pytest.raises(UserError, match="needs the class of each input"):
        sweep(padded_model, examples, [Intervention("hook_embed", Mean(per="class"))])


MEASURED = """
import resource, sys, threading, torch
from algoscope.interventions.families import heads_by_position
from algoscope.interventions.metrics import loss
from algoscope.interventions.sources import Resample
from algoscope.interventions.sweep import sweep
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.task import Examples

torch.set_num_threads(1)
config = Config(n_layers=2, d_model=64, n_heads=4, d_head=16, d_mlp=256, act_fn="relu", n_ctx=32, d_vocab=9,
                d_vocab_out=2, attention_dir="bidirectional")
model = Transformer(config).requires_grad_(False)
answered = torch.arange(32).expand(1500, 32) == 0
examples = Examples(torch.randint(9, (1500, 32)), torch.zeros(1500, dtype=torch.long), {}, answered)
family = heads_by_position(config, Resample(), range(0, 32, 8))
sweep(model, examples[:8], family, loss)

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

def look():
    while not done.wait(0.0005):
        seen.append(resident())

before = resident()
seen, done = [before], threading.Event()
watch = threading.Thread(target=look)
watch.start()
sweep(model, examples, family, loss, memory=int(sys.argv[1]))
done.set()
watch.join()
print(max(seen) - before)
"""


def test_peak_memory_stays_under_the_budget():
    budget = 64 * 2**20
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(budget)], capture_output=True, text=True, check=True
    )
    assert budget / 50 < int(done.stdout) < budget
