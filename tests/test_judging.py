"""A judge behind a real server on loopback: every judgment arrives once, whatever the server does and whoever is killed."""
from __future__ import annotations

import json
import os
import random
import socket
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from methods.parts import Refused
from suites.mt_bench import judges
from suites.mt_bench.complaints import wait_s
from suites.mt_bench.estimate import agreed, estimate
from suites.mt_bench.grading import grade
from suites.mt_bench.judges import LocalJudge, OpenAiJudge
from suites.mt_bench.judgments import Single
from suites.mt_bench.ledger import Ledger
from suites.mt_bench.patience import Gate, Patience, Stopped, Transient
from suites.mt_bench.wanted import Asked
from tests.openai_server import MODEL, WRONG_KEY, Script, kill_half_way, serving

KEY = "sk-a-secret-key-of-the-test"
FIELDS = ["question_id", "model", "judge", "user_prompt", "judgment", "score", "turn", "tstamp"]
HOUSE = Path(__file__).resolve().parent.parent
TROUBLE = ("429", "500", "503", "drop", "half", "garbage", "page", "empty", "blank")


def wanted(n: int = 160) -> list[Asked]:
    return [Asked(81 + i // 2, 1 + i % 2, "a-model", "Be fair.", f"prompt {i} ü\u2028\n", "single-v1") for i in range(n)]


def quick(**fields: object) -> Gate:
    """No real waiting; what was waited is not kept."""
    return Gate(sleep=lambda seconds: None, **fields)  # type: ignore[arg-type]


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_bytes().decode().split("\n")[:-1]]


def keys(path: Path) -> list[tuple]:
    return sorted((r["question_id"], r["turn"], r["model"]) for r in rows(path))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def made():
    """Makes judges and closes them."""
    all_ = []

    def make(url: str, model: str = MODEL, **fields: object) -> OpenAiJudge:
        all_.append(OpenAiJudge(model, url, **fields))  # type: ignore[arg-type]
        return all_[-1]

    yield make
    for judge in all_:
        judge.close()


class Fake:
    """A judge without a server, and a clock that nobody waits for."""

    name = "fake"

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.time, self.starts = list(errors), 0.0, []

    def __call__(self, system: str, user: str) -> str:
        self.starts.append(self.time)
        if self.errors:
            raise self.errors.pop(0)
        return "Fine. [[8]]"

    def gate(self, **fields: object) -> Gate:
        return Gate(now=lambda: self.time, sleep=self.sleep, chance=lambda: 0.0, **fields)  # type: ignore[arg-type]

    def sleep(self, seconds: float) -> None:
        self.time += seconds


# ------------------------------------------------------------------------------------------- exactly once


def test_all_arrive_exactly_once_whatever_the_server_does(tmp_path, made):
    words = [random.Random(0).choice((*TROUBLE, "answer", "answer", "answer")) for _ in range(250)]
    words[5] = words[100] = "stall"
    script, out, seen = Script(words), tmp_path / "new" / "judge_single.jsonl", []
    with serving(script) as url:
        found = grade(wanted(), made(url, timeout_s=0.5), out, 8, watch=lambda *at: seen.append(at), parse=lambda text: 7,
                      gate=quick(patience=Patience(tries=40)))
    assert (found.before, found.added, found.complete) == (0, 160, True)
    assert keys(out) == sorted(a.key for a in wanted())
    assert Counter(script.answered) == Counter(a.user for a in wanted()), "no judgment was paid twice"
    assert seen[-1] == (160, 160)
    row = next(r for r in rows(out) if r["question_id"] == 81 and r["turn"] == 2)
    assert list(row) == FIELDS
    assert row | {"tstamp": 0} == {"question_id": 81, "model": "a-model", "judge": [MODEL, "single-v1"], "tstamp": 0, "turn": 2,
                                   "user_prompt": wanted()[1].user, "judgment": "Good. Rating: [[7]]", "score": 7}
    assert KEY not in out.read_text()


def test_a_killed_client_goes_on_with_what_is_missing(tmp_path, made):
    out, script = tmp_path / "j.jsonl", Script(["answer", "500", "drop", "429"] * 10, retry_after="0", most=70)
    code = ("import json, sys; from pathlib import Path; from suites.mt_bench.judges import OpenAiJudge\n"
            "from suites.mt_bench.grading import grade; from suites.mt_bench.wanted import Asked\n"
            "from suites.mt_bench.patience import Gate\n"
            "asked = [Asked(**one) for one in json.load(sys.stdin)]\n"
            "grade(asked, OpenAiJudge('judge-1', sys.argv[1]), Path(sys.argv[2]), 4, gate=Gate(sleep=lambda s: None))")
    with serving(script) as url:
        kill_half_way(code, wanted(), script, url, out)
        kept = out.read_bytes()
        done = {r["user_prompt"] for r in rows(out)}
        assert 60 < len(done) < 80
        first = len(script.asked)
        found = grade(wanted(), made(url), out, 4, gate=quick())
        assert (found.before, found.added) == (len(done), 160 - len(done))
    assert set(script.asked[first:]) == {a.user for a in wanted()} - done
    assert len(script.asked) - first == 160 - len(done)
    assert out.read_bytes().startswith(kept)
    assert keys(out) == sorted(a.key for a in wanted())


def test_a_torn_last_line_is_cut_and_asked_for_again(tmp_path, caplog):
    out, fake = tmp_path / "j.jsonl", Fake()
    grade(wanted(4), fake, out, 1, gate=fake.gate())
    whole = out.read_bytes()
    out.write_bytes(whole[:-9])
    assert grade(wanted(4), fake, out, 1, gate=fake.gate()).added == 1
    assert "torn" in caplog.text
    assert out.read_bytes().startswith(whole[:whole[:-1].rfind(b"\n") + 1])
    out.write_bytes(whole[:-1])  # whole but for its line feed: kept
    assert grade(wanted(4), fake, out, 1, gate=fake.gate()).added == 0
    assert out.read_bytes() == whole
    assert len(fake.starts) == 5


def test_a_line_that_is_no_judgment_is_refused_and_left(tmp_path):
    out = tmp_path / "j.jsonl"
    out.write_text('{"question_id": 1}\n')
    with pytest.raises(Refused, match="line 1"):
        grade(wanted(4), Fake(), out)
    assert out.read_text() == '{"question_id": 1}\n'


def test_a_full_disk_leaves_whole_lines(tmp_path, monkeypatch):
    out, write = tmp_path / "j.jsonl", os.write
    fake = Fake()
    grade(wanted(2), fake, out, 1, gate=fake.gate())
    whole = out.read_bytes()
    monkeypatch.setattr(os, "write", lambda handle, content: write(handle, content[:10]))
    with pytest.raises(OSError, match="space"):
        grade(wanted(4), fake, out, 1, gate=fake.gate())
    assert out.read_bytes() == whole


def test_a_changed_prompt_is_refused_and_other_judges_are_not_touched(tmp_path):
    out, fake, other = tmp_path / "j.jsonl", Fake(), Fake()
    grade(wanted(4), fake, out, gate=fake.gate())
    changed = [Asked(a.question_id, a.turn, a.model, a.system, a.user + "!", a.prompt_name) for a in wanted(4)]
    with pytest.raises(Refused, match="another prompt"):
        grade(changed, fake, out)
    other.name = "another"
    assert grade(changed, other, out, gate=other.gate()).added == 4
    with pytest.raises(Refused, match="twice"):
        grade(wanted(2) * 2, fake, out)


def test_two_processes_on_one_file_are_refused(tmp_path):
    out = tmp_path / "j.jsonl"
    with Ledger(out, Single), pytest.raises(Refused, match="another process"):
        grade(wanted(2), Fake(), out)
    assert grade(wanted(2), Fake(), out).complete


# ------------------------------------------------------------------------------- one sentence at once


@pytest.mark.parametrize(("key", "model", "path", "words"), [
    (WRONG_KEY, MODEL, "", ("key", "OPENAI_API_KEY")), (KEY, "judge-2", "", ("judge-2", "no such model")),
    (KEY, MODEL, "/nowhere", ("--base-url", "no chat completions")),
], ids=("key", "model", "path"))
def test_what_cannot_work_is_one_sentence_without_a_retry(tmp_path, made, monkeypatch, key, model, path, words):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    script, out = Script(), tmp_path / "j.jsonl"
    with serving(script) as url, pytest.raises(Refused) as told:
        grade(wanted(), made(url + path, model), out, 1)
    _one_sentence(str(told.value), *words)
    assert key not in str(told.value)
    assert script.asked == []
    assert out.read_bytes() == b""


def test_no_server_is_one_sentence(tmp_path, made):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:hidden@127.0.0.1:{free.getsockname()[1]}/v1"
    with pytest.raises(Refused) as told:
        grade(wanted(), made(url), tmp_path / "j.jsonl", 1)
    _one_sentence(str(told.value), "no server", "--base-url")
    assert "hidden" not in str(told.value)
    for bad in ("not a url", "http://[::1", "ftp://x/v1"):
        with pytest.raises(Refused):
            made(bad)("", "x")


def test_a_server_that_goes_is_waited_for_then_refused(tmp_path, made):
    with serving(Script()) as url:
        judge = made(url)
        grade(wanted(1), judge, tmp_path / "j.jsonl")
        judge.close()
    judge = made(url)
    judge._answered = True
    with pytest.raises(Transient):
        judge("", "x")
    with pytest.raises(Refused, match="no server"):
        grade(wanted(4), judge, tmp_path / "j.jsonl", gate=quick())
    assert len(rows(tmp_path / "j.jsonl")) == 1


def _one_sentence(text: str, *words: str) -> None:
    assert text.startswith("cannot ")
    assert "; because " in text
    assert text.count(";") == 2
    assert "\n" not in text
    for word in words:
        assert word in text


def test_an_error_of_ours_ends_the_run_and_keeps_what_was_paid(tmp_path):
    def broken(text: str) -> float:
        raise ZeroDivisionError

    out, fake = tmp_path / "j.jsonl", Fake()
    with pytest.raises(ZeroDivisionError):
        grade(wanted(9), fake, out, 1, parse=broken, gate=fake.gate())
    assert [r["score"] for r in rows(out)] == [-1] * len(fake.starts) == [-1]


def test_ctrl_c_keeps_what_was_paid(tmp_path):
    def watch(done: int, of: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    out, fake = tmp_path / "j.jsonl", Fake()
    with pytest.raises(KeyboardInterrupt):
        grade(wanted(2000), fake, out, 4, watch=watch, gate=fake.gate())
    assert 3 <= len(rows(out)) == len(fake.starts) < 2000


@pytest.mark.parametrize(("script", "word"), [
    (["answer", "answer", "quota"], "credit"), (["setting"], "settings"), (["pinned"], "no such model"),
], ids=("credit", "setting", "model"))
def test_other_ends_of_a_run(tmp_path, made, script, word):
    served = Script(script)
    with serving(served) as url, pytest.raises(Refused, match=word) as told:
        grade(wanted(9), made(url), tmp_path / "j.jsonl", 1, gate=quick())
    _one_sentence(str(told.value), "[key]")
    assert KEY not in str(told.value)
    assert len(rows(tmp_path / "j.jsonl")) == script.count("answer") == len(served.asked) - 1


def test_what_fails_after_all_tries_is_told_and_the_others_go_on(tmp_path, made):
    script = Script(["400", *["500"] * 3, "answer"])
    out = tmp_path / "j.jsonl"
    with serving(script) as url:
        found = grade(wanted(6), made(url), out, 1, gate=quick(patience=Patience(tries=3)))
        assert (found.added, len(found.failed)) == (4, 2)
        assert "too long a prompt" in str(found)
        assert "3 times" in str(found)
        assert KEY not in str(found)
        assert grade(wanted(6), made(url), out, 1).added == 2


def test_the_key_comes_from_the_environment_alone(monkeypatch, made):
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(Refused, match="OPENAI_API_KEY"):
        OpenAiJudge("gpt-4")
    with pytest.raises(Refused, match="MY_KEY"):
        made("http://127.0.0.1:1/v1", key_variable="MY_KEY")
    assert made("http://127.0.0.1:1/v1")._client.api_key == judges.STAND_IN
    monkeypatch.setenv("MY_KEY", KEY + "\n")
    assert made("http://127.0.0.1:1/v1", key_variable="MY_KEY")._client.api_key == KEY
    assert KEY not in repr(made("http://127.0.0.1:1/v1", key_variable="MY_KEY"))
    monkeypatch.setenv("MY_KEY", "schlüssel")
    with pytest.raises(Refused, match="characters") as told:
        made("http://127.0.0.1:1/v1", key_variable="MY_KEY")
    assert "schlüssel" not in str(told.value)


# --------------------------------------------------------------------------------------------- waiting


def test_the_rate_counts_every_request_also_repeated_ones(tmp_path):
    fake = Fake(Transient("busy"), Transient("busy"))
    grade(wanted(8), fake, tmp_path / "j.jsonl", 1, gate=fake.gate(per_minute=30))
    assert len(fake.starts) == 10
    assert all(b - a >= 2 - 1e-9 for a, b in zip(fake.starts, fake.starts[1:], strict=False))


def test_waits_double_and_retry_after_is_honoured(tmp_path):
    fake = Fake(*[Transient("busy")] * 4)
    grade(wanted(1), fake, tmp_path / "a.jsonl", 1, gate=fake.gate())
    assert fake.starts == [0, 0.5, 1.5, 3.5, 7.5]
    fake = Fake(Transient("limit", 20.0))
    grade(wanted(1), fake, tmp_path / "b.jsonl", 1, gate=fake.gate())
    assert fake.starts == [0, 20]
    fake = Fake(Transient("limit", 1e6))
    assert "1000000 s" in str(grade(wanted(1), fake, tmp_path / "c.jsonl", 1, gate=fake.gate()))
    assert fake.time == 0


def test_a_limit_holds_every_thread():
    fake = Fake()
    gate = fake.gate()
    gate.ask(lambda: Fake(Transient("limit", 30.0))("", "") if fake.time == 0 else "fine")
    assert gate._free == 30


def test_retry_after_over_the_wire(made):
    with serving(Script(["429"] * 3, retry_after="Wed, 21 Oct 2015 07:28:00 GMT")) as url, pytest.raises(Transient) as told:
        made(url)("", "x")
    assert told.value.wait_s == 0
    with serving(Script(["429"])) as url, pytest.raises(Transient) as told:
        made(url)("", "x")
    assert told.value.wait_s == 7
    assert KEY not in str(told.value)
    assert wait_s({"retry-after-ms": "1500", "retry-after": "2"}) == 1.5  # type: ignore[arg-type]
    assert wait_s({"retry-after": "soon"}) is None  # type: ignore[arg-type]


def test_a_wait_ends_when_the_run_does():
    gate = Gate(per_minute=0.001)
    gate.ask(lambda: "first")
    threading.Timer(0.1, gate.stop).start()
    with pytest.raises(Stopped):
        gate.ask(lambda: "second")


# -------------------------------------------------------------------------------------- estimate, local


def test_the_estimate_says_what_and_how(monkeypatch):
    found = estimate(wanted(10), MODEL, 100, 30.0, 60.0)
    assert "characters / 4" in found.counted
    assert found.calls == 10
    assert found.prompt_tokens == sum(2 + -(-len(a.user) // 4) for a in wanted(10))
    assert found.cost == pytest.approx((found.prompt_tokens * 30 + 1000 * 60) / 1e6)
    assert "not known" in str(estimate(wanted(10), MODEL))
    assert agreed(found, yes=True)
    assert agreed(found, terminal=lambda: True, ask=lambda text: "y")
    assert not agreed(found, terminal=lambda: True, ask=lambda text: "")
    with pytest.raises(Refused, match="--yes"):
        agreed(found, terminal=lambda: False)


def test_a_no_asks_nothing(tmp_path):
    fake = Fake()
    found = grade(wanted(3), fake, tmp_path / "j.jsonl", go=lambda missing: len(missing) > 3)
    assert (found.added, len(found.failed), fake.starts) == (0, 3, [])


def test_a_local_model_judges_by_an_explicit_template(tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    base = HOUSE / "suites" / "world" / "base"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base)
    judge = LocalJudge("world", model, tokenizer, tokenizer.chat_template, max_tokens=5)
    out = tmp_path / "j.jsonl"
    asked = [Asked(1, 1, "m", "", "2 + 3", "p"), Asked(2, 1, "m", "", "long " * 600, "p")]
    found = grade(asked, judge, out, 2)
    assert [r["question_id"] for r in rows(out)] == [1]
    assert "takes 512" in str(found)
    with pytest.raises(Refused, match="template"):
        LocalJudge("world", model, tokenizer, "")
    strict = "{{ raise_exception('no system message') }}"
    with pytest.raises(Refused, match="no system message"):
        LocalJudge("world", model, tokenizer, strict)("s", "u")


# --------------------------------------------------------------------------------------------- command


@pytest.fixture
def files(tmp_path) -> list[str]:
    """Two questions, one of them with a reference, one of them answered twice; the options that name them."""
    def write(name: str, *lines: dict) -> str:
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(tmp_path / name)

    def answer(question: int, model: str) -> dict:
        return {"question_id": question, "answer_id": "a", "model_id": model, "tstamp": 1,
                "choices": [{"index": 0, "turns": ["first", "second"]}]}

    questions = [{"question_id": n, "category": c, "turns": ["Why?", "And {then}?"]} for n, c in ((1, "writing"), (2, "math"))]
    shown = {"single-v1": "{question}|{answer}", "single-v1-multi-turn": "{question_1}|{question_2}|{answer_1}|{answer_2}",
             "single-math-v1": "{question}|{ref_answer_1}|{answer}",
             "single-math-v1-multi-turn": "{question_1}|{ref_answer_1}|{answer_1}|{question_2}|{ref_answer_2}|{answer_2}"}
    prompts = [{"name": n, "type": "single", "system_prompt": "Be fair.", "prompt_template": t} for n, t in shown.items()]
    return ["--questions", write("q.jsonl", *questions), "--prompts", write("p.jsonl", *prompts),
            "--answers", write("a.jsonl", answer(1, "x"), answer(2, "x")), "--references", write("r.jsonl", answer(2, "gpt-4")),
            "--judge", MODEL, "--out", str(tmp_path / "out" / "judge-1_single.jsonl")]


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    from repro.__main__ import main

    monkeypatch.setattr(sys, "argv", ["repro", "judge", *words])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_the_command_from_files_to_files(monkeypatch, capsys, files):
    script = Script()
    with serving(script) as url:
        assert command(monkeypatch, *files, "--base-url", url) == 2
        assert "--yes" in capsys.readouterr().err
        assert script.asked == []
        prices = ["--price-in", "30", "--price-out", "60"]
        assert command(monkeypatch, *files, "--base-url", url, "--yes", *prices) == 0
        said = capsys.readouterr()
        assert said.out == "4 judgments added to 0; none is missing.\n"
        assert "4 calls" in said.err
        assert "at most 0.49" in said.err
        assert command(monkeypatch, *files, "--base-url", url) == 0  # nothing to ask for, so no question either
    made = sorted(rows(Path(files[-1])), key=lambda r: (r["question_id"], r["turn"]))
    assert [(r["judge"][1], r["score"], r["user_prompt"]) for r in made] == [
        ("single-v1", 7, "Why?|first"), ("single-v1-multi-turn", 7, "Why?|And {then}?|first|second"),
        ("single-math-v1", 7, "Why?|first|first"),
        ("single-math-v1-multi-turn", 7, "Why?|first|first|And {then}?|second|second")]
    assert len(script.asked) == 4


def test_the_command_refuses_in_one_sentence(monkeypatch, capsys, files):
    with serving(Script()) as url:
        assert command(monkeypatch, *files, "--base-url", url + "/x", "--yes") == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "--base-url" in said.err.splitlines()[-1]
    assert "Traceback" not in said.err
