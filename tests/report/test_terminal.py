from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from algoscope.explanation.words import Sentence
from algoscope.report.terminal import findings_table, study_words


def printed(study) -> str:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(findings_table(study))
    return captured.get()


def test_the_table_has_each_findings_verdict_id_value_and_bound(evil_study):
    lines = printed(evil_study).splitlines()
    assert any(line.startswith("refuted") and " bad " in line and " 3 " in line for line in lines)
    assert any(
        line.startswith("open") and " unknown " in line and "there is nothing" in line for line in lines
    )


def test_text_in_brackets_is_no_markup(evil_study):
    assert "[red]name[/red]" in printed(replace(evil_study, title="[red]name[/red]"))


def test_a_long_value_hides_no_verdict_and_takes_one_line(evil_study):
    section = evil_study.sections[0]
    good = section.findings[0].claim
    finding = replace(good, bound=good.bound.each()).measured([[1.0 / 3] * 9] * 9)
    study = replace(evil_study, sections=(replace(section, findings=(finding,)),))
    (line,) = [line for line in printed(study).splitlines() if f" {finding.id} " in line]
    assert line.startswith(finding.verdict)
    assert "…" in line


def test_findings_that_one_reason_leaves_open_are_told_once(evil_study):
    section = evil_study.sections[0]
    unknown = section.findings[2]
    others = [replace(unknown.claim, id=f"unknown-{number}").missing(unknown.note) for number in (2, 3)]
    study = replace(evil_study, sections=(replace(section, findings=(unknown, *others)),))
    (line,) = [line for line in printed(study).splitlines() if line.startswith("open")]
    assert "unknown and 2 more" in line


def test_what_qualifies_a_verdict_stands_beside_its_bound(evil_study):
    section = evil_study.sections[0]
    close = replace(section.findings[1].claim.measured(4.5), untrained=True)
    study = replace(evil_study, sections=(replace(section, findings=(close,)),))
    assert "at least 4 (untrained too, hangs on it)" in printed(study)


def test_sentences_are_told_one_a_line_and_obey_nothing(evil_study):
    section = replace(evil_study.sections[0], words=(Sentence("\x1b[31mOne\ntwo."), Sentence("Three.", (0,))))
    study = replace(evil_study, sections=(section, *evil_study.sections))
    assert study_words(study).splitlines() == ["\\x1b[31mOne\\ntwo.", "Three."]
    assert study_words(evil_study) == ""
