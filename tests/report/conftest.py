"""A study made by hand, in which every text tries to break out of the page."""

from __future__ import annotations

from dataclasses import replace

import plotly.graph_objects as go
import pytest

from algoscope.compiled.compiler import compile
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.explanation.library.every import concepts
from algoscope.explanation.places import Node, everywhere
from algoscope.explanation.pool import fill
from algoscope.explanation.written import Written, write
from algoscope.model.component import heads_and_mlps
from algoscope.questions.bound import at_least, at_most
from algoscope.questions.claim import Claim
from algoscope.questions.study import Illustration, Section, Study

EVIL = "</script><script>window.broken = true</script><img src=x onerror='window.broken = true'>"


@pytest.fixture
def evil_study() -> Study:
    figure = go.Figure(
        go.Bar(x=[EVIL, "b"], y=[1.0, float("nan")], name=EVIL), {"title": EVIL, "height": 300}
    )
    good = Claim("good", EVIL, EVIL, at_least(0.1, EVIL), EVIL, EVIL)
    bad = Claim("bad", "This is so.", "head", at_least(4), "here")
    unknown = Claim("unknown", "Nobody knows.", "logits", at_least(2), "here")
    check = Claim("sum", EVIL, EVIL, at_most(1))
    findings = (
        good.measured(0.5, EVIL, EVIL),
        replace(bad.measured(3, "it is 3"), untrained=False),
        unknown.missing("there is nothing"),
    )
    return Study(
        title=f"How {EVIL} works",
        task=EVIL,
        model={
            "name": EVIL,
            "config": {"n_layers": 1, "d_mlp": None},
            "training": {EVIL: EVIL, "nested": {"command": EVIL}},
            "inferred": [{"setting": "act_fn", "value": EVIL, "source": EVIL}],
        },
        data={"source": EVIL, "count": 1234, "kept": 1000, "groups": {EVIL: 1000, "other": 234}},
        seed=7,
        versions={"algoscope": "0"},
        sections=(
            Section(
                "first", EVIL, EVIL, findings, (Illustration(figure, EVIL),), checks=(check.measured(0.5),)
            ),
        ),
    )


@pytest.fixture(scope="session")
def written() -> Written:
    """The program of a model that counts how often each letter occurs, of what its parts carry in truth."""
    compiled = compile(PROGRAMS["histogram"])
    task, model = compiled.task, compiled.model
    pool = fill(model, task, task.sample(300, seed=0))
    count, here = (
        next(each for each in concepts(task, pool.inputs.language, pool.inputs) if each.name == name)
        for name in ("how many times the token here stands in all", "the token here")
    )
    carried = {
        Node(component, everywhere(0)): (count,) if component.head is None else (count, here)
        for component in heads_and_mlps(model.config)
    }
    return write(pool, carried, task.sample(200, seed=1), seed=2)
