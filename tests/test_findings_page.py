"""docs/findings.md lists every claim as the code has it.

`python tests/test_findings_page.py` writes its tables anew.
"""

from __future__ import annotations

import importlib
import pkgutil
from itertools import groupby
from pathlib import Path
from types import ModuleType

from algoscope.questions.claim import Claim
from algoscope.questions.standard import STANDARD
from algoscope.stories.known import STORIES

PAGE = Path(__file__).parents[1] / "docs/findings.md"
MARK = "<!-- The rest is written by tests/test_findings_page.py. -->\n"


def modules(name: str) -> list[ModuleType]:
    """A package's modules."""
    package = importlib.import_module(name)
    return [
        importlib.import_module(each.name) for each in pkgutil.walk_packages(package.__path__, f"{name}.")
    ]


def claims(module: ModuleType) -> list[Claim]:
    """The claims that a module makes, in its order; not those that it takes from another."""
    source = Path(str(module.__file__)).read_text()
    made = {id(value): value for value in vars(module).values() if isinstance(value, Claim)}
    return [claim for claim in made.values() if f'"{claim.id}"' in source]


def ordered(found: list[ModuleType], asked: list[str]) -> list[ModuleType]:
    """In the order in which they are asked; those that are asked by another come last."""
    return sorted(found, key=lambda module: asked.index(module.__name__) if module.__name__ in asked else 999)


def tables(name: str, asked: list[str]) -> str:
    """A table for each module that makes claims, under the question that it asks."""
    text = ""
    for module in ordered(modules(name), asked):
        if rows := claims(module):
            text += f"### {(module.__doc__ or '').splitlines()[0]}\n\n"
            text += "| id | claim | unit | bound |\n|---|---|---|---|\n"
            for claim, _ in groupby(rows):
                cells = claim.sentence, claim.unit, str(claim.bound)
                text += f"| `{claim.id}` | " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
            text += "\n"
    return text


def written() -> str:
    """What stands below the mark."""
    text = "## Of every task\n\n" + tables("algoscope.questions", [each.__module__ for each in STANDARD])
    for task, story in STORIES.items():
        text += f"## {story.source}: {task}\n\n"
        text += tables(f"algoscope.stories.{task}", [each.__module__ for each in story.questions])
    return text.rstrip() + "\n"


def test_the_page_lists_every_claim_as_the_code_has_it():
    assert PAGE.read_text().split(MARK)[1] == written()


def test_claims_are_found_where_they_are_made():
    accuracy = importlib.import_module("algoscope.questions.accuracy")
    assert {"accuracy", "loss"} <= {claim.id for claim in claims(accuracy)}


if __name__ == "__main__":
    PAGE.write_text(PAGE.read_text().split(MARK)[0] + MARK + written())
