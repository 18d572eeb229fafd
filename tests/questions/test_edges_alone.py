"""Asked of a program whose edges are known, and of untrained models."""

from __future__ import annotations

import pytest

from algoscope.compiled.compiler import compile
from algoscope.compiled.noise import Noise
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer
from algoscope.questions.edges_alone import CLAIMS, edges_alone
from algoscope.questions.seen import see


@pytest.fixture(scope="module")
def program():
    return compile(PROGRAMS["palindrome"], Noise())


def test_of_a_program_behind_noise_its_edges_are_found_and_all_claims_hold(program, verdicts, found):
    section = edges_alone(see(program.model, program.task, program.task.sample(50, 0), 0))
    assert verdicts(section) == {claim.id: "holds" for claim in CLAIMS}
    true = {(str(s), str(r), {"q": "queries", "k": "keys", "v": "values", "in": ""}[i])
            for s, r, i in program.graph.edges}  # fmt: skip
    assert {row[:3] for row in section.tables[0].rows} == true
    share = found(section)["edges-alone-share"]
    assert share.said == f"{len(true)} of 61 edges"
    worth = [row[3] for row in section.tables[0].rows]
    assert worth == sorted(worth, reverse=True)


ONE_HEAD = {"n_layers": 1, "n_heads": 1}
MANY_HEADS = {"n_layers": 2, "n_heads": 6, "d_mlp": 16, "act_fn": "relu"}


@pytest.mark.parametrize(
    ("claim", "sizes", "seed"),
    [
        ("share", ONE_HEAD, 2),
        ("rest", ONE_HEAD, 1),
        ("faithfulness", MANY_HEADS, 1),
        ("unique", MANY_HEADS, 1),
        ("stability", MANY_HEADS, 0),
    ],
)
def test_each_claim_is_refuted_of_an_untrained_model(claim, sizes, seed, echo, verdicts):
    """Random weights may use every edge of a small model, and of a large one any few."""
    shape = {"n_ctx": echo.n_ctx, "d_vocab": len(echo.vocabulary), "d_vocab_out": len(echo.classes)}
    config = Config(d_model=16, d_head=4, attention_dir="causal", **shape, **sizes)
    model = Transformer(config, seed=seed).eval().requires_grad_(False)
    section = edges_alone(see(model, echo, echo.sample(50, 0), 0))
    assert verdicts(section)[f"edges-alone-{claim}"] == "refuted"


def test_a_task_whose_inputs_have_no_partner_leaves_all_open(program, verdicts):
    task = type("Alone", (), {"__getattr__": lambda self, name: getattr(program.task, name)})()
    task.contrasts = lambda n, seed: tuple(each[:1] for each in program.task.contrasts(n, seed))
    section = edges_alone(see(program.model, task, program.task.sample(50, 0), 0))
    assert set(verdicts(section).values()) == {"open"}
    assert "patch with mean or zero" in section.findings[0].note


def test_every_edge_of_the_circuit_is_in_the_picture_at_the_top_of_the_page(program):
    section = edges_alone(see(program.model, program.task, program.task.sample(50, 0), 0))
    (drawn,) = section.overview
    rows = section.tables[0].rows
    assert drawn.figure.svg.count('class="edge"') == len(rows)
    assert f"all of its {len(rows)} edges, of 61" in drawn.caption
