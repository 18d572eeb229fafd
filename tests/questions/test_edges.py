from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
import torch

from algoscope.questions.edges import edges
from algoscope.questions.seen import see
from algoscope.tasks import registry

HERE = Path(__file__).parent


def load(name):
    spec = importlib.util.spec_from_file_location(name, HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hand = load("by_hand")


def asked(model, name="Lopsided", seed=0):
    task = registry.get(f"{HERE / 'lopsided.py'}:{name}")
    return edges(see(model, task, task.sample(300, seed), seed))


def found(section, identity):
    (finding,) = (each for each in section.findings if each.id == identity)
    return finding


def one_head():
    model = hand.blank(22)
    hand.counts(model, 0)
    return model


def test_where_most_edges_carry_everything_they_are_not_few():
    few = found(asked(one_head()), "edges-few")
    # embedding to head and head to answer carry all, embedding to answer nothing.
    assert few.value == pytest.approx([2 / 3])
    assert few.verdict == "refuted"
    assert few.said == "2 of 3 edges"


def test_of_a_larger_model_in_which_one_head_counts_few_edges_carry_much():
    model = hand.blank(22, n_layers=2, n_heads=2)
    hand.counts(model, 1)
    section = asked(model)
    few, composed = found(section, "edges-few"), found(section, "edges-composed")
    assert (few.value, few.verdict) == ([pytest.approx(2 / 13)], "holds")
    assert (composed.value, composed.verdict) == ([pytest.approx(0)], "refuted")
    # Eleven ones of 21 against ten: 1 against -1, read twice.
    assert section.tables[0].rows == (
        (0, "embedding", "0.1", pytest.approx(4.0, abs=1e-4), pytest.approx(1.0, abs=1e-4)),
        (0, "0.1", "answer", pytest.approx(4.0, abs=1e-4), pytest.approx(1.0, abs=1e-4)),
    )
    (diagram,) = section.illustrations
    assert "all 2 of 13 edges" in diagram.caption
    assert "Left out are 11 edges, of which none carries more than 0.0%" in diagram.caption
    assert {"embedding to 0.1: 100.0%", "0.1 to answer: 100.0%"} == set(
        re.findall("<title>(.*)</title>", diagram.figure.svg)
    )


def test_a_head_that_passes_its_count_to_an_mlp_builds_on_it():
    model = hand.blank(22, d_mlp=2, act_fn="relu")
    hand.counts(model, 0, to=2)
    hand.neuron(model, 0, reads=2, weight=1.0, writes=1.0)
    hand.neuron(model, 1, reads=2, weight=-1.0, writes=-1.0)
    composed = found(asked(model), "edges-composed")
    assert (composed.value, composed.verdict) == ([pytest.approx(1.0, abs=1e-4)], "holds")
    assert composed.said == "0.0 to MLP 0: 4.00 of 4.00 logits"


def test_without_two_components_in_a_row_composition_is_open():
    composed = found(asked(one_head()), "edges-composed")
    assert composed.verdict == "open"
    assert "no two heads or MLPs" in composed.note


def test_one_counting_head_has_all_of_the_push_and_all_of_the_gap():
    section = asked(one_head())
    agree = found(section, "edges-push-agree")
    assert (agree.value, agree.verdict) == ([pytest.approx(0, abs=1e-4)], "holds")
    assert len(section.tables) == 1


def test_a_head_that_goes_by_a_cue_that_pairs_share_pushes_but_carries_no_gap():
    model = hand.blank(22, n_heads=2)
    hand.counts(model, 0)
    hand.looks_at(model, 1, position=0, scale=20.0)
    section = asked(model)
    agree = found(section, "edges-push-agree")
    assert agree.verdict == "refuted"
    # A tenth of the bits are turned: between the classes the count differs by 33.6, the bit's twentyfold by
    # 32. In a pair the bit is the same, so all of the gap is the count's.
    assert agree.value == [pytest.approx(32 / 65.6, abs=0.03)]
    names = [row[1] for row in section.tables[1].rows]
    assert set(names) == {"0.0", "0.1"}
    assert all(abs(push - edge) > 0.25 for _, _, push, edge in section.tables[1].rows)
    assert "a push knows the mean only" in section.text


@pytest.mark.parametrize("times", [-1.0, 0.2])
def test_a_model_that_tells_pairs_apart_the_wrong_way_or_hardly_has_no_edges_to_speak_of(times):
    model = one_head()
    model.W_U.mul_(times)
    section = asked(model)
    assert {each.verdict for each in section.findings} == {"open"}
    assert "in favour of the truth" in section.findings[0].note
    assert not section.illustrations


class Pairs:
    """What a task may give as pairs that are none."""

    @staticmethod
    def none(task, n, seed):
        examples = task.sample(4, 0)
        return examples[:0], examples[:0]

    @staticmethod
    def alike(task, n, seed):
        examples = task.sample(4, 0)
        return examples, examples


@pytest.mark.parametrize(("pairs", "reason"), [(Pairs.none, "no pairs"), (Pairs.alike, "answered alike")])
def test_without_pairs_that_differ_every_claim_is_open_with_the_reason(pairs, reason):
    task = registry.get(f"{HERE / 'lopsided.py'}:Lopsided")
    task.contrasts = lambda n, seed: pairs(task, n, seed)
    section = edges(see(one_head(), task, task.sample(50, 0)))
    assert {each.verdict for each in section.findings} == {"open"}
    assert all(reason in each.note for each in section.findings)


def test_each_answer_is_told_apart():
    section = asked(one_head(), "Twice")
    few = found(section, "edges-few")
    assert len(few.value) == 2
    assert few.said.startswith("answer 0: ")
    assert {row[0] for row in section.tables[0].rows} == {0, 1}
    assert "for the answer of which it is largest" in section.illustrations[0].caption


def test_a_model_with_many_edges_is_asked_on_fewer_pairs():
    wide = hand.blank(22, n_layers=3, n_heads=8)
    hand.counts(wide, 0)
    assert asked(one_head()).text.startswith("96 pairs")
    count = int(asked(wide).text.split()[0])
    assert 8 <= count < 30


def test_answers_without_a_gap_are_left_out_and_the_finding_says_so():
    model = one_head()
    # At the first answer, position 20, the head looks at position 0 alone, where pairs agree.
    model.W_pos[0, 4] = model.W_pos[20, 7] = 1.0
    model.blocks[0].attn.W_Q[0, 7, 0] = 1.0
    model.blocks[0].attn.W_K[0, 4, 0] = 50.0
    section = asked(model, "Twice")
    few = found(section, "edges-few")
    assert len(few.value) == 1
    assert few.note == "left out, for want of a gap of 1 logit: answer 0"
    assert {row[0] for row in section.tables[0].rows} == {1}
    assert found(asked(one_head(), "Twice"), "edges-few").note == ""


def changed_at(places):
    """All pairs of letters, at these places together; elsewhere stands “a”."""
    pairs = [(one, other) for one in range(4) for other in range(4) if one != other]
    strings = torch.zeros(2, len(pairs), 4, dtype=torch.long)
    for place in places:
        strings[:, :, place] = torch.tensor(pairs).T
    return strings.unbind()


def of_each_letter(echo, echo_model, places):
    """Head 0.0 copies the letter, 8 high; head 0.1 the one before it, which at the first place is the letter.

    The embedding says “a”, 4 high. Pairs differ at some places together, in turn.
    """
    attention = echo_model.block(0).attn
    attention.W_V[1, :4], attention.W_O[1, :, 8:] = torch.eye(4), 8 * torch.eye(4)
    echo_model.W_E[0, 8] = 4
    one, other = (torch.cat(each) for each in zip(*(changed_at(each) for each in places), strict=True))
    echo.contrasts = lambda n, seed: (echo.examples(one), echo.examples(other))
    every = torch.cartesian_prod(*[torch.arange(4)] * 4)
    return found(edges(see(echo_model, echo, echo.examples(every))), "edges-push-agree")


def test_of_four_classes_each_answers_push_is_towards_its_own_truth(echo, echo_model):
    agree = of_each_letter(echo, echo_model, [[0], [1], [2], [3]])
    # Over all letters the embedding has 1 for each 8 of a copying head, along edges and in pushes alike.
    assert (agree.value, agree.verdict) == ([pytest.approx(0, abs=1e-4)] * 4, "holds")


def test_of_four_classes_a_head_that_goes_by_what_pairs_share_with_the_truth_has_edges_but_no_push(
    echo, echo_model
):
    agree = of_each_letter(echo, echo_model, [[0, 1, 2, 3]])
    # Behind the first place, the letter before says nothing of the letter, but in these pairs it is the same.
    assert agree.value == [pytest.approx(each, abs=1e-4) for each in (0, 8 / 17, 8 / 17, 8 / 17)]
    assert agree.verdict == "refuted"
    assert "answer 2: 0.1 has 0% of the push and 47% of the gap" in agree.said
