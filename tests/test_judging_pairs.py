"""Pairs of answers: two games each, none of them paid twice; the judges that need no server."""
from __future__ import annotations

import json
import random
from collections import Counter

import pytest
from typer.testing import CliRunner

from methods.parts import Refused
from repro.__main__ import app
from suites.mt_bench import formats, hub, layout, scores
from suites.mt_bench.asking import Sheet
from suites.mt_bench.formats import JudgePrompt, ModelAnswer, Question
from suites.mt_bench.grading import play
from suites.mt_bench.judges import OpenAiJudge
from suites.mt_bench.judgments import Pair, Single
from suites.mt_bench.patience import Failed, Gate
from tests.openai_server import MODEL, Script, kill_half_way, serving
from tests.test_judging import HOUSE, TROUBLE, rows

BASE = HOUSE / "suites" / "world" / "base"
QUESTIONS = [Question(81 + i, "writing", (f"q{i}", f"again {i}")) for i in range(20)]
SHOWN = "A: {answer_a} B: {answer_b} {question}"
BOTH = "A: {answer_a_1}|{answer_a_2} B: {answer_b_1}|{answer_b_2} {question_1}|{question_2}"
SHEET = Sheet(QUESTIONS, {n: JudgePrompt(n, "pairwise", "Be fair.", t)
                          for n, t in (("pair-v2", SHOWN), ("pair-v2-multi-turn", BOTH))})


def answered(model: str) -> list[ModelAnswer]:
    numbers = [q.question_id for q in QUESTIONS]
    return [ModelAnswer(n, model, (f"{model} says {n}", f"{model} more {n}")) for n in numbers]


class Likes:
    """A judge that prefers one model; or the one shown first."""

    def __init__(self, who: str = "", fails: int = 10**9) -> None:
        self.name, self.who, self.left, self.asked = "fake", who, fails, []

    def __call__(self, system: str, user: str) -> str:
        self.left -= 1
        if self.left < 0:
            raise Failed("no more")
        self.asked.append(user)
        first = user.startswith(f"A: {self.who}")
        return f"Surely [[{'A' if first else 'B'}]]"


def quick() -> Gate:
    return Gate(sleep=lambda seconds: None)


def test_two_games_make_a_pair_in_fastchats_form(tmp_path):
    out = tmp_path / "fake_pair.jsonl"
    asked = SHEET.games([*answered("b"), *answered("a")])
    assert len(asked) == 80
    found = play(asked, Likes("b"), out, 3, gate=quick())
    assert (found.added, found.complete) == (80, True)
    pairs = formats.read(Pair, out)
    assert len(pairs) == 40
    assert {(p.model_1, p.model_2, p.g1_winner, p.g2_winner) for p in pairs} == {("a", "b", "model_2", "model_2")}
    row = next(r for r in rows(out) if r["question_id"] == 81 and r["turn"] == 2)
    assert row["g1_user_prompt"].startswith("A: a says 81|a more 81 B: b says 81")
    assert row["g2_user_prompt"].startswith("A: b says 81")
    assert row["judge"] == ["fake", "pair-v2-multi-turn"]
    assert [f.name for f in tmp_path.iterdir()] == [out.name], "nothing waits any more"
    flips = play(asked, Likes(), tmp_path / "first_pair.jsonl", gate=quick())
    assert flips.complete
    table = scores.of_pairs(formats.read(Pair, tmp_path / "first_pair.jsonl"))
    assert set(zip(table["first"], table["second"], strict=True)) == {("model_1", "model_2")}


@pytest.mark.parametrize("upto", [1, 7, 39, 79])
def test_half_a_pair_is_kept_and_not_asked_for_again(tmp_path, upto):
    out, asked = tmp_path / "p.jsonl", SHEET.games([*answered("a"), *answered("b")])
    random.Random(upto).shuffle(asked)
    first, second = Likes("a", upto), Likes("a")
    assert not play(asked, first, out, 1, gate=quick()).complete
    found = play(asked, second, out, 1, gate=quick())
    assert (found.before, found.added) == (upto, 80 - upto)
    assert Counter(first.asked + second.asked) == Counter(a.user for a in asked)
    assert len(formats.read(Pair, out)) == 40
    assert not (tmp_path / "p.jsonl.games").exists()
    third = Likes("b")
    assert play(SHEET.games([*answered("b"), *answered("a")]), third, out, gate=quick()).before == 80
    assert third.asked == []


def test_a_pair_that_a_kill_kept_from_its_file_is_written(tmp_path):
    """Both games are on the disk, the pair is not."""
    out, asked = tmp_path / "p.jsonl", SHEET.games([*answered("a"), *answered("b")])[:2]
    games = [{"question_id": a.question_id, "model_1": "a", "model_2": "b", "swapped": a.swapped, "turn": a.turn, "tstamp": 1.0,
              "judge": ["fake", a.prompt_name], "user_prompt": a.user, "judgment": "[[C]]"} for a in asked]
    (tmp_path / "p.jsonl.games").write_text("".join(json.dumps(g) + "\n" for g in games) + '{"question_id": 8')
    judge = Likes()
    assert play(asked, judge, out, gate=quick()).added == 0
    assert [(p.g1_winner, p.g2_winner) for p in formats.read(Pair, out)] == [("tie", "tie")]
    assert not (tmp_path / "p.jsonl.games").exists()


def test_a_pair_in_the_other_order_is_the_same_and_another_prompt_is_refused(tmp_path):
    out, asked = tmp_path / "p.jsonl", SHEET.games([*answered("a"), *answered("b")])
    one, two = asked[:2]
    formats.write(out, [Pair(81, "b", "a", "tie", "tie", ("fake", "pair-v2"), two.user, "[[C]]", one.user, "[[C]]", 1)])
    assert play(asked, Likes(), out, gate=quick()).before == 2
    changed = SHEET.games([*answered("a"), *(ModelAnswer(a.question_id, "b", ("new", "new")) for a in answered("b"))])
    with pytest.raises(Refused, match=r"question 81, turn 1, a before b was judged there by another prompt"):
        play(changed, Likes(), out, gate=quick())


def test_which_models_are_compared():
    three = [*answered("c"), *answered("a"), *answered("b")]
    assert {(a.model_1, a.model_2) for a in SHEET.games(three)} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert {(a.model_1, a.model_2) for a in SHEET.games(three, "b")} == {("a", "b"), ("b", "c")}
    for given, baseline, why in ((answered("a"), None, "all by a"), (three, "x", "by a, b, c"),
                                 ([answered("a")[0], answered("b")[1]], None, "no question was answered by two")):
        with pytest.raises(Refused, match=why):
            SHEET.games(given, baseline)
    with pytest.raises(Refused, match=r"a's answer to question 1;"):
        SHEET.scores([ModelAnswer(1, "a", ("x", "y"))])


def test_pairs_over_the_wire_and_a_kill(tmp_path, monkeypatch):
    """160 games from a server that fails in every way, its client killed half-way: each is answered once."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    asked = SHEET.games([*answered("a"), *answered("b"), *answered("c")])[:160]
    words = [random.Random(1).choice((*TROUBLE, "answer", "answer")) for _ in range(200)]
    script, out = Script(words, retry_after="0", most=90), tmp_path / "p.jsonl"
    code = ("import json, sys; from pathlib import Path; from suites.mt_bench.judges import OpenAiJudge\n"
            "from suites.mt_bench.grading import play; from suites.mt_bench.wanted import AskedGame\n"
            "from suites.mt_bench.patience import Gate, Patience\n"
            "asked = [AskedGame(**one) for one in json.load(sys.stdin)]\n"
            "play(asked, OpenAiJudge('judge-1', sys.argv[1], timeout_s=1), Path(sys.argv[2]), 4,\n"
            "     gate=Gate(sleep=lambda s: None, patience=Patience(tries=40)))")
    with serving(script) as url:
        kill_half_way(code, asked, script, url, out)
        script.words = ()
        kept = {g["user_prompt"] for g in rows(tmp_path / "p.jsonl.games")}
        assert len(kept) > 70
        before = len(script.asked)
        judge = OpenAiJudge(MODEL, url)
        found = play(asked, judge, out, 4, gate=quick())
        judge.close()
    assert (found.before, found.added, found.complete) == (len(kept), 160 - len(kept), True)
    assert Counter(script.asked[before:]) == Counter(a.user for a in asked if a.user not in kept)
    assert len(formats.read(Pair, out)) == 80


# ------------------------------------------------------------------------------------------- command, other judges


@pytest.fixture
def files(tmp_path) -> list[str]:
    formats.write(tmp_path / "q.jsonl", QUESTIONS[:2])
    single = (JudgePrompt("single-v1", "single", "", "{question}|{answer}"),
              JudgePrompt("single-v1-multi-turn", "single", "", "{question_1}|{question_2}|{answer_1}|{answer_2}"))
    formats.write(tmp_path / "p.jsonl", [*SHEET.prompts.values(), *single])
    for model in "ab":
        formats.write(tmp_path / f"{model}.jsonl", answered(model)[:2])
    return ["judge", "--questions", str(tmp_path / "q.jsonl"), "--prompts", str(tmp_path / "p.jsonl"),
            "--answers", str(tmp_path / "a.jsonl"), "--answers", str(tmp_path / "b.jsonl"), "--out", str(tmp_path / "out.jsonl")]


def test_the_command_compares_in_pairs_and_its_file_is_reported(files, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    with serving(Script()) as url:
        done = CliRunner().invoke(app, [*files, "--judge", MODEL, "--base-url", url, "--mode", "pair", "--yes"])
    assert done.exit_code == 0, done.output
    assert "8 judgments added to 0" in done.stdout
    assert "is not MT-Bench's 80 questions" in done.stderr
    told = CliRunner().invoke(app, ["judge-report", str(tmp_path / "out.jsonl")], env={"COLUMNS": "160"})
    assert "Pairs: share won by the first model" in told.stdout


def test_a_local_model_grades_through_the_command(files, tmp_path):
    template = tmp_path / "chat.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    done = CliRunner().invoke(app, [*files, "--local", str(BASE), "--template", str(template), "--judge", "small"])
    assert done.exit_code == 0, done.output
    made = formats.read(Single, tmp_path / "out.jsonl")
    assert {m.judge for m in made} == {("small", "single-v1"), ("small", "single-v1-multi-turn")}
    assert len(made) == 8


def test_the_rule_judges_the_tiny_worlds_answers(tmp_path):
    answers, out = tmp_path / "a.jsonl", tmp_path / "rule_single.jsonl"
    told = CliRunner().invoke(app, ["eval", "--model", str(BASE), "--suite", "mt_bench", "--source", "world", "--limit", "4",
                                    "--answers", str(answers), "--json"])
    assert told.exit_code == 0, told.output
    done = CliRunner().invoke(app, ["judge", "--rule", "--answers", str(answers), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "76 of 80 questions have no answer" in done.stderr
    mean = sum(j.score or 0 for j in formats.read(Single, out)) / 8
    assert mean == pytest.approx(json.loads(told.stdout)["rule_mean"])


@pytest.mark.parametrize(("extra", "why"), [
    ([], "no.* judge"), (["--judge", "j", "--mode", "triple"], "the modes are"),
    (["--judge", "j", "--baseline", "a"], "a score is of one answer"),
    (["--rule", "--judge", "j"], "cannot use --judge with --rule"), (["--rule", "--mode", "pair"], "cannot use --mode pair with"),
    (["--rule"], "question 81 by rule"),
    (["--local", "m", "--base-url", "http://x"], "cannot use --local with --base-url"),
    (["--judge", "j", "--template", "t"], "without --local")])
def test_options_that_do_not_go_together_are_refused(files, extra, why):
    with pytest.raises(Refused, match=why):
        CliRunner().invoke(app, [*files, *extra], catch_exceptions=False)


def test_prompts_are_asked_for_by_name(files):
    without = [word for i, word in enumerate(files) if "--prompts" not in files[max(0, i - 1):i + 1]]
    with pytest.raises(Refused, match=r"--prompts; because.*judge_prompts.jsonl"):
        CliRunner().invoke(app, [*without, "--judge", "j"], catch_exceptions=False)


# ------------------------------------------------------------------------------------------- questions from the Hub


def test_the_hubs_questions_get_their_numbers_back(tmp_path):
    real = HOUSE.parent / "shared" / "data" / "mt_bench" / "question.jsonl"
    if not real.exists():
        pytest.skip("needs ../shared, which holds MT-Bench's questions")
    asked = formats.read_questions(real)
    place = tmp_path / hub.ID
    place.mkdir(parents=True)

    def write(of: list[Question]) -> None:
        lines = [{"prompt": list(q.turns), "prompt_id": 7, "category": q.category, "reference": list(q.reference)} for q in of]
        (place / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    write(asked)
    found = hub.questions(tmp_path)
    assert [(q.question_id, q.category, q.turns, q.reference) for q in found] == [
        (q.question_id, q.category, q.turns, q.reference) for q in asked]
    write(asked[1:])
    with pytest.raises(Refused, match="SHA-256 of its texts"):
        hub.questions(tmp_path)
    (place / "train.jsonl").write_text('{"text": "x"}\n')
    with pytest.raises(Refused, match="no 'category'"):
        hub.questions(tmp_path)


def test_a_folder_in_fastchats_layout_takes_pairs(tmp_path):
    out = layout.judgments_file(tmp_path, "fake", "pair")
    play(SHEET.games([*answered("a"), *answered("b")]), Likes("a", 3), out, 1, gate=quick())
    assert [len(layout.judgments([tmp_path]).pairs), (out.parent / f"{out.name}.games").exists()] == [1, True]
