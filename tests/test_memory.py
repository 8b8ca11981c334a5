"""Memory at true sizes: cases known by what determines them, kept whole, beside the paper; what fits; counts as verdicts."""
from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from methods import papers
from methods.parts import Refused
from methods.training import Training
from repro.__main__ import app
from repro.claims import Claim, Control, Counted
from repro.memory import simulated
from repro.memory.beside import HEADER, Beside, noted
from repro.memory.cases import Case, Model
from repro.memory.fits import largest_batch, last
from repro.memory.found import GIB
from repro.memory.simulated import every, kept
from repro.papers.lisa import memory as lisa
from repro.papers.lisa.memory_table import of_paper
from repro.papers.numbers import ABSENT, Printed
from repro.shapes import ALL, LLAMA_2_70B, Shapes
from repro.verdict import _verdict
from repro.words import counted as in_words

TOY = Shapes("toy", "llama", 32, 64, 4, 2, 128, 256, "made up")


def case(**fields: object) -> Case:
    made = Case("full", Model.of(TOY), papers.full(1e-3), Training(steps=2, batch_size=2, precision="bf16"), 16)
    return replace(made, **fields)  # type: ignore[arg-type]


def test_a_key_hangs_on_all_that_bytes_hang_on_and_on_nothing_else():
    first = case()
    others = [case(tokens=17), case(attention="sdpa"), case(by="PEFT"), case(recipe=papers.lora(1e-3, r=2)),
              case(training=Training(steps=3, batch_size=2, precision="bf16")), first.with_batch(3),
              case(model=Model.of(replace(TOY, inner=65)))]
    assert len({c.key for c in (first, *others)}) == len(others) + 1
    assert case(label="other", model=Model("another name", TOY.config)).key == first.key


def test_a_second_call_reads_and_a_damaged_record_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    one, two = case(), case(tokens=24)
    (first, found), = every([one], tmp_path, 1)
    assert first is one
    key = one.key
    assert (tmp_path / f"{key}.json").exists(), "simulating does not change the key"
    ran = []
    real = simulated.run
    monkeypatch.setattr(simulated, "run", lambda c: ran.append(c) or real(c))
    again = {c.key: f for c, f in every([one, two], tmp_path, 1)}
    assert again[key] == found
    assert ran == [two]
    monkeypatch.setattr(simulated, "versions", lambda: {"torch": "another"})
    assert kept(one, tmp_path) is None
    assert kept(one, tmp_path, any_version=True) == found
    (tmp_path / f"{key}.json").write_text('{"footprint": ')
    with pytest.raises(Refused, match="no record of a simulation"):
        kept(one, tmp_path)


def test_a_killed_call_leaves_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    real, done = simulated.run, []

    def stops(c: Case):
        if done:
            raise KeyboardInterrupt
        done.append(c)
        return real(c)
    monkeypatch.setattr(simulated, "run", stops)
    with pytest.raises(KeyboardInterrupt):
        list(every([case(), case(tokens=24)], tmp_path, 1))
    assert [f.name for f in tmp_path.iterdir()] == [f"{case().key}.json"]


def test_galores_own_package_is_a_row_where_it_is_installed_and_a_sentence_where_not(monkeypatch: pytest.MonkeyPatch):
    theirs = case(recipe=papers.galore(1e-3, rank=4), by="galore-torch")
    if find_spec("galore_torch") is None:
        with pytest.raises(Refused, match="because the package is not installed"):
            simulated.run(theirs)
        assert not [c for c in lisa.peers() if c.by == "galore-torch"]
    else:
        ours = simulated.run(case(recipe=papers.galore(1e-3, rank=4)))
        state = simulated.run(theirs).footprint.composition["optimizer state"]
        assert 0.8 < state / ours.footprint.composition["optimizer state"] < 1.2


@given(st.lists(st.integers(0, 50), min_size=1, max_size=200), st.integers(0, 3000))
def test_the_last_that_fits(steps: list[int], limit: int):
    sizes = list(accumulate(steps))
    looked: list[int] = []
    found = last(lambda n: looked.append(n) or sizes[n - 1], limit, len(sizes))  # type: ignore[func-returns-value]
    assert found == sum(size <= limit for size in sizes)
    assert len(looked) == len(set(looked)) <= 20


def test_a_straight_line_takes_few_looks():
    looked: list[int] = []
    assert last(lambda n: looked.append(n) or 1000 + 17 * n, 1000 + 17 * 777, 4096) == 777  # type: ignore[func-returns-value]
    assert len(looked) <= 5


def test_the_largest_batch_is_the_one_after_which_it_no_longer_fits(tmp_path: Path):
    sizes = {b: simulated.run(case().with_batch(b)).peak_bytes for b in range(1, 7)}
    assert sorted(sizes.values()) == list(sizes.values())
    assert largest_batch(case(), sizes[4] / GIB, tmp_path) == 4
    assert largest_batch(case(), (sizes[5] - 1) / GIB, tmp_path) == 4
    assert largest_batch(case(), (sizes[1] - 1) / GIB, tmp_path) == 0


def test_shapes_have_as_many_weights_as_the_models():
    """Counts as the models' own cards give them; RoBERTa's with the head that predicts masked tokens."""
    known = {"GPT2-Small": 124_439_808, "RoBERTa-large": 355_412_057, "TinyLlama": 1_100_048_384, "OPT-1.3B": 1_315_758_080,
             "Phi-2": 2_779_683_840, "Mistral-7B": 7_241_732_096, "LLaMA-2-7B": 6_738_415_616, "Llama-3-8B": 8_030_261_248,
             "Qwen2.5-7B": 7_615_616_512, "LLaMA-2-13B": 13_015_864_320, "LLaMA-2-70B": 68_976_648_192, "embedded model": 972_000}
    assert {name: shapes.weights for name, shapes in ALL.items()} == known
    shared = LLAMA_2_70B.share(4)
    an_end, norm = LLAMA_2_70B.vocabulary * LLAMA_2_70B.hidden, LLAMA_2_70B.hidden
    assert (shared.layers, shared.weights * 4) == (20, LLAMA_2_70B.weights + 2 * an_end + 3 * norm)


def test_every_row_of_table_1_has_the_papers_number():
    rows = lisa.table_1()
    assert len(rows) == 42
    assert len({c.key for c in lisa.every()}) == len(lisa.every())
    told = [of_paper(c.model.name, c.label) for c in rows]
    assert all(p is not ABSENT for p in told)
    assert sum(p.value is None for p in told) == 3, "LLaMA-2-70B: full tuning and two ranks ran out of memory"


def test_rows_far_from_the_paper_say_what_it_leaves_open():
    found = simulated.run(case())
    near, far = (Beside(case(), found, Printed(found.gib * by, "1", "verified")) for by in (1.05, 1.5))
    others = {str(case()): [("half the length", found)]}
    shown = noted([near, far, Beside(case(), found)], others)
    assert [bool(row.note) for row in shown] == [False, True, False]
    assert "half the length" in shown[1].note
    assert "−33%" in shown[1].note
    assert sum(map(len, shown[0].cells())) > 0


def test_a_row_shows_what_its_peak_is_for_or_the_peak_of_each_phase():
    found = simulated.run(case(recipe=papers.colm(1e-3, pool=2)))
    peak = found.footprint.peak
    assert max(peak.phases.values()) == peak.bytes == peak.phases[peak.phase]
    assert {"selection", "forward", "backward", "update"} <= set(peak.phases)
    kinds, phases = (dict(zip(HEADER, Beside(case(), found, by_phase=by).cells(), strict=True)) for by in (False, True))
    assert kinds["weights"]
    assert not kinds["choosing"]
    assert phases["choosing"]
    assert not phases["weights"]


def counted(value: float | None, limit: float | None = 10.0) -> Counted:
    return Counted("a", lambda: value, lambda: limit, "GiB")


@pytest.mark.parametrize(("parts", "control", "word", "shown"), [
    ((1.0, 10.0), None, "supported", "supported"), ((1.0, 11.0), None, "refuted", "refuted"),
    ((1.0, None), None, "not run", "not run"), ((1.0,), 1.0, "supported", "supported, but explained by its control: c"),
    ((1.0,), 11.0, "supported", "supported"), ((1.0,), None, "supported", "supported")])
def test_counts_are_judged_without_chance(parts, control, word, shown):
    class Records:
        scale = "tiny"

    controls = () if control is None else (Control("c", (), "it is the control's", (counted(control),)),)
    claim = Claim("C", "s", "table", "more", controls=controls, counted=tuple(map(counted, parts)))
    found = _verdict(claim, Records(), (), None, None, 0.05)  # type: ignore[arg-type]
    assert (found.word, found.headline, found.p) == (word, shown, None)
    assert all("(asked: at most 10)" in in_words(r) or "not run" in in_words(r) for r in found.counted)


# --------------------------------------------------------------------------------------------------------- command


def run(*words: str):
    return CliRunner().invoke(app, ["memory", *words], catch_exceptions=False)


def test_the_command_on_a_known_model_and_a_users_configuration(tmp_path: Path):
    TOY.config.save_pretrained(tmp_path / "mine")
    words = ["--model", "embedded model", "--model", str(tmp_path / "mine"), "--recipe", "lora", "--recipe", "mezo", "--set",
             "lr=0.1", "--seq", "12", "--steps", "1", "--jobs", "1", "--out", str(tmp_path / "out"), "--json"]
    done = run(*words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    rows = told["peaks"]
    assert told["fits"] == []
    assert [(r["model"], r["what"]) for r in rows] == [(m, w) for m in ("embedded model", str(tmp_path / "mine"))
                                                      for w in ("lora", "mezo")]
    assert all(r["bound_bytes"] <= r["simulated_bytes"] == sum(r["composition"].values()) for r in rows)


@pytest.mark.parametrize(("words", "why"), [
    (["--paper", "lisa", "--model", "x"], "with --paper"), ([], "because none is named"), (["--paper", "galore"], "--paper"),
    (["--model", "nobody/nothing"], "configuration nobody/nothing"), (["--model", "Phi-2", "--recipe", "none"], "recipe 'none'"),
    (["--model", "Phi-2", "--precision", "int8"], "int8"), (["--model", "Phi-2", "--attention", "flash"], "flash")])
def test_bad_input_is_one_sentence(words, why, tmp_path: Path):
    with pytest.raises(Refused, match=why) as caught:
        run(*words, "--out", str(tmp_path))
    assert "\n" not in str(caught.value)
