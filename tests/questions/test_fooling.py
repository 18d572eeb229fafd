from __future__ import annotations

from pathlib import Path

import pytest
import torch

from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.questions import fooling as question
from algoscope.questions.fooling import fooling
from algoscope.questions.seen import see
from algoscope.tasks import registry

FILE = Path(__file__).parent / "lopsided.py"


def task(name="Lopsided"):
    return registry.get(f"{FILE}:{name}")


def counting(bias: float = 0.0) -> Transformer:
    """Its one head attends evenly and writes ones minus zeros, plus a bias, towards "more ones".

    A bias above 1 towards "more zeros" makes it wrong on eleven ones of 21, and on these alone.
    """
    config = Config(
        n_layers=1, d_model=4, n_heads=1, d_head=1, n_ctx=22, d_vocab=3, d_vocab_out=2,
        attention_dir="causal", normalization_type="none",
    )  # fmt: skip
    model = Transformer(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        model.W_E[:, 0] = torch.tensor([-22.0, 22.0, 0.0])
        model.blocks[0].attn.W_V[0, 0, 0] = 1.0
        model.blocks[0].attn.W_O[0, 0, 1] = 1.0
        model.W_U[1] = torch.tensor([1.0, -1.0])
        model.b_U[1] = bias
    return model.requires_grad_(False)


def section(model, name="Lopsided", count=50, seed=0, monkeypatch=None):
    asked = task(name)
    return fooling(see(model, asked, asked.sample(count, seed), seed))


def found(section, identity):
    (finding,) = (each for each in section.findings if each.id == identity)
    return finding


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(question, "FRESH", 4000)
    monkeypatch.setattr(question, "AT_FIRST", 4000)


def test_a_model_that_counts_right_is_not_fooled():
    told = section(counting())
    best, rate, unsure = (
        found(told, each) for each in ("adversarial-best", "errors-per-million", "mistakes-unsure")
    )
    assert (best.value, best.verdict) == (0, "holds")
    # 4,050 inputs at hand and 40 walks of 6 steps with 10 neighbours each.
    assert best.said == f"0 found; {4050 + 40 * 61:,} inputs were tried"
    assert rate.value == pytest.approx(1e6 * 1.96**2 / (4000 + 1.96**2))
    assert rate.verdict == "holds"
    assert unsure.verdict == "open"
    assert not told.inputs


def test_the_search_finds_the_one_kind_of_input_that_is_wrong_though_no_sample_has_it():
    told = section(counting(bias=3.0))
    assert found(told, "errors-per-million").said.startswith("0 of 4,000")
    best = found(told, "adversarial-best")
    assert best.verdict == "refuted"
    assert best.value > 20
    assert all(shown.shown.plain.count("one") == 11 for shown in told.inputs)
    assert len({shown.shown.plain for shown in told.inputs}) == len(told.inputs) == 6
    # Eleven ones and ten zeros write a difference of 1 twice, against the bias of 3: logits of 1, so e/(1+e).
    assert found(told, "mistakes-unsure").value == pytest.approx(0.73106, abs=1e-4)
    assert found(told, "mistakes-unsure").verdict == "holds"


def test_a_model_that_says_the_reverse_is_wrong_everywhere_and_sure_of_it():
    model = counting()
    with torch.no_grad():
        model.W_U.neg_()
    told = section(model)
    rate = found(told, "errors-per-million")
    assert (rate.value, rate.verdict) == (pytest.approx(1e6), "refuted")
    assert found(told, "mistakes-unsure").verdict == "refuted"


def test_wrong_inputs_of_the_study_count_though_nothing_else_is_wrong():
    asked = task("Unchangeable")
    wrong = asked.encode(["1" * 11 + "0" * 10, "0" * 10 + "1" * 11, "0" * 21])
    told = fooling(see(counting(bias=3.0), asked, asked.examples(wrong)))
    assert found(told, "adversarial-best").value == 2
    assert [row[2] for row in told.tables[1].rows] == [2, 0]


def test_around_inputs_that_are_wrong_already_there_are_more():
    asked = task()
    wrong = asked.encode(["1" * 11 + "0" * 10, "0" * 21])
    told = fooling(see(counting(bias=3.0), asked, asked.examples(wrong)))
    rows = {way: (tried, different) for way, tried, different in told.tables[1].rows}
    tried, different = rows["around the wrong ones of the inputs of this study"]
    assert tried == 1 * (1 + 2 * 10)
    assert different >= 1


def test_without_neighbours_nothing_is_searched_and_the_section_says_how_to_change_that():
    told = section(counting(bias=3.0), "Unchangeable")
    assert found(told, "adversarial-best").value == 0
    assert found(told, "adversarial-best").said == "0 found; 4,050 inputs were tried"
    assert "`neighbours(tokens, generator)`" in told.text
    assert "`neighbours" not in section(counting()).text


def test_each_answer_is_rated_apart_and_an_input_is_wrong_if_one_of_them_is():
    # At the last bit, the head's mean is over that bit and those before: of 21, not 22. The sign is the same.
    told = section(counting(), "Twice")
    assert found(told, "errors-per-million-each").verdict == "holds"
    assert len(found(told, "errors-per-million-each").value) == 2
    spoilt = counting()
    with torch.no_grad():
        spoilt.W_pos[21, 2] = 1.0
        spoilt.W_U[2] = torch.tensor([-99.0, 99.0])
    told = section(spoilt, "Twice")
    each = found(told, "errors-per-million-each")
    assert each.note == ""
    assert each.value[0] < 1000 < each.value[1]
    assert each.verdict == "refuted"
    assert each.said.startswith("most often wrong is answer 1")
    assert found(told, "errors-per-million").value == pytest.approx(max(each.value))
    assert [row[0] for row in told.tables[0].rows] == ["all", "answer 0", "answer 1"]


def test_the_same_seed_finds_the_same():
    one, two = (found(section(counting(bias=3.0)), "adversarial-best").value for _ in range(2))
    assert one == two


def test_a_place_that_is_answered_too_seldom_is_not_judged(monkeypatch):
    monkeypatch.setattr(question, "FRESH", 3000)
    monkeypatch.setattr(question, "AT_FIRST", 3000)
    seldom = found(section(counting(), "Twice"), "errors-per-million-each")
    assert seldom.verdict == "open"
    assert "often enough" in seldom.note


def test_a_model_that_is_often_wrong_is_asked_on_fewer_inputs_and_one_that_is_not_on_all(monkeypatch):
    monkeypatch.setattr(question, "AT_FIRST", 500)
    never = counting()
    with torch.no_grad():
        never.W_U.neg_()
    assert "500 of 500 fresh inputs wrong" in found(section(never), "errors-per-million").said
    assert "0 of 4,000 fresh inputs wrong" in found(section(counting()), "errors-per-million").said
