"""One head of a user's own model, with weights set by hand: what is said of where it looks?"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from algoscope.model.config import Config
from algoscope.model.head import Head, every_head
from algoscope.model.transformer import Transformer
from algoscope.questions.looks import ALIKE, BY_CONTENT, NAMED, POINTED, looks_of
from algoscope.questions.seen import Seen, see
from algoscope.questions.study import Section
from algoscope.tasks.task import Examples, Task

WORDS, SEQ, PAD = 8, 8, 7
PLACES = torch.eye(SEQ)
BACK_4 = torch.eye(SEQ).roll(-4, 1).tril()
SCATTERED = torch.randn(SEQ, SEQ, generator=torch.Generator().manual_seed(5)) * 0.03
"""Scores that mark no key clearly."""


class Copy(Task):
    """Four digits, then four places that ask for them in turn."""

    name = "copy"
    vocabulary = (*"012345", "?", "pad")
    pad: int | None = PAD
    n_ctx = SEQ
    classes = tuple("012345")
    answer: int | slice = slice(4, 8)
    usual = {"attention_dir": "causal"}  # noqa: RUF012

    def sample(self, n: int, seed: int) -> Examples:
        digits = torch.randint(6, (n, 4), generator=torch.Generator().manual_seed(seed))
        return self.examples(torch.cat([digits, torch.full((n, 4), 6)], 1))

    def label(self, tokens: Tensor) -> Tensor:
        return tokens[:, :4]

    def concepts(self, tokens: Tensor) -> dict[str, Tensor]:
        return {}

    def encode(self, inputs: object) -> Tensor:
        raise NotImplementedError


class Third(Copy):
    """Four digits and four places, the last of which asks for the third."""

    answer = -1

    def label(self, tokens: Tensor) -> Tensor:
        return tokens[:, 2]


def looking(by_place: Tensor, by_token: Tensor | None = None, layers: int = 1) -> Transformer:
    """A head a layer, whose scores are these tables of query and key."""
    d_model = WORDS + SEQ
    config = Config(
        n_layers=layers, d_model=d_model, n_heads=1, d_head=d_model, n_ctx=SEQ, d_vocab=WORDS, d_vocab_out=6,
        attention_dir="causal", normalization_type="none", pad_token=PAD,
    )  # fmt: skip
    model = Transformer(config).requires_grad_(False)
    model.W_E.copy_(torch.eye(WORDS, d_model))
    model.W_pos.copy_(torch.eye(d_model)[WORDS:])
    for layer in range(layers):
        attention = model.block(layer).attn
        attention.W_Q.zero_()
        attention.W_O.zero_()
        attention.W_K[0] = torch.eye(d_model)
        attention.W_Q[0, WORDS:, WORDS:] = by_place * 60 * d_model**0.5
        if by_token is not None:
            attention.W_Q[0, :WORDS, :WORDS] = by_token * 60 * d_model**0.5
    return model


def column(key: int) -> Tensor:
    """A table that marks one key for every query."""
    return PLACES[key].expand(SEQ, SEQ)


def asked(model: Transformer, task: Task) -> Section:
    return looks_of(see(model, task, task.sample(100, seed=0)), every_head(model.config))


def finding(section: Section, claim):
    [found] = [each for each in section.findings if each.id == claim.id]
    return found


FOR_THREES = torch.zeros(WORDS, WORDS)
FOR_THREES[6, 3] = 1
AT_LAST_ITSELF = torch.cat([BACK_4[:-1], PLACES[-1:]])


@pytest.mark.parametrize(
    ("claim", "task", "model", "verdict"),
    [
        (NAMED, Copy(), looking(BACK_4), "holds"),
        (NAMED, Third(), looking(column(2)), "holds"),
        (NAMED, Third(), looking(SCATTERED), "refuted"),
        (POINTED, Third(), looking(BACK_4), "holds"),
        (POINTED, Third(), looking(PLACES * 0), "refuted"),
        (ALIKE, Copy(), looking(BACK_4), "holds"),
        (ALIKE, Copy(), looking(AT_LAST_ITSELF), "refuted"),
        (ALIKE, Copy(), looking(SCATTERED), "open"),
        (BY_CONTENT, Third(), looking(torch.zeros(SEQ, SEQ), FOR_THREES), "holds"),
        (BY_CONTENT, Third(), looking(BACK_4), "refuted"),
    ],
)
def test_a_verdict_is_what_the_weights_say(claim, task, model, verdict):
    assert finding(asked(model, task), claim).verdict == verdict


def test_what_was_measured_names_head_pattern_and_score():
    said = finding(asked(looking(BACK_4), Copy()), NAMED).said
    assert said == "head 0.0 looks 4 places before its own (1.00) from the answers"


def test_a_head_in_none_of_these_ways_is_said_with_what_comes_nearest():
    section = asked(looking(SCATTERED), Third())
    found = finding(section, NAMED)
    assert found.said.startswith("head 0.0 looks in none of these ways (at best ")
    assert section.tables[0].rows[0][2] == "in none of these ways"
    assert found.value[0] < 0.7


def test_an_answer_where_it_looks_elsewhere_has_a_row_of_its_own():
    section = asked(looking(AT_LAST_ITSELF), Copy())
    assert finding(section, ALIKE).value == [pytest.approx(0, abs=1e-6)]
    rows = section.tables[1].rows
    assert [row[:2] for row in rows] == [("0.0", "0 to 2"), ("0.0", "3")]
    assert [row[2] for row in rows] == ["4 places before its own", "at the last place"]


def test_one_answer_an_input_needs_no_claim_about_each():
    section = asked(looking(BACK_4), Third())
    assert [each.id for each in section.findings] == [NAMED.id, POINTED.id, BY_CONTENT.id]
    assert len(section.tables) == 1


def test_the_last_layer_is_judged_from_the_answers_only():
    rows = asked(looking(BACK_4, layers=2), Copy()).tables[0].rows
    assert [row[:2] for row in rows] == [
        ("0.0", "the answers"), ("0.0", "other places"), ("1.0", "the answers"),
    ]  # fmt: skip


def test_where_tokens_are_few_it_is_told_from_which_of_them_a_head_looks_how():
    """Digits look at the first place; 3 looks at itself."""
    own = torch.zeros(WORDS, WORDS)
    own[3, 3] = 2
    section = asked(looking(column(0), own, layers=2), Copy())
    rows = {row[1]: row[2] for row in section.tables[-1].rows}
    assert rows["2"] == "at the first place"
    assert rows["3"] == "at every place with its token, its own included"
    assert {row[0] for row in section.tables[-1].rows} == {"0.0"}


def test_the_answers_own_token_is_known_by_the_name_of_its_class():
    largest = torch.zeros(WORDS, WORDS)
    largest[6, :6] = torch.arange(6.0)

    class Largest(Third):
        def label(self, tokens: Tensor) -> Tensor:
            return tokens[:, :4].amax(1)

    found = finding(asked(looking(torch.zeros(SEQ, SEQ), largest), Largest()), NAMED)
    assert found.said == "head 0.0 looks at the token that is the answer (1.00) from the answers"


def test_no_needed_head_leaves_every_claim_open():
    seen = see(looking(BACK_4), Copy(), Copy().sample(20, seed=0))
    findings = looks_of(seen, ()).findings
    assert [each.verdict for each in findings] == ["open"] * 4
    assert {each.note for each in findings} == {"no head is needed"}
    alone = looks_of(see(looking(BACK_4), Third(), Third().sample(20, seed=0)), ()).findings
    assert [each.id for each in alone] == [NAMED.id, POINTED.id, BY_CONTENT.id]


def test_a_single_place_leaves_no_choice():
    tokens = torch.arange(4)[:, None]
    examples = Examples(tokens, tokens[:, 0], {}, torch.ones(4, 1, dtype=torch.bool))
    findings = looks_of(Seen(looking(BACK_4), Third(), examples), (Head(0, 0),)).findings
    assert {each.note for each in findings} == {"no head has two places to choose from"}


def test_inputs_of_which_no_two_are_as_long_say_nothing_of_content():
    tokens = torch.tensor([[1, 2, 6, PAD], [1, 2, 3, 6]])
    examples = Examples(tokens, tokens[:, 1], {}, tokens == 6)
    found = finding(looks_of(Seen(looking(BACK_4), Third(), examples), (Head(0, 0),)), BY_CONTENT)
    assert found.note == "no two inputs are of the same length"


def test_the_figures_show_every_head_and_say_what_their_axes_are():
    section = asked(looking(BACK_4, layers=2), Copy())
    scores, patterns, *_ = (each.figure for each in section.illustrations)
    assert scores.data[0].y == ("0.0 from the answers", "0.0 from other places", "1.0 from the answers")
    assert "even" in scores.data[0].x
    assert "offset -4" in scores.data[0].x
    assert scores.layout.xaxis.title.text == "pattern"
    assert len(patterns.data) == 4
    assert [trace.y for trace in patterns.data] == [("4", "5", "6", "7")] * 4
