"""What the gate says: JUnit XML that consumers can read, Markdown that nothing breaks out of, strict JSON, exit status."""
from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from repro.__main__ import main
from repro.gate import report
from repro.gate.words import Check, Judged
from tests.gate_toys import Study, in_suite, judged, only

WORSE = Check("lisa", "li<sa>|\x00`x`", "quality", 'heldout "nll" & more', "worse", "less is better\nand more | <b>", 1.0,
              math.nan, math.nan, 0.01, 0.005, 0.0, 40, 3)
JUDGED = Judged("tiny", (
    WORSE, Check("lisa", "full", "memory", "state_bytes_peak", "better", "half", 2.0, 1.0, -1.0),
    Check("colm", "new", "run", "seed 0", "skipped", "new: the reference has no such run"),
    Check("colm", "colm", "quality", "math acc", "same", before=0.5, now=0.5, change=0.0)), 4, ("a note",))
ATTRIBUTES = {
    "testsuites": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "skipped", "time"},
    "testcase": {"classname", "name", "time"}, "failure": {"message", "type"}, "skipped": {"message"}, "system-out": set()}
CHILDREN = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "skipped", "system-out"}}


def valid(element: ElementTree.Element) -> None:
    """The structure that GitLab, Jenkins and GitHub's actions read."""
    assert set(element.attrib) == ATTRIBUTES[element.tag], element.tag
    cases = list(element.iter("testcase"))
    if element.tag in ("testsuites", "testsuite"):
        assert int(element.get("tests", "")) == len(cases)
        assert int(element.get("failures", "")) == sum(c.find("failure") is not None for c in cases)
        assert int(element.get("skipped", "")) == sum(c.find("skipped") is not None for c in cases)
    assert len(list(element)) <= 1 or element.tag != "testcase"
    for child in element:
        assert child.tag in CHILDREN.get(element.tag, set())
        valid(child)


def test_in_a_line_the_gate_says_what_failed_first() -> None:
    assert report.told(JUDGED).startswith(f"{JUDGED.totals()} First: {report.sentence(WORSE)}")
    fine = replace(JUDGED, checks=JUDGED.checks[1:])
    assert report.told(fine).startswith("passed. Scale tiny: 4 runs compared, 3 checks, 0 failed")


def test_junit_is_what_consumers_read() -> None:
    root = ElementTree.fromstring(report.junit(JUDGED))
    valid(root)
    assert root.tag == "testsuites"
    assert [s.get("name") for s in root] == ["tiny.lisa", "tiny.colm"]
    case = root[0][0]
    assert case.get("classname") == "tiny.lisa.li<sa>|\N{REPLACEMENT CHARACTER}`x`"
    assert case.get("name") == 'quality: heldout "nll" & more'
    assert "<b>" in (case.find("failure").get("message") or "")  # type: ignore[union-attr]
    names = [(c.get("classname"), c.get("name")) for c in root.iter("testcase")]
    assert len(set(names)) == len(JUDGED.checks)


def test_junit_of_a_real_comparison_has_a_case_for_every_check(tmp_path: Path) -> None:
    found = judged(tmp_path, Study(change=only("lisa", in_suite("heldout", "nll", lambda v: v + 0.05))))
    root = ElementTree.fromstring(report.junit(found))
    valid(root)
    names = [(c.get("classname"), c.get("name")) for c in root.iter("testcase")]
    assert len(names) == len(set(names)) == len(found.checks)
    failed = [c.get("name") for c in root.iter("testcase") if c.find("failure") is not None]
    assert failed == ["quality: heldout nll"]


def test_markdown_keeps_its_table_whatever_a_name_holds() -> None:
    lines = report.markdown(JUDGED).splitlines()
    assert lines[0] == "## Regression gate, scale tiny: 1 failed"
    assert lines[2] == JUDGED.totals()
    row = next(line for line in lines if "heldout" in line)
    assert row.replace("\\|", "").count("|") == len(report.COLUMNS) + 1
    assert "<" not in row.replace("&lt;", "")
    many = replace(JUDGED, checks=(WORSE,) * 100)
    assert f"and {100 - report.SHOWN} more." in report.markdown(many)
    assert "passed" in report.markdown(replace(JUDGED, checks=JUDGED.checks[1:])).splitlines()[0]


def test_json_is_strict_and_carries_what_failed() -> None:
    text = json.dumps(report.to_json(JUDGED), allow_nan=False)
    found = json.loads(text)
    assert (found["status"], found["runs"], found["checks"]) == (1, 4, 4)
    assert [c["name"] for c in found["failed"]] == ['heldout "nll" & more']
    assert found["failed"][0]["now"] is None


Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    def calling(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["repro", "check", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0), *capsys.readouterr()

    return calling


def test_the_command_ends_with_0_1_and_2(call: Call, tmp_path: Path) -> None:
    Study().write(tmp_path / "reference")
    worse = Study(change=only("lisa", in_suite("heldout", "nll", lambda v: v + 0.05)))
    for name, study in (("same", Study()), ("worse", worse)):
        study.write(tmp_path / name / "runs")
    words = ("--baseline", tmp_path / "reference", "--out")
    status, out, _ = call(*words, tmp_path / "same")
    assert (status, out.splitlines()[-1].startswith("Scale tiny: 12 runs compared")) == (0, True)
    status, out, _ = call(*words, tmp_path / "worse")
    assert status == 1
    assert out.splitlines()[0].startswith("FAILED fake/lisa: quality: heldout nll: ")
    assert out.splitlines()[-1].startswith("Scale tiny: 12 runs compared")
    status, out, err = call(*words, tmp_path / "nothing")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "share no finished run" in err
    assert call("--arms", "some")[0] == 2


def test_the_command_writes_its_files_and_the_summary(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Study().write(tmp_path / "reference")
    Study().write(tmp_path / "fresh" / "runs")
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    status, out, _ = call("--reference", tmp_path / "reference", "--out", tmp_path / "fresh", "--json", "--junit",
                          tmp_path / "new" / "gate.xml", "--markdown", tmp_path / "gate.md")
    assert status == 0
    assert json.loads(out)["failed"] == []
    valid(ElementTree.parse(tmp_path / "new" / "gate.xml").getroot())
    assert summary.read_text() == "before\n" + (tmp_path / "gate.md").read_text()
