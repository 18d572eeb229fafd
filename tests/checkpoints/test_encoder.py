"""nn.TransformerEncoder, norm first, gives its own logits."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from algoscope import checkpoints
from algoscope.errors import UserError

TOKENS = torch.tensor([[0, 1, 2, 3], [3, 3, 1, 0]])


class Plain(nn.Module):
    """A model as somebody writes it in an afternoon."""

    def __init__(self, final_norm: bool = True) -> None:
        super().__init__()
        self.embed, self.pos_embed = nn.Embedding(5, 8), nn.Parameter(torch.randn(4, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=True, norm_first=True)
        norm = nn.LayerNorm(8) if final_norm else None
        self.encoder = nn.TransformerEncoder(layer, 2, norm=norm, enable_nested_tensor=False)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens):
        return self.head(self.encoder(self.embed(tokens) + self.pos_embed))


@pytest.fixture
def plain():
    torch.manual_seed(0)
    model = Plain().eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.add_(0.2 * torch.randn(parameter.shape))
    return model


@pytest.mark.parametrize("compiled", [False, True])
def test_its_logits_are_its_own(plain, tmp_path, compiled):
    state = {("_orig_mod." if compiled else "") + name: value for name, value in plain.state_dict().items()}
    torch.save(state, tmp_path / "plain.pt")
    found = checkpoints.read(tmp_path / "plain.pt", n_heads=2, attention_dir="bidirectional", act_fn="relu")
    torch.testing.assert_close(found.model(TOKENS), plain(TOKENS), atol=1e-5, rtol=1e-5)
    assumed = {each.setting: each.source for each in found.inferred}
    assert "assumed" in assumed["norm_first"]


def test_what_its_file_does_not_say_is_asked_for(plain, tmp_path):
    torch.save(plain.state_dict(), tmp_path / "plain.pt")
    with pytest.raises(UserError, match="doesn't say n_heads"):
        checkpoints.read(tmp_path / "plain.pt")
    with pytest.raises(UserError, match="attention_dir"):
        checkpoints.read(tmp_path / "plain.pt", n_heads=2)


def test_two_tables_that_may_be_the_embedding_are_named(plain, tmp_path):
    state = plain.state_dict() | {"token_embedding_2": torch.zeros(7, 8)}
    torch.save(state, tmp_path / "plain.pt")
    with pytest.raises(UserError, match="which is the token embedding"):
        checkpoints.read(tmp_path / "plain.pt", n_heads=2)
