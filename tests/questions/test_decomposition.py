from __future__ import annotations

import pytest
import torch

from algoscope.analysis.linearised import explained
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.questions.decomposition import decomposition
from algoscope.questions.seen import see


@pytest.fixture
def normed() -> Transformer:
    """A model with a norm, whose stream is the token's embedding alone; give it some."""
    config = Config(
        n_layers=1, d_model=4, n_heads=1, d_head=2, n_ctx=4, d_vocab=4, d_vocab_out=4, attention_dir="causal"
    )
    model = Transformer(config).requires_grad_(False)
    model.W_pos.zero_()
    model.block(0).attn.W_O.zero_()
    return model


def test_a_norm_that_scales_every_input_alike_is_one_linear_map(normed, echo, verdicts):
    # Each of mean zero and of one length.
    normed.W_E[:] = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1], [-1, 1, 0, 0], [0, 0, -1, 1]])
    section = decomposition(see(normed, echo, echo.sample(50, seed=0)))
    assert verdicts(section) == {
        "ln-final-r2": "holds", "ln-final-r2-by-answer": "holds", "decomposition-max-error": "holds",
    }  # fmt: skip


def test_a_norm_that_evens_out_what_differs_in_length_is_not(normed, echo, found):
    normed.W_E[:] = torch.tensor([[1.0], [10], [-1], [-10]]) * torch.tensor([1.0, -1, 1, -1])
    section = found(decomposition(see(normed, echo, echo.sample(2000, seed=0))))
    assert section["ln-final-r2"].verdict == "refuted"
    # Of a sign, the best multiple of the length explains E|x|²/E[x²] = 5.5²/50.5.
    assert section["ln-final-r2"].value == pytest.approx(5.5**2 / 50.5, abs=0.02)
    assert section["ln-final-r2-by-answer"].verdict == "refuted"
    assert section["ln-final-r2-by-answer"].value == pytest.approx([5.5**2 / 50.5] * 4, abs=0.05)


def test_an_answer_at_which_the_norm_acts_otherwise_is_seen_beside_the_others(normed, echo, found):
    normed.W_E[:] = torch.tensor([[1.0, -1, 0, 0], [0, 0, 1, -1], [-1, 1, 0, 0], [0, 0, -1, 1]])
    # What stands at the last place is so large that the token hardly moves its norm.
    normed.W_pos[3] = 50 * torch.tensor([1.0, 1, -1, -1])
    seen = see(normed, echo, echo.sample(400, seed=0))
    finding = found(decomposition(seen))["ln-final-r2-by-answer"]
    assert finding.verdict == "refuted"
    assert min(finding.value[:3]) > 0.9
    rows = seen.components.resid[3::4]
    assert finding.value[3] == explained(seen.fit, normed.ln_final, rows) < 0


def test_one_answer_has_no_answer_numbers_and_no_norm_nothing_to_fit(seen_majority, found):
    section = found(decomposition(seen_majority))
    assert set(section) == {"ln-final-r2", "decomposition-max-error"}
    assert section["ln-final-r2"].verdict == "open"
    assert "no final layer norm" in section["ln-final-r2"].note


def test_a_part_that_is_lost_fails_the_check_and_rounding_does_not(seen_echo, found):
    assert found(decomposition(seen_echo))["decomposition-max-error"].verdict == "holds"
    seen_echo.components.values[1] *= 1.001
    check = found(decomposition(seen_echo))["decomposition-max-error"]
    assert check.verdict == "refuted"
    # 8 logits were written where the stream's largest entry is 8.
    assert check.value == pytest.approx(1e-3, rel=1e-2)
    assert check not in decomposition(seen_echo).findings


def test_a_stream_of_nothing_is_off_by_nothing(seen_echo, found):
    for parameter in seen_echo.model.parameters():
        parameter.zero_()
    assert found(decomposition(seen_echo))["decomposition-max-error"].value == 0.0


def test_the_spread_says_which_part_differs_from_answer_to_answer(seen_echo):
    (illustration,) = decomposition(seen_echo).illustrations
    (bars,) = illustration.figure.data
    share = dict(zip(bars.x, bars.y, strict=True))
    assert list(share) == ["token embedding", "position embedding", "0.0", "0.1"]
    # Token, position and answer vary by 3/4 of 1, 1 and 64.
    assert share["0.0"] == pytest.approx(64 / 66, abs=0.01)
    assert share["position embedding"] == pytest.approx(1 / 66, abs=0.001)
    assert share["0.1"] == 0.0
