"""The command line: bad input is one sentence with status 2 and leaves nothing behind; data goes to stdout."""
from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from repro.__main__ import main
from repro.claims import Paper
from repro.commands.recipes import recipe_of, settings_of
from repro.scale import ModelRef, Scale
from repro.store import Store
from repro.study import Record
from tests.engine_fakes import arm, opener, record, result, run


class Said(NamedTuple):
    """What a command left on the two streams, and its status."""

    status: int
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs `python -m repro ...` in this process."""
    def calling(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["repro", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        return Said(int(end.value.code or 0), *capsys.readouterr())

    return calling


def refused(said: Said, *words: str) -> None:
    """One sentence on stderr, status 2, nothing on stdout."""
    assert said.status == 2, said
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    assert "Traceback" not in said.err
    assert "because" in said.err
    for word in words:
        assert word in said.err


def test_help_lists_every_command(call: Call) -> None:
    said = call("--help")
    assert said.status == 0
    for name in ("all", "plan", "run", "report", "check", "accept", "list", "matrix", "train", "eval", "pretrain", "show",
                 "diff", "tune", "leaderboard", "memory", "bench", "judge", "judge-report", "calibrate"):
        assert f" {name} " in said.out


@pytest.mark.parametrize("words", [
    ("plan", "--scale", "huge"), ("plan", "--paper", "nobody"), ("plan", "--arms", "some"), ("list", "nothing"),
    ("bench", "nothing"), ("eval", "--model", "m", "--suite", "mmlu", "--source", "no/such/folder"),
], ids=" ".join)
def test_unknown_names_are_one_sentence(call: Call, words: tuple[str, ...]) -> None:
    refused(call(*words), words[-1])


def test_a_misspelt_option_is_refused(call: Call) -> None:
    assert call("plan", "--scael", "tiny").status == 2


def test_the_matrix_gives_every_refusal_its_sentence(call: Call) -> None:
    cells = json.loads(call("matrix", "--json").out)
    assert any(c["runs"] for c in cells)
    assert all(c["runs"] == (c["refusal"] is None) for c in cells)
    text = call("matrix").out
    assert f"{len(cells)} recipes" in text
    assert text.count("cannot use") == sum(not c["runs"] for c in cells)


def test_lists_are_data(call: Call) -> None:
    names = {row["recipe"] for row in json.loads(call("list", "recipes", "--json").out)}
    assert {"lisa", "full", "lora", "galore"} <= names
    assert {row["scale"] for row in json.loads(call("list", "scales", "--json").out)} == {"smoke", "tiny", "small", "paper"}
    assert "mmlu" in call("list", "suites").out


# ------------------------------------------------------------------------------------------------- records


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder of results with one finished run and one that failed."""
    store = Store(tmp_path / "runs")
    good, bad = run("good"), run("bad")
    store.write_index("tiny", "fake", [good, bad])
    store.put(*result(good, 0.5))
    store.put(*failed(bad))
    return tmp_path


def failed(of: object) -> tuple:  # type: ignore[type-arg]
    from repro.worker import failed as failing

    return failing(of, "the loss became nan at step 3\n\nTraceback ...")  # type: ignore[arg-type]


def test_show_prints_a_record_by_run_and_by_arm(call: Call, results: Path) -> None:
    by_arm = json.loads(call("show", "good", "--out", results, "--json").out)
    by_run = json.loads(call("show", run("good").id, "--out", results, "--json").out)
    assert by_arm == by_run
    assert by_arm[0]["metrics"]["mmlu"]["acc"] == {"value": 0.5, "stderr": None, "n": 1}
    assert "nan at step 3" in call("show", "bad", "--out", results).out
    refused(call("show", "nobody", "--out", results), "nobody")


def test_check_tells_equal_from_worse_and_from_nothing(call: Call, results: Path, tmp_path: Path) -> None:
    reference = Store(tmp_path / "reference")
    Store(results / "runs").write_index("tiny", "fake", [run("good")])
    words = ("check", "--out", results, "--reference", reference.root)
    refused(call(*words), "share no finished run")
    reference.put(*result(run("good"), 0.5))
    assert call(*words).status == 0
    reference.put(*result(run("good"), 0.9))
    said = call(*words, "--json")
    assert said.status == 1
    assert [d["name"] for d in json.loads(said.out)["failed"]] == ["mmlu acc"]


def test_check_sees_a_run_that_fails_now(call: Call, results: Path, tmp_path: Path) -> None:
    reference = Store(tmp_path / "reference")
    reference.put(*result(run("good"), 0.5))
    reference.put(*result(run("bad"), 0.5))
    assert call("check", "--out", results, "--reference", reference.root).status == 1
    assert record(run("bad")).status == "done"


# ------------------------------------------------------------------------------------------------- recipes


def test_fields_of_a_recipe_are_set_by_name() -> None:
    lisa = recipe_of("lisa", 1e-3, {"gamma": 3, "on_switch": "keep", "update.lr": 1}).to_json()
    assert (lisa["scope"]["gamma"], lisa["scope"]["on_switch"], lisa["update"]["lr"]) == (3, "keep", 1.0)
    assert settings_of(["gamma=3", "on_switch=keep", "K=null", "embeddings=false"]) == {
        "gamma": 3, "on_switch": "keep", "K": None, "embeddings": False}


TRAIN = ("train", "--model", "no/such-model", "--data", "no/such-data", "--out")


@pytest.mark.parametrize(("options", "word"), [
    (("--recipe", "lisaa"), "lisaa"), (("--recipe", "lisa", "--set", "gama=2"), "gama"),
    (("--recipe", "lisa", "--set", "gamma"), "field=value"), (("--recipe", "lisa", "--set", "gamma=two"), "gamma"),
    (("--recipe", "full", "--gamma", "2"), "gamma"), (("--recipe", "lisa", "--schedule", "cubic"), "cubic"),
    (("--recipe", "lisa", "--set", "reweight=true", "--set", "probabilities=norm"), "re-weighting"),
])
def test_a_bad_recipe_is_refused_before_anything_is_loaded(call: Call, tmp_path: Path, options: tuple[str, ...],
                                                           word: str) -> None:
    out = tmp_path / "out"
    refused(call(*TRAIN, out, *options), word)
    assert not out.exists()


def test_a_folder_with_other_things_is_left_alone(call: Call, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    refused(call(*TRAIN, tmp_path, "--recipe", "full"), str(tmp_path))
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


# ------------------------------------------------------------------------------------------------- the main job


@pytest.fixture
def study(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """One fake paper whose runs cost nothing; returns the folder of results."""
    weights = tmp_path / "base"
    weights.mkdir()
    (weights / "weights").write_text("1")
    names = ("good", "raise")
    scale = Scale("tiny", "a test", (0,), (), {f"base-{n}": ModelRef(n, folder=weights) for n in names}, {}, {}, ("base-good",))
    paper = Paper("fake", "Fake", "0", arms=lambda scale: tuple(arm(n) for n in names), trials=lambda scale: {},
                  tables=lambda scale: (), figures=lambda scale: (), claims=lambda scale: ())

    def write(papers: object, scale: object, store: Store, root: Path, arms: str) -> Path:
        out = root / "tiny" / "fake"
        out.mkdir(parents=True, exist_ok=True)
        (out / "verdicts.json").write_text(json.dumps([{"claim": "C1", "statement": "So.", "headline": "refuted"}]))
        return root / "index.html"

    monkeypatch.setattr("repro.papers.PAPERS", {"fake": paper})
    monkeypatch.setattr("repro.scales.get", lambda name: scale)
    monkeypatch.setattr("repro.worker.measuring", opener)
    monkeypatch.setattr("repro.site.write.write", write)
    return tmp_path / "results"


def test_the_main_job_runs_what_is_missing_and_tells_what_failed(call: Call, study: Path) -> None:
    plan = json.loads(call("plan", "--out", study, "--json").out)
    assert [r["done"] for r in plan["runs"]] == [False, False]
    assert plan["estimate_s"] is None
    said = call("all", "--out", study, "--jobs", 1)
    assert said.status == 1
    assert "refuted" in said.out
    assert "Gate: cannot check scale tiny; because" in said.out, "the project's reference has no such arm; the job goes on"
    assert "index.html" in said.out
    assert "no estimate yet" in said.err
    assert "ZeroDivisionError: by zero indeed" in said.err
    assert "logs" in said.err
    good = Store(study / "runs").all("tiny")
    assert sorted(r.status for r in good) == ["done", "failed"]
    again = call("run", "--out", study, "--jobs", 1)
    assert "1 done, 1 to do" in again.err
    assert again.out == ""


def test_a_call_with_nothing_left_to_do_starts_no_worker(call: Call, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = json.loads(call("plan", "--out", study, "--json").out)
    store = Store(study / "runs")
    for row in plan["runs"]:
        of = run("good")
        store.put(*(dataclasses.replace(x, run_id=row["run"]) if isinstance(x, Record) else x for x in result(of)))
    monkeypatch.setattr("repro.execute.Pool.hire", None)
    said = call("all", "--out", study)
    assert said.status == 0
    assert "all 2 runs are done" in said.err
