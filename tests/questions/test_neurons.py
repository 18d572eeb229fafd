from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from algoscope.questions.neurons import neurons
from algoscope.questions.seen import see
from algoscope.tasks import registry

HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hand = load("by_hand")


def asked(model, task="majority.py:Majority", count=500):
    known = registry.get(f"{HERE / task.split(':')[0]}:{task.split(':')[1]}")
    return neurons(see(model, known, known.sample(count, 0)))


def found(section, identity):
    (finding,) = (each for each in section.findings if each.id == identity)
    return finding


def with_neurons(heads, n_ctx=6):
    """Neurons 0 and 1 pass on what is in coordinate 2, neuron 2 nothing that matters."""
    model = hand.blank(n_ctx, n_heads=heads, d_mlp=3, act_fn="relu")
    hand.neuron(model, 0, reads=2, weight=1.0, writes=1.0)
    hand.neuron(model, 1, reads=2, weight=-1.0, writes=-1.0)
    hand.neuron(model, 2, reads=hand.BIT, weight=1.0, writes=0.0)
    return model


def counting():
    model = with_neurons(1)
    hand.counts(model, 0, to=2)
    return model


def both_bits():
    """Two heads look at one bit each; a neuron is on where both are ones, another where both are zeros."""
    model = with_neurons(2)
    for head in (0, 1):
        hand.looks_at(model, head, position=head, to=2)
    model.blocks[0].mlp.b_in[:2] = -1.0
    return model


def test_neurons_that_pass_on_a_count_track_it():
    section = asked(counting())
    finding = found(section, "neurons-track")
    assert (finding.value, finding.verdict) == (1.0, "holds")
    assert finding.said == "2 of 2: 2 track how many “zero” in all"
    names = [row[0] for row in section.tables[0].rows]
    assert set(names) == {"MLP 0, neuron 0, the answer", "MLP 0, neuron 1, the answer"}
    assert all(row[3] == pytest.approx(1.0) for row in section.tables[0].rows)


def test_the_effect_is_how_far_the_margin_moves_if_the_neuron_is_set_to_its_mean():
    section = asked(counting(), count=120)
    task = registry.get(f"{HERE / 'majority.py'}:Majority")
    tokens = task.sample(120, 0).tokens
    ahead = (2 * tokens[:, :5].sum(1) - 5).double()
    active = {"0": ahead.clamp(min=0), "1": (-ahead).clamp(min=0)}
    for name, effect, *_ in section.tables[0].rows:
        post = active[name.split()[3].strip(",")]
        # The logits are OUT and -OUT, so the margin moves twice as far, until it goes through zero and on.
        assert effect == pytest.approx(2 * (post - post.mean()).abs().mean().item(), rel=1e-4)


def test_neurons_that_combine_two_bits_track_no_single_quantity():
    section = asked(both_bits())
    finding = found(section, "neurons-track")
    assert (finding.value, finding.verdict) == (0.0, "refuted")
    assert finding.said == "0 of 2"


def test_a_counting_head_tracks_the_count_and_one_that_looks_at_a_bit_does_not():
    counts = found(asked(counting()), "heads-track")
    assert (counts.value, counts.verdict) == ([1.0], "holds")
    assert counts.said.startswith("at the answer: 0.0 how many “zero” in all (1.00)")
    bits = found(asked(both_bits()), "heads-track")
    assert (bits.value, bits.verdict) == ([0.0], "refuted")
    assert bits.said == "none"


def test_an_attention_only_model_has_no_neurons_but_its_heads_are_asked(counting_model):
    section = asked(counting_model)
    missing = found(section, "neurons-track")
    assert (missing.verdict, missing.note) == ("open", "the model is attention-only: it has no neurons")
    # Of its two heads one counts, and the other writes nothing.
    assert found(section, "heads-track").value == [0.5]
    assert len(section.illustrations) == 1


def test_neurons_that_nothing_reads_are_not_called_strong():
    model = counting()
    model.blocks[0].mlp.W_out.zero_()
    hand.counts(model, 0)
    section = asked(model)
    assert found(section, "neurons-track").note == "no neuron moves an answer by itself"
    assert not section.tables


def test_the_figure_counts_the_neurons_of_each_layer_and_place():
    counts, shares, heads = (each.figure for each in asked(counting()).illustrations)
    grid = counts.data[0]
    cells = {
        (row, column.replace("<br>", " ")): value
        for row, values in zip(grid.y, grid.z, strict=True)
        for column, value in zip(grid.x, values, strict=True)
    }
    assert cells["MLP 0, the answer", "how many “zero” in all"] == 2
    assert cells["MLP 0, the answer", "none of these"] == 1
    assert cells["MLP 0, elsewhere", "the token here"] == 1
    assert sum(value for (row, _), value in cells.items() if "elsewhere" in row) == 3
    assert shares.layout.coloraxis.cmax == heads.layout.coloraxis.cmax == 1.0


def test_a_position_at_which_neurons_matter_is_looked_at_by_itself():
    model = hand.blank(6, n_layers=2, d_mlp=1, act_fn="relu")
    hand.neuron(model, 0, reads=hand.BIT, weight=1.0, writes=0.0)
    model.blocks[0].mlp.W_out[0, 3] = 1.0
    hand.looks_at(model, 0, position=3, layer=1, to=hand.OUT)
    model.blocks[1].attn.W_V[0].zero_()
    model.blocks[1].attn.W_V[0, 3, 0] = 1.0
    section = asked(model)
    (row,) = section.tables[0].rows
    assert row[0] == "MLP 0, neuron 0, position 3"
    assert row[2] == "the token here"
    assert found(section, "neurons-track").verdict == "holds"
    assert len(found(section, "heads-track").value) == 1


def test_each_answer_is_told_apart():
    model = hand.blank(22, d_mlp=1, act_fn="relu")
    hand.counts(model, 0)
    section = asked(model, "lopsided.py:Twice")
    assert len(found(section, "heads-track").value) == 2
