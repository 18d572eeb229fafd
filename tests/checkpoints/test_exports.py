from __future__ import annotations

import pytest

from algoscope.checkpoints.exports import EXPORTS, export
from algoscope.errors import UserError


def test_a_misspelt_format_is_suggested_and_an_unknown_one_listed(model, tmp_path):
    with pytest.raises(UserError, match="no format 'gpt': did you mean 'gpt2'"):
        export(model, "gpt", tmp_path)
    with pytest.raises(UserError, match="no format 'onnx': there are gpt2 and hooked"):
        export(model, "onnx", tmp_path)
    assert list(EXPORTS) == ["gpt2", "hooked"]


def test_a_model_that_is_there_is_kept_unless_it_is_to_be_replaced(model, tmp_path):
    export(model, "hooked", tmp_path)
    with pytest.raises(UserError, match=r"model\.safetensors is there already: .* --force"):
        export(model, "hooked", tmp_path)
    export(model, "hooked", tmp_path, replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
