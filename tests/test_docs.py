"""What the docs show has been run."""

import re
from inspect import isfunction
from pathlib import Path

import pytest

from algoscope.interventions import families, metrics, sources

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_python_block_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.MULTILINE | re.DOTALL):
        exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_source_family_and_metric_is_documented():
    text = (ROOT / "docs" / "interventions.md").read_text()
    kinds = [
        name
        for name, value in vars(sources).items()
        if isinstance(value, type) and issubclass(value, sources.Source) and value is not sources.Source
    ]
    functions = [
        name
        for module in (families, metrics)
        for name, value in vars(module).items()
        if isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
    assert len(kinds) >= 7
    assert len(functions) >= 10
    for name in kinds + functions:
        assert f"`{name}" in text, name
