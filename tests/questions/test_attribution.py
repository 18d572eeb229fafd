from __future__ import annotations

import pytest
import torch

from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.questions.attribution import attribution
from algoscope.questions.seen import see
from algoscope.tasks import registry


def test_the_head_that_pushes_is_named_with_how_far(seen_majority, found):
    section = attribution(seen_majority)
    finding = found(section)["decisive-head"]
    assert (finding.value, finding.verdict) == ("0.1", "holds")
    # (ones - zeros) a sixth of 6 times, up for one class and down for the other, less its mean on the other.
    sums = seen_majority.examples.tokens[:, :5].double() @ torch.full((5,), 2.0).double() - 5
    more = seen_majority.examples.labels == 0
    push = 2 * (sums[more].mean() - sums[~more].mean()).item()
    assert finding.said == f"head 0.1 pushes {push:.2f} logits"
    assert set(found(section)) == {"decisive-head"}


def test_where_no_head_pushes_far_none_is_named_and_the_strongest_is_told(seen_majority, found):
    seen_majority.model.block(0).attn.W_O *= 0.01
    finding = found(attribution(seen_majority))["decisive-head"]
    assert (finding.value, finding.verdict) == ("", "refuted")
    assert finding.said.startswith("the strongest head, 0.1, pushes 0.0")


def test_without_an_example_to_centre_on_it_is_open_and_nothing_is_drawn(majority, counting_model, found):
    ones = majority.examples(majority.encode(["11111", "11110", "01111"]))
    section = attribution(see(counting_model, majority, ones))
    assert found(section)["decisive-head"].verdict == "open"
    assert (section.illustrations, section.tables) == ((), ())


def test_without_an_example_of_the_first_class_it_is_open(majority, counting_model, found):
    zeros = majority.examples(majority.encode(["00000", "10000"]))
    assert found(attribution(see(counting_model, majority, zeros)))["decisive-head"].verdict == "open"


def test_every_answer_has_its_own_strongest_head(seen_echo, found, verdicts):
    section = attribution(seen_echo)
    assert verdicts(section) == {"decisive-head": "holds", "push-by-answer": "holds"}
    # 8 logits to the true class and none to the others, less the means over answers, which are much alike.
    assert found(section)["push-by-answer"].value == pytest.approx([8.0] * 4, abs=0.2)


def test_an_answer_that_no_head_pushes_is_found_beside_others(seen_echo, found):
    # From the last place head 0.0 looks at the first alone, whatever stands there.
    attention = seen_echo.model.block(0).attn
    attention.W_Q[0, 7] = 99.0 * torch.ones(4)
    attention.W_K[0, 4, :] = 1.0
    by_answer = found(attribution(seen_echo))["push-by-answer"]
    assert by_answer.verdict == "refuted"
    assert by_answer.value[0] > 7
    assert by_answer.value[3] < 1
    assert "answer 3: 0." in by_answer.said


def test_the_table_and_the_map_hold_the_mean_push_of_each_component(seen_echo):
    section = attribution(seen_echo)
    (table,), (_, map_) = section.tables, section.illustrations
    assert table.columns == ("component", "every answer", "answer 0", "answer 1", "answer 2", "answer 3")
    pushed = seen_echo.pushed
    for part, row in zip(pushed.parts, table.rows, strict=True):
        assert row[0] == str(part)
        assert row[1] == pytest.approx(pushed[part].mean().item(), abs=1e-5)
        at_2 = pushed[part][seen_echo.examples.row_number == 2].mean().item()
        assert row[4] == pytest.approx(at_2, abs=1e-5)
    colours = map_.figure.layout.coloraxis
    assert colours.cmin == -colours.cmax
    assert map_.figure.data[0].z[1] == pytest.approx(table.rows[1][2:], abs=1e-5)


def test_the_text_says_what_push_is_not_and_where_need_is_asked(seen_echo, seen_majority):
    for seen in (seen_echo, seen_majority):
        assert "push, not need" in attribution(seen).text
        assert "“Which heads and MLPs does the model need?”" in attribution(seen).text
    assert "“more ones” as against “more zeros”" in attribution(seen_majority).text
    assert "the true class as against the mean of the others" in attribution(seen_echo).text


def test_sets_are_pushed_towards_every_class_s_own_yes_or_no(found):
    task = registry.get("nesting")
    config = Config(
        n_layers=1, d_model=8, n_heads=2, d_head=4, n_ctx=task.n_ctx, d_vocab=len(task.vocabulary),
        d_vocab_out=len(task.classes), attention_dir="causal", pad_token=task.pad,
    )  # fmt: skip
    seen = see(Transformer(config).requires_grad_(False), task, task.sample(40, seed=0))
    section = attribution(seen)
    assert "speaks for the truth, " in section.text
    assert len(found(section)["push-by-answer"].value) == int(seen.kept.row_number.max()) + 1
    assert section.tables[0].columns[1] == "every answer"
