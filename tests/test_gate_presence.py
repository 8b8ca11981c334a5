"""What is there to compare: whole papers, failed references, arms that share runs, damaged files, counts of other code."""
from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from methods.parts import Refused
from repro.commands import check, studying
from repro.gate import noise, promote
from repro.gate.compare import Comparison, compare
from repro.gate.lineup import Lineup, Side
from repro.gate.words import Judged
from repro.schema import Damaged
from repro.store import Store
from tests.gate_toys import Study, check_of, failing, in_suite, judged, only, rewrite
from tests.test_gate_verdicts import STUDY, paper

WORSE = only("lisa", in_suite("heldout", "nll", lambda v: v + 0.02))


def another(store: Store, name: str) -> None:
    """A second paper whose arms are those of the first."""
    index = store.root / "tiny" / "index"
    shutil.copy(index / "fake.json", index / f"{name}.json")


def to_first_version(store: Store) -> None:
    for path in (store.root / "tiny").glob("*.json"):
        values = json.loads(path.read_text())
        for newer in ("schema", "code", "machine", "digests"):
            del values[newer]
        path.write_text(json.dumps(values, indent=1))


def test_a_paper_that_was_asked_for_and_never_planned_is_refused(tmp_path: Path) -> None:
    before, now = Study().write(tmp_path / "reference"), Study().write(tmp_path / "fresh")
    with pytest.raises(Refused, match="holds no plan of helene"):
        compare(now, before, "tiny", {}, ("fake", "helene"))
    assert compare(now, before, "tiny", {}, ("fake",)).status == 0


def test_a_paper_of_the_reference_that_was_not_planned_fails_unless_others_are_named(tmp_path: Path) -> None:
    before, now = Study().write(tmp_path / "reference"), Study().write(tmp_path / "fresh")
    another(before, "other")
    found = compare(now, before, "tiny", {})
    assert [(c.paper, c.kind, c.why.partition(":")[0]) for c in found.failing] == [("other", "run", "missing")]
    assert compare(now, before, "tiny", {}, ("fake",)).status == 0


def test_a_plan_without_arms_is_told_run_by_run(tmp_path: Path) -> None:
    before, now = Study().write(tmp_path / "reference"), Study().write(tmp_path / "fresh")
    another(before, "other")
    (now.root / "tiny" / "index" / "other.json").write_text("[]")
    for only_ in ((), ("fake", "other")):
        found = compare(now, before, "tiny", {}, only_)
        assert {(c.paper, c.why) for c in found.of("skipped")} == {("other", "no longer planned")}


def test_a_run_whose_reference_failed_is_not_called_the_same(tmp_path: Path) -> None:
    found = judged(tmp_path, Study(), Study(failed=("lisa",)))
    runs = {(c.outcome, c.why) for c in found.checks if c.arm == "lisa"}
    assert (runs, found.status) == ({("skipped", "the reference failed")}, 0)
    assert failing(judged(tmp_path / "back", Study(failed=("lisa",)))) == [("lisa", "run")]


def test_arms_that_share_runs_have_all_moved_and_their_verdicts_flip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, now = STUDY.write(tmp_path / "reference"), dataclasses.replace(STUDY, change=WORSE).write(tmp_path / "fresh")
    another(before, "second")
    another(now, "second")
    papers = {name: dataclasses.replace(paper(STUDY), name=name) for name in ("fake", "second")}
    for many in (500, 1):  # here, and in processes of their own
        monkeypatch.setattr("repro.gate.compare.MANY", many)
        found = compare(now, before, "tiny", papers)
        assert {c.paper for c in found.failing if c.kind == "quality"} == {"fake"}, "compared once"
        assert [c.paper for c in found.failing if c.kind == "verdict"] == ["fake", "second"]


def test_a_curve_that_moved_counts_for_a_judged_paper_that_shares_it(tmp_path: Path) -> None:
    sides = [STUDY.write(tmp_path / side) for side in ("reference", "fresh")]
    for store in sides:
        another(store, "second")
    record = next(r for r in sides[1].records("tiny", "fake") if r.arm == "lisa")
    curve = sides[1].curve(record.run_id)
    sides[1].put(record, sides[1].samples(record.run_id), curve.assign(value=curve["value"] + 1))
    lineup = Lineup(Side.reference(sides[0], "tiny", ("fake", "second")), Side.fresh(sides[1], "tiny", (), "core"))
    comparison = Comparison(lineup, None, {}, frozenset({"second"}))
    comparison.walk()
    assert comparison.moved["second"] == {"lisa"}


# ------------------------------------------------------------------------------------------------- numbers that are none


def with_numbers(root: Path, *values: float | None) -> Store:
    """A study whose `lisa` has these losses, seed by seed."""
    store = Study().write(root)
    for path in (root / "tiny").glob("*.json"):
        record = json.loads(path.read_text())
        if record["arm"] == "lisa":
            value = values[record["seed"]]
            rewrite(path, lambda r, v=value: r["metrics"]["heldout"]["nll"].update(value=v))
    return store


@pytest.mark.parametrize(("before", "now", "trouble"), [
    ((None, 1.0, 1.0), (None, 1.0, 1.0), ""), ((None, 1.0, 1.0), (None, 1.0000001, 1.0), ""),
    ((None, 1.0, 1.0), (0.6, 1.0, 1.0), ""), ((None, None, None), (0.6, None, None), ""),
    ((1.0, 1.0, 1.0), (None, 1.0, 1.0), "not a number now"), ((None, 1.0, 1.0), (None, None, 1.0), "not a number now"),
    ((None, 1.0, 1.0), (None, 1.9, 1.9), "less is better")], ids=str)
def test_only_a_seed_that_had_a_number_can_lose_it(tmp_path: Path, before: tuple[float | None, ...],
                                                   now: tuple[float | None, ...], trouble: str) -> None:
    found = compare(with_numbers(tmp_path / "fresh", *now), with_numbers(tmp_path / "reference", *before), "tiny", {})
    nll = check_of(found, "lisa", "heldout nll")
    assert nll.outcome == ("worse" if trouble else "same")
    assert trouble in nll.why


# -------------------------------------------------------------------------------------------------------- damaged files


@pytest.mark.parametrize("part", ["samples", "curve"])
def test_a_broken_file_beside_a_record_without_checksums_is_one_sentence(tmp_path: Path, part: str) -> None:
    before, now = Study().write(tmp_path / "reference"), Study(change=WORSE).write(tmp_path / "fresh")
    to_first_version(before)
    assert failing(compare(now, before, "tiny", {})) == [("lisa", "quality")]
    for path in (before.root / "tiny").glob(f"*.{part}.parquet"):
        path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(Damaged, match=rf"{part}\.parquet; because it is no Parquet.*; restore the reference"):
        compare(now, before, "tiny", {})


def test_the_main_job_ends_well_where_the_reference_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                               capsys: pytest.CaptureFixture[str]) -> None:
    before, now = Study().write(tmp_path / "reference"), Study(change=WORSE).write(tmp_path / "fresh")
    to_first_version(before)
    for path in (before.root / "tiny").glob("*.samples.parquet"):
        path.write_bytes(path.read_bytes()[:-50])
    monkeypatch.setattr(check, "REFERENCE", before.root)
    scale = type("S", (), {"name": "tiny"})()
    studying.show_gate(studying.Job((paper(Study()),), scale, "core", now, tmp_path, 1, ()))
    said = capsys.readouterr().out
    assert "it is no Parquet" in said
    assert "restore the reference" in said


@pytest.mark.parametrize("harm", ["cut", "gone", "record"])
def test_what_is_damaged_is_not_accepted(tmp_path: Path, harm: str) -> None:
    Study().write(tmp_path / "reference")
    store = Study(rng=3).write(tmp_path / "fresh")
    samples = sorted((store.root / "tiny").glob("*.samples.parquet"))[:2]
    for path in samples:
        if harm == "gone":
            path.unlink()
        else:
            path = path if harm == "cut" else path.with_name(path.name.replace(".samples.parquet", ".json"))
            path.write_bytes(path.read_bytes()[:-5])
    before = {p: p.read_bytes() for p in (tmp_path / "reference").rglob("*") if p.is_file()}
    with pytest.raises(Refused, match=r"2 runs are not done and whole: .* is damaged .* is damaged") as refusal:
        promote.promotion(store, Store(tmp_path / "reference"), "tiny", ())
    assert not isinstance(refusal.value, Damaged)
    assert {p: p.read_bytes() for p in (tmp_path / "reference").rglob("*") if p.is_file()} == before


# ------------------------------------------------------------------------------------------- the code behind the floor


def test_a_floor_of_other_code_is_named(tmp_path: Path) -> None:
    def told(study: Judged) -> list[str]:
        return [note for note in study.notes if "measured with other code" in note]

    for side in ("reference", "fresh"):
        for path in (Study().write(tmp_path / side).root / "tiny").glob("*.json"):
            rewrite(path, lambda record: record["content"]["pins"].update(code="abc"))
    before, now = Store(tmp_path / "reference"), Store(tmp_path / "fresh")
    place = noise.place(before.root, "tiny")
    for code, wanted in ((["abc"], []), (["old"], ["(old)", "(abc)"])):
        place.parent.mkdir(exist_ok=True)
        place.write_text(json.dumps({"repeats": 2, "code": code, "spread": {}}))
        said = " ".join(told(compare(now, before, "tiny", {})))
        assert bool(said) == bool(wanted)
        assert all(word in said for word in wanted)
