"""What neurons tell by the norm is lost when its scale is held; nothing else is."""

from __future__ import annotations

import torch

from algoscope.analysis.attribution import Direction
from algoscope.analysis.held_norm import neurons_with_held_norm
from algoscope.analysis.neurons import neurons_along
from algoscope.analysis.reading import values_at
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.tasks.brackets import Brackets

CONFIG = Config.from_dict(
    {"n_layers": 2, "d_model": 6, "n_heads": 2, "d_head": 3, "n_ctx": 42, "d_vocab": 5, "d_vocab_out": 2}
    | {"attention_dir": "bidirectional", "pad_token": 1, "d_mlp": 7, "act_fn": "relu"}
)
MODEL = Transformer(CONFIG, seed=3).requires_grad_(False)
EXAMPLES = Brackets().sample(30, seed=0)
ALONG = Direction(torch.arange(6.0), "a class", "somewhere")


def test_it_is_what_the_mean_scale_gives_by_hand():
    mid = values_at(MODEL, EXAMPLES, "blocks.1.hook_resid_mid", 1)
    centred = mid - mid.mean(1, keepdim=True)
    scale = (centred.pow(2).mean(1) + CONFIG.eps).sqrt().mean()
    norm, mlp = MODEL.blocks[1].ln2, MODEL.blocks[1].mlp
    post = ((centred / scale * norm.w + norm.b) @ mlp.W_in + mlp.b_in).relu()
    expected = post * (mlp.W_out @ ALONG.vector)
    found = neurons_with_held_norm(MODEL, EXAMPLES, 1, ALONG, 1)
    assert torch.allclose(found, expected, atol=1e-5)
    assert not torch.allclose(found, neurons_along(MODEL, EXAMPLES, 1, ALONG, 1), atol=1e-2)


def test_on_one_input_alone_nothing_changes():
    alone = EXAMPLES[:1]
    found = neurons_with_held_norm(MODEL, alone, 0, ALONG, 1)
    assert torch.allclose(found, neurons_along(MODEL, alone, 0, ALONG, 1), atol=1e-5)
