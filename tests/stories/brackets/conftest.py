"""The study of the public weights on the data that the golden values are for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from safetensors.torch import load_file
from torch import Tensor

from algoscope import checkpoints
from algoscope.questions.seen import observe
from algoscope.questions.study import Finding, Section
from algoscope.stories.brackets import fooling
from algoscope.stories.brackets.questions import questions
from algoscope.stories.brackets.subject import Subject
from algoscope.tasks.brackets import Brackets
from algoscope.tasks.files import read_examples


class Studied(NamedTuple):
    subject: Subject
    sections: tuple[Section, ...]
    found: dict[str, Finding]
    values: dict[str, dict]
    tensors: dict[str, Tensor]


@pytest.fixture(scope="session")
def studied(reference: Path) -> Studied:
    model = checkpoints.read(reference / "arena/brackets_model_state_dict.pt", task="brackets").model
    examples = read_examples(reference / "arena/brackets_data.json.gz", Brackets())[:5000]
    seen = observe(model, Brackets(), examples)
    with pytest.MonkeyPatch.context() as patch:
        # The rates of fresh strings are no golden values, so a few will do.
        patch.setattr(fooling, "RATED", 1000)
        patch.setattr(fooling, "EACH_KIND", 100)
        sections = questions(seen, 0)
    return Studied(
        Subject(seen, 0),
        sections,
        {finding.id: finding for section in sections for finding in section.findings},
        json.loads((reference / "golden/brackets.json").read_text()),
        load_file(reference / "golden/brackets.safetensors"),
    )
