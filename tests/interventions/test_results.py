"""Labels stay with their numbers."""

import math

import pytest
import torch

from algoscope.errors import UserError
from algoscope.interventions.families import (
    components,
    heads,
    heads_by_position,
    mlps,
    neurons,
    on,
    queries_keys_values,
    sites_by_position,
)
from algoscope.interventions.intervention import Intervention
from algoscope.interventions.results import Sweep, label
from algoscope.interventions.sources import Zero
from algoscope.model.component import POSITION, TOKEN, heads_and_mlps
from algoscope.model.config import Config

CONFIG = Config(
    n_layers=2, d_model=4, n_heads=3, d_head=2, n_ctx=5, d_vocab=3, d_vocab_out=2,
    attention_dir="causal", d_mlp=7, act_fn="relu",
)  # fmt: skip


def swept(family):
    """A sweep whose values are their row numbers."""
    labels = tuple(label((one,)) for one in family)
    return Sweep(torch.arange(float(len(family))), torch.tensor(-1.0), labels, "loss")


def test_a_grid_holds_each_value_at_its_layer_head_and_position():
    grid = swept(heads_by_position(CONFIG, Zero(), range(5))).as_grid("layer", "head", "position")
    assert grid.values.shape == (2, 3, 5)
    assert grid.coordinates == ((0, 1), (0, 1, 2), (0, 1, 2, 3, 4))
    for layer in range(2):
        for head in range(3):
            for position in range(5):
                assert grid.values[layer, head, position] == (layer * 3 + head) * 5 + position


def test_a_grid_has_nan_where_the_sweep_has_nothing():
    family = [one for one in heads(CONFIG, Zero()) if one.head != 1 or "blocks.0" in one.site]
    grid = swept(family).as_grid("layer", "head")
    assert math.isnan(grid.values[1, 1])
    assert int(grid.values.isnan().sum()) == 1


def test_a_grid_keeps_the_axes_of_batch_and_class():
    family = heads(CONFIG, Zero())
    logits = Sweep(torch.zeros(6, 8, 2), torch.zeros(8, 2), tuple(label((one,)) for one in family), "logits")
    assert logits.as_grid("head", "layer").values.shape == (3, 2, 8, 2)


def test_a_grid_whose_cells_would_collide_is_refused():
    with pytest.raises(UserError, match="two interventions share layer 0: name another column"):
        swept(heads(CONFIG, Zero())).as_grid("layer")
    with pytest.raises(UserError, match="no column 'heads': the labels have component, site, layer, head"):
        swept(heads(CONFIG, Zero())).as_grid("heads")


def test_top_keeps_the_labels_with_the_values():
    best = swept(heads(CONFIG, Zero())).top(2)
    assert best.values.tolist() == [5, 4]
    assert [(one["layer"], one["head"]) for one in best.labels] == [(1, 2), (1, 1)]
    assert swept(heads(CONFIG, Zero())).top(1, largest=False).values.tolist() == [0]


def test_a_table_has_a_row_for_each_intervention():
    table = swept(neurons(CONFIG, Zero())).to_pandas()
    assert len(table) == 14
    assert table.loc[8, ["layer", "neuron", "loss"]].tolist() == [1, 1, 8.0]


def test_what_acts_on_a_components_output_is_labelled_by_it():
    for family in (components(CONFIG, Zero()), [on(each, Zero(), 3) for each in heads_and_mlps(CONFIG)]):
        assert tuple(one.label["component"] for one in family) == heads_and_mlps(CONFIG)
    embeddings = [Intervention(site, Zero()) for site in ("hook_embed", "hook_pos_embed")]
    assert [one.component for one in embeddings] == [TOKEN, POSITION]
    for site, head in (("blocks.0.attn.hook_z", (0, 1)), ("blocks.0.attn.hook_q", 0), ("nowhere", None)):
        assert Intervention(site, Zero(), head=head).label["component"] is None


def test_a_grid_and_a_table_name_components_in_their_order():
    config = Config.from_dict(CONFIG.to_dict() | {"n_layers": 11, "n_heads": 1})
    found = swept(components(config, Zero()))
    expected = [name for layer in range(11) for name in (f"{layer}.0", f"MLP {layer}")]
    assert [str(each) for each in found.as_grid("component").coordinates[0]] == expected
    assert found.to_pandas()["component"].astype(str).tolist() == expected
    assert "MLP 10" in str(found.to_pandas())


def test_logits_have_no_top_and_no_table():
    logits = Sweep(
        torch.zeros(2, 8, 2), torch.zeros(8, 2), (label((heads(CONFIG, Zero())[0],)),) * 2, "logits"
    )
    for call in (lambda: logits.top(1), logits.to_pandas):
        with pytest.raises(UserError, match="give the sweep a metric"):
            call()


def test_interventions_together_are_labelled_by_what_they_agree_on():
    pair = [Intervention("blocks.0.attn.hook_z", Zero(), head=head, position=3) for head in (0, 1)]
    assert label(pair)["head"] is None
    assert label(pair)["position"] == 3


def test_families_have_one_intervention_for_each_of_their_kind():
    source = Zero()
    sizes = {
        6: heads(CONFIG, source),
        8: components(CONFIG, source),
        12: heads_by_position(CONFIG, source, (0, 4)),
        18: queries_keys_values(CONFIG, source),
        2: mlps(CONFIG, source),
        14: neurons(CONFIG, source),
        30: sites_by_position(CONFIG, source, range(5)),
        20: sites_by_position(CONFIG, source, range(5), ["attn.hook_q", "hook_resid_post"]),
    }
    for size, family in sizes.items():
        names = {tuple(sorted(one.label.items(), key=lambda item: item[0])) for one in family}
        assert len(family) == len(names) == size


def test_an_attention_only_model_has_no_family_of_mlps():
    bare = Config.from_dict(CONFIG.to_dict() | {"d_mlp": None, "act_fn": None})
    for family in (mlps, neurons):
        with pytest.raises(UserError, match="attention-only"):
            family(bare, Zero())
    assert len(sites_by_position(bare, Zero(), range(5))) == 20
