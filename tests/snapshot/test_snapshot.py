"""All findings of the shipped and the public models, as they were when somebody last looked at them.

`python tests/snapshot/test_snapshot.py` writes them anew; the diff is what a change did to the verdicts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from algoscope import checkpoints
from algoscope.questions.claim import Value
from algoscope.questions.explained import explained
from algoscope.questions.seen import see
from algoscope.questions.standard import STANDARD
from algoscope.stories.known import story_of
from algoscope.tasks import registry

KEPT = Path(__file__).parent / "kept"
EXAMPLES = 400
SHIPPED = tuple(checkpoints.shipped())
PUBLIC = {
    "public-brackets": ("arena/brackets_model_state_dict.pt", "brackets"),
    "public-palindromes": ("arena/palindrome_classifier.pt", "palindromes"),
}


def findings(path: str, task_name: str) -> dict[str, list[object]]:
    """id -> [value, verdict] of every finding and check, in the order in which they are asked."""
    task = registry.get(task_name)
    model = checkpoints.read(path, task=task_name).model
    seen, story = see(model, task, task.sample(EXAMPLES, seed=0)), story_of(task)
    # A search by interventions may choose otherwise where sums are rounded otherwise.
    asked = [question for question in STANDARD if question is not explained]
    sections = [question(seen) for question in (*asked, *(story.questions if story else ()))]
    every = [each for section in sections for each in (*section.findings, *section.checks)]
    found = {each.id: [rounded(each.value), each.verdict] for each in every}
    assert len(found) == len(every), "an id stands twice"
    return found


def rounded(value: Value) -> Value:
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def numbers(value: object) -> Iterator[object]:
    if isinstance(value, list):
        for each in value:
            yield from numbers(each)
    else:
        yield value


def same(value: object, kept: object) -> bool:
    """To what another processor's order of additions changes."""
    pairs = list(zip(numbers(value), numbers(kept), strict=False))
    return len(list(numbers(value))) == len(list(numbers(kept))) and all(
        one == other if not isinstance(other, float) else one == pytest.approx(other, rel=0.03, abs=2e-3)
        for one, other in pairs
    )


@pytest.mark.parametrize("name", [*SHIPPED, *PUBLIC])
def test_every_finding_is_as_it_was(name, request):
    path, task = name, checkpoints.read(name).task if name in SHIPPED else None
    if name in PUBLIC:
        file, task = PUBLIC[name]
        path = str(request.getfixturevalue("reference") / file)
    now, kept = findings(path, task), json.loads((KEPT / f"{name}.json").read_text())
    assert list(now) == list(kept)
    assert {id_: verdict for id_, (_, verdict) in now.items()} == {
        id_: verdict for id_, (_, verdict) in kept.items()
    }
    assert not {id_: (now[id_][0], kept[id_][0]) for id_ in now if not same(now[id_][0], kept[id_][0])}


if __name__ == "__main__":
    KEPT.mkdir(exist_ok=True)
    reference = Path(os.environ["ALGOSCOPE_REFERENCE"])
    wanted = {name: (name, str(checkpoints.read(name).task)) for name in SHIPPED}
    wanted |= {name: (str(reference / file), task) for name, (file, task) in PUBLIC.items()}
    for name, (path, task) in wanted.items():
        (KEPT / f"{name}.json").write_text(json.dumps(findings(path, task), indent=1) + "\n")
        print(name)
