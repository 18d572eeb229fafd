import json

from rich.console import Console

from algoscope.report.program import program_record, program_table


def test_a_program_of_the_true_concepts_agrees_and_its_record_says_so(written) -> None:
    record = program_record(written)
    assert record["agreement"]["mean"] == 1
    assert record["mistakes"] == {"model": 0, "program": 0, "shared": 0, "alike": 0}
    assert record["mistakes_shared"] is None
    assert record["baselines"]["true label"]["kl"] is None
    assert record["baselines"]["most frequent answer"]["agreement"]["mean"] < 0.5
    assert set(record["near_a_change"]) == {"program", *record["baselines"]}


def test_the_record_is_finite_json(written) -> None:
    assert json.loads(json.dumps(program_record(written), allow_nan=False))


def test_the_table_has_a_line_for_the_program_and_each_baseline(written) -> None:
    console = Console(width=160, record=True)
    console.print(program_table(written))
    text = console.export_text()
    for name in ("program", "true label", "most frequent answer", "last node only", "near a change"):
        assert name in text
