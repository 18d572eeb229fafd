from __future__ import annotations

import zipfile
from dataclasses import replace

import pytest
import safetensors.torch
import torch

from algoscope import checkpoints
from algoscope.checkpoints.content import read_content
from algoscope.checkpoints.size import refuse_too_large
from algoscope.errors import UserError


def test_a_file_with_packed_parts_is_refused(tmp_path):
    torch.save({"w": torch.zeros(300_000)}, tmp_path / "plain.pt")
    with (
        zipfile.ZipFile(tmp_path / "plain.pt") as old,
        zipfile.ZipFile(tmp_path / "packed.pt", "w", zipfile.ZIP_DEFLATED) as new,
    ):
        for part in old.namelist():
            new.writestr(part, old.read(part))
    with pytest.raises(UserError, match="packed, and larger than the file"):
        read_content(tmp_path / "packed.pt")


def test_a_zip_file_of_another_kind_is_one_error(tmp_path):
    torch.save({"w": torch.zeros(3)}, tmp_path / "new.pt")
    content = bytearray((tmp_path / "new.pt").read_bytes())
    content[content.rindex(b"PK\x01\x02") + 6] = 99  # the version of zip that is needed to read it
    (tmp_path / "new.pt").write_bytes(content)
    with pytest.raises(UserError, match="damaged or incomplete"):
        read_content(tmp_path / "new.pt")


def test_one_number_shown_a_billion_times_is_refused(tmp_path):
    torch.save({"embed.W_E": torch.zeros(1).expand(1_000_000, 100_000)}, tmp_path / "wide.pt")
    with pytest.raises(UserError, match=r"the same .* bytes over and over"):
        read_content(tmp_path / "wide.pt")


def test_tied_weights_are_read(tmp_path):
    weight = torch.randn(50, 40)
    torch.save({"a": weight, "b": weight, "c": weight.T}, tmp_path / "tied.pt")
    assert len(read_content(tmp_path / "tied.pt").tensors) == 3


def test_a_model_much_larger_than_its_file_is_not_built(model):
    learnt = model.state_dict()
    refuse_too_large(model.config, learnt)
    with pytest.raises(UserError, match="tensors are missing"):
        refuse_too_large(replace(model.config, n_heads=1000), learnt)
    with pytest.raises(UserError, match="1,001 layers: a small transformer has up to 1,000"):
        refuse_too_large(replace(model.config, n_layers=1001), learnt)


@pytest.mark.parametrize("blocks", [200, 2000])
def test_a_file_of_many_empty_blocks_is_refused_at_once(padded_model, tmp_path, blocks):
    state = {
        name: value for name, value in padded_model.float().state_dict().items() if "blocks.1" not in name
    }
    state |= {f"blocks.{layer}.ln1.w": torch.ones(8) for layer in range(1, blocks)}
    safetensors.torch.save_file(state, tmp_path / "many.safetensors")
    with pytest.raises(UserError, match=r"tensors are missing|2,000 layers"):
        checkpoints.read(tmp_path / "many.safetensors", attention_dir="causal", act_fn="relu")
