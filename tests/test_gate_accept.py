"""Accepting: what is not whole is refused, the old is never lost silently, a kill leaves the old or the new; noise floors."""
from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import pytest

from methods.parts import Refused
from repro.__main__ import main
from repro.gate import noise, promote
from repro.gate.curves import PLACE
from repro.store import Store
from tests.gate_toys import Study, failing, in_suite, judged, noisy, only, rewrite

WORSE = Study(change=only("lisa", in_suite("heldout", "nll", lambda v: v + 0.05)))
OTHER_RUNS = dataclasses.replace(WORSE, probes=("norms:9",))
"""Runs of other content, so of other names."""


def accept(tmp: Path, reason: str = "better so", papers: tuple[str, ...] = ()) -> dict[str, object]:
    made = promote.promotion(Store(tmp / "fresh"), Store(tmp / "reference"), "tiny", papers)
    return promote.accept(made, reason)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


def test_what_was_accepted_is_the_reference_and_the_reason_is_kept(tmp_path: Path) -> None:
    assert failing(judged(tmp_path, WORSE)) == [("lisa", "quality")]
    entry = accept(tmp_path)
    assert judged(tmp_path, WORSE).status == 0
    kept = [json.loads(line) for line in (tmp_path / "reference" / "tiny" / "accepted.jsonl").read_text().splitlines()]
    assert kept == [entry]
    assert {"date", "reason", "code", "commit", "dirty", "changed", "replaced", "dropped"} <= entry.keys()
    changed = entry["changed"]
    assert isinstance(changed, list)
    assert [(c["arm"], c["metric"]) for c in changed] == [("lisa", "heldout nll")]
    assert changed[0]["after"] - changed[0]["before"] == pytest.approx(0.05)
    accept(tmp_path, "again")
    lines = (tmp_path / "reference" / "tiny" / "accepted.jsonl").read_text().splitlines()
    assert [json.loads(line)["reason"] for line in lines] == ["better so", "again"]


def test_replaced_and_dropped_runs_are_named_and_leave_no_files(tmp_path: Path) -> None:
    old = Study(arms=("full", "lisa", "gone"))
    old.write(tmp_path / "reference")
    dataclasses.replace(OTHER_RUNS, arms=("full", "lisa", "new")).write(tmp_path / "fresh")
    entry = accept(tmp_path)
    assert len(entry["replaced"]) == 6  # type: ignore[arg-type]
    assert [d.partition(":")[0] for d in entry["dropped"]] == [f"fake/gone/{s}" for s in range(3)]  # type: ignore[attr-defined]
    reference, fresh = (files(tmp_path / side / "tiny") for side in ("reference", "fresh"))
    assert reference.keys() == fresh.keys() | {"accepted.jsonl"}
    assert {k: v for k, v in reference.items() if k in fresh and k != "index/fake.json"} == {
        k: v for k, v in fresh.items() if k != "index/fake.json"}


def test_an_ablation_that_did_not_run_keeps_its_old_record(tmp_path: Path) -> None:
    Study().write(tmp_path / "reference")
    dataclasses.replace(OTHER_RUNS, ablations=("colm",), absent=("colm",)).write(tmp_path / "fresh")
    before = {r.run_id for r in Store(tmp_path / "reference").records("tiny", "fake") if r.arm == "colm"}
    accept(tmp_path)
    after = Store(tmp_path / "reference").records("tiny", "fake")
    assert len(after) == 12
    assert {r.run_id for r in after if r.arm == "colm"} == before


@pytest.mark.parametrize(("study", "word"), [
    (Study(failed=("lora",)), "failed"), (Study(absent=("lora",)), "missing"), (Study(arms=()), "no plan")],
    ids=["a failed run", "a missing run", "no plan"])
def test_what_is_not_whole_is_refused_and_nothing_changes(tmp_path: Path, study: Study, word: str) -> None:
    Study().write(tmp_path / "reference")
    if study.arms:
        study.write(tmp_path / "fresh")
    before = files(tmp_path / "reference")
    with pytest.raises(Refused, match=word):
        accept(tmp_path)
    assert files(tmp_path / "reference") == before


def test_records_of_other_code_and_unknown_papers_are_refused(tmp_path: Path) -> None:
    store = Study().write(tmp_path / "fresh")
    with pytest.raises(Refused, match="no plan of lisa"):
        accept(tmp_path, papers=("lisa",))
    for path in (store.root / "tiny").glob("*.json"):
        rewrite(path, lambda record: record["content"]["pins"].update(code="another state"))
    with pytest.raises(Refused, match="other code than this tree's"):
        accept(tmp_path)
    assert not (tmp_path / "reference").exists()


class Killed(BaseException):
    """Nothing catches this, as nothing catches SIGKILL."""


@pytest.mark.parametrize("step", range(0, 50, 3))
def test_a_kill_at_any_file_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """The process ends at one of its renames; the next comparison or promotion settles it."""
    Study(arms=("full", "lisa"), seeds=(0, 1)).write(tmp_path / "reference")
    dataclasses.replace(OTHER_RUNS, arms=("full", "lisa"), seeds=(0, 1)).write(tmp_path / "fresh")
    old, left = Store(tmp_path / "reference").records("tiny", "fake"), step
    real = Path.replace

    def counted(self: Path, target: Path) -> Path:
        tick()
        return real(self, target)

    def tick() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed

    write = promote.atomic.write_bytes
    monkeypatch.setattr(promote.atomic, "write_bytes", lambda path, content: (tick(), write(path, content))[1])
    monkeypatch.setattr(Path, "replace", counted)
    try:
        accept(tmp_path)
        killed = False
    except Killed:
        killed = True
    monkeypatch.undo()
    ready = (tmp_path / "reference" / "tiny" / ".accepting" / "moves.json").exists()
    promote.finish(tmp_path / "reference", "tiny")
    now = Store(tmp_path / "reference").records("tiny", "fake")
    new = Store(tmp_path / "fresh").records("tiny", "fake")
    assert now == (new if ready or not killed else old)
    assert len(now) == 4
    accept(tmp_path)
    assert Store(tmp_path / "reference").records("tiny", "fake") == new
    assert not (tmp_path / "reference" / "tiny" / ".accepting").exists()


# ------------------------------------------------------------------------------------------------ the noise floor


def repeats(tmp: Path, *changes: Study) -> list[Path]:
    for i, study in enumerate(changes):
        study.write(tmp / f"repeat-{i}" / "runs")
    return [tmp / f"repeat-{i}" for i in range(len(changes))]


def test_the_floor_is_the_largest_difference_between_repeats(tmp_path: Path) -> None:
    shifts = [in_suite("heldout", "nll", lambda v, by=by: v + by) for by in (0.0, 0.004, -0.003)]
    folders = repeats(tmp_path, *(Study(change=only("lisa", shift, 1)) for shift in shifts))
    Study().write(tmp_path / "reference")
    noise.write(folders, "tiny", tmp_path / "reference", "three machines")
    read = noise.read(tmp_path / "reference", "tiny")
    assert read is not None
    assert read.repeats == 3
    assert read.floor("fake/lisa", "heldout", "nll") == pytest.approx(0.007)
    assert read.floor("fake/full", "heldout", "nll") == 0.0
    assert read.floor("fake/full", *PLACE) == 0.0
    assert read.floor("fake/new", "heldout", "nll") is None
    within = in_suite("heldout", "nll", lambda v: v + 0.013)
    assert judged(tmp_path, Study(change=only("lisa", within))).status == 0
    assert failing(judged(tmp_path, Study(change=only("full", within)))) == [("full", "quality")]
    assert len(Store(tmp_path / "reference").all("tiny")) == 12, "the floor does not lie among the records"


def test_a_path_that_is_left_is_caught_where_its_noise_was_measured(tmp_path: Path) -> None:
    import pandas as pd

    Study().write(tmp_path / "reference")
    Study().write(tmp_path / "fresh")
    store = Store(tmp_path / "fresh")
    for record in store.records("tiny", "fake"):
        if record.arm == "lisa":
            curve = store.curve(record.run_id)
            loss = curve["kind"] == "train_loss"
            store.put(record, store.samples(record.run_id), pd.DataFrame(curve.assign(value=curve["value"].where(~loss, 2.1))))
    from repro.gate.compare import compare

    assert compare(store, Store(tmp_path / "reference"), "tiny", {}).status == 0
    noise.write(repeats(tmp_path, Study(), Study()), "tiny", tmp_path / "reference", "twice")
    found = compare(store, Store(tmp_path / "reference"), "tiny", {})
    assert failing(found) == [("lisa", "path")]
    assert found.failing[0].change == pytest.approx(0.05)


def test_what_are_no_repeats_is_refused(tmp_path: Path) -> None:
    one, other = repeats(tmp_path, Study(), OTHER_RUNS)
    with pytest.raises(Refused, match="two repeats or more"):
        noise.measure([one], "tiny")
    with pytest.raises(Refused, match="two repeats or more"):
        noise.measure([one, one], "tiny")
    with pytest.raises(Refused, match="share no finished run"):
        noise.measure([one, other], "tiny")
    place = noise.place(tmp_path, "tiny")
    place.parent.mkdir(parents=True)
    place.write_text("[]")
    with pytest.raises(Refused, match=r"noise\.json"):
        noise.read(tmp_path, "tiny")


def test_the_command_accepts_and_measures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                          capsys: pytest.CaptureFixture[str]) -> None:
    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["repro", "accept", "--reference", str(tmp_path / "reference"), *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        return int(end.value.code or 0), said.out + said.err

    folders = repeats(tmp_path, Study(), Study(change=noisy(1)))
    assert call("--out", folders[0])[0] == 2
    assert "--reason is empty" in call("--out", folders[0], "--reason", " ")[1]
    status, said = call("--out", folders[0], "--reason", "first")
    assert (status, "12 runs are the reference now" in said) == (0, True)
    assert call("--reason", "two", "--noise", folders[0], "--noise", folders[1])[0] == 0
    assert noise.read(tmp_path / "reference", "tiny") is not None
