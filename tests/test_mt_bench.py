"""MT-Bench: FastChat's files both ways, judge prompts byte for byte, verdicts, scores beside slow ones, refusals, command."""
from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from methods.parts import Refused
from suites.mt_bench import bias, clustered, compare, formats, jsonl, known, layout, prompts, scores, verdicts
from suites.mt_bench.formats import CATEGORIES, JudgePrompt, ModelAnswer, Question
from suites.mt_bench.judgments import Pair, Single
from suites.mt_bench.report import report

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "mt_bench"
JUDGED = DATA / "model_judgment_gpt-4_single_llama-2-chat-7b.jsonl.gz"
real = pytest.mark.skipif(not JUDGED.exists(), reason="MT-Bench's own files are not ours to copy: they go into ../shared/data")


def single(question: int = 81, turn: int = 1, score: float | None = 7, model: str = "a", judge: str = "j",
           text: str | None = None, **more: object) -> Single:
    said = text if text is not None else "no verdict" if score is None else f"Rating: [[{score}]]"
    made = Single(question, model, (judge, "single-v1"), "prompt", said, score, turn, tstamp=1.0)
    return dataclasses.replace(made, **more)


def pair(question: int, first: str, second: str, turn: int = 1, models: tuple[str, str] = ("a", "b")) -> Pair:
    return Pair(question, *models, first, second, ("j", "pair-v2"), "p", "t", "p", "t", turn)


def judged(model: str, seed: int, judge: str = "j", questions: int = 12) -> list[Single]:
    drawn = np.random.default_rng(seed).integers(1, 11, size=(questions, 2))
    return [single(81 + q, t + 1, int(drawn[q, t]), model, judge) for q in range(questions) for t in range(2)]


def asked(questions: int = 12) -> list[Question]:
    return [Question(81 + i, CATEGORIES[i % 3], ("one", "two")) for i in range(questions)]


def wrote(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


# ------------------------------------------------------------------------------------------------- files


GOOD = {"question_id": 81, "model": "a", "judge": ["j", "single-v1"], "user_prompt": "p", "judgment": "[[3]]", "score": 3,
        "turn": 1}


@pytest.mark.parametrize(("change", "why"), [
    ({"score": "x"}, "'score' is 'x' and no number"), ({"turn": 3}, "'turn' is 3"), ({"judge": "j"}, "'judge' is 'j'"),
    ({"question_id": "81"}, "no whole number"), ({"model": None}, "'model' is None"), ({"score": True}, "True and no number")])
def test_a_bad_line_is_named_with_its_file_and_reason(change, why, tmp_path):
    file = wrote(tmp_path / "j.jsonl", json.dumps(GOOD), "", json.dumps(GOOD | change))
    with pytest.raises(Refused, match=why) as caught:
        formats.read(Single, file)
    assert f"line 3 of {file}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("line", "why"), [
    ("{nonsense", "not JSON"), ("[1]", "not a JSON object"), ('{"score": NaN}', "NaN is not a number"),
    (json.dumps(GOOD).replace('"score": 3', '"score": 1e999'), "not finite"), ("{}", "there is no 'question_id'"),
    ('{"question_id": ' + "[" * 200_000, "not JSON")])
def test_a_line_that_is_no_judgment_is_refused(line, why, tmp_path):
    with pytest.raises(Refused, match=why):
        formats.read(Single, wrote(tmp_path / "j.jsonl", line))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(json.dumps(GOOD).encode() * 50)[:-20])
    (tmp_path / "bytes.jsonl").write_bytes(b"\xff\xfe{}\n")
    for name, why in (("empty.jsonl", "it is empty"), ("cut.jsonl.gz", "ended before"), ("bytes.jsonl", "not UTF-8")):
        with pytest.raises(Refused, match=why):
            formats.read(Single, tmp_path / name)
    with pytest.raises(Refused, match=r"no such file.*lm-sys/FastChat.*HuggingFaceH4/mt_bench_prompts"):
        formats.read_questions(tmp_path / "question.jsonl")


def test_questions_of_unknown_category_or_twice_are_refused(tmp_path):
    line = json.dumps({"question_id": 1, "category": "cooking", "turns": ["a"]})
    with pytest.raises(Refused, match="'cooking' is none of writing"):
        formats.read_questions(wrote(tmp_path / "q.jsonl", line))
    with pytest.raises(Refused, match=r"line 2 .* question 1 stands in the file already"):
        formats.read_questions(wrote(tmp_path / "q.jsonl", line, line), categories=None)


TEXTS = st.text(max_size=20)


@given(turns=st.lists(TEXTS, min_size=1, max_size=3),
       more=st.dictionaries(st.text(min_size=1, max_size=5), st.integers(), max_size=3))
@settings(max_examples=30, deadline=None)
def test_what_is_read_and_written_again_is_the_same_bytes(turns, more, tmp_path_factory):
    row = {**more, "tstamp": 1.5, "model_id": "m", "question_id": 4, "answer_id": "i",
           "choices": [{"index": 0, "turns": turns, "cost": 3}, {"index": 1, "turns": ["x"]}]}
#: 4, "answer_id": "i"}
    folder = tmp_path_factory.mktemp("same")
    jsonl.write(folder / "a.jsonl", [row])
    (found,) = formats.read(ModelAnswer, folder / "a.jsonl")
    assert found.turns == tuple(turns)
    for name in ("b.jsonl", "b.jsonl.gz"):
        formats.write(folder / name, [found])
        assert formats.read(ModelAnswer, folder / name) == [found]
    assert (folder / "b.jsonl").read_bytes() == (folder / "a.jsonl").read_bytes()


def test_half_characters_and_line_separators_survive(tmp_path):
    answer = ModelAnswer(1, "m", ("\ud83d", "a\u2028b\x85c"))
    formats.write(tmp_path / "a.jsonl", [answer])
    assert formats.read(ModelAnswer, tmp_path / "a.jsonl") == [answer]


def test_a_missing_score_is_minus_one_in_the_file_and_nothing_here(tmp_path):
    for written in (-1, -1.0, None):
        file = wrote(tmp_path / "j.jsonl", json.dumps(GOOD | {"score": written}))
        (found,) = formats.read(Single, file)
        assert found.score is None
        assert json.dumps(found.as_row()["score"]) == json.dumps(written)
    assert single(score=None).as_row()["score"] == -1
    assert list(single().as_row()) == [*GOOD, "tstamp"]
    assert dataclasses.replace(found, score=4).as_row()["score"] == 4


def test_records_made_here_are_in_fastchats_form(tmp_path):
    answer = ModelAnswer(81, "m", ("one", "two"), "id", 2.0).as_row()
    assert list(answer) == ["question_id", "answer_id", "model_id", "choices", "tstamp"]
    assert answer["choices"] == [{"index": 0, "turns": ["one", "two"]}]
    made = pair(81, "model_1", "tie")
    formats.write(tmp_path / "p.jsonl", [made])
    assert formats.read(Pair, tmp_path / "p.jsonl") == [made]
    with pytest.raises(Refused, match="'g1_winner' is 'A' and none of"):
        formats.read(Pair, wrote(tmp_path / "p.jsonl", json.dumps(made.as_row() | {"g1_winner": "A"})))
    assert Question(1, "math", ("q",)).as_row() == {"question_id": 1, "category": "math", "turns": ["q"]}


# ------------------------------------------------------------------------------------------------- prompts


def templates() -> prompts.Prompts:
    fields = {"single": ("{answer}", "{answer_1}|{answer_2}"), "pair": ("{answer_a}|{answer_b}", "{answer_a_1}|{answer_b_2}")}
    made = {}
    for (mode, beside), stem in prompts.NAMES.items():
        for turn in (1, 2):
            reference = ("<{ref_answer_1}>", "<{ref_answer_1}|{ref_answer_2}>")[turn - 1] if beside else ""
            text = ("{question}", "{question_1}|{question_2}")[turn - 1] + reference + fields[mode][turn - 1]
            name = prompts.name(mode, turn, beside)
            made[name] = JudgePrompt(name, mode, "system", text)
            assert name.startswith(stem)
    return made


def test_prompts_hold_question_answers_and_reference_and_swap_sides():
    question, plain = Question(1, "math", ("q1", "q2")), Question(2, "writing", ("q1", "q2"))
    a, b, ref = ModelAnswer(1, "a", ("{a1}", "a2")), ModelAnswer(1, "b", ("b1", "b2")), ModelAnswer(1, "g", ("r1", "r2"))
    assert prompts.single(templates(), plain, a, 1).user_prompt == "q1{a1}"
    found = prompts.single(templates(), question, a, 2, ref)
    assert (found.name, found.user_prompt) == ("single-math-v1-multi-turn", "q1|q2<r1|r2>{a1}|a2")
    one, two = prompts.games(templates(), question, a, b, 1, ref)
    assert (one.user_prompt, two.user_prompt) == ("q1<r1>{a1}|b1", "q1<r1>b1|{a1}")
    assert prompts.pair(templates(), plain, a, b, 2).user_prompt == "q1|q2{a1}|b2"
    assert prompts.single(templates(), question, a, 1, referenced=False).name == "single-v1"


def test_prompts_that_cannot_be_made_are_refused():
    question, answer = Question(1, "coding", ("q1",)), ModelAnswer(1, "a", ("a1",))
    with pytest.raises(Refused, match="without a reference"):
        prompts.single(templates(), question, answer, 1)
    with pytest.raises(Refused, match="question 1 has no turn 2"):
        prompts.single(templates(), question, answer, 2, answer)
    with pytest.raises(Refused, match="turns 1 and 2 alone"):
        prompts.single(templates(), question, answer, 3, answer)
    with pytest.raises(Refused, match=r"prompt single-math-v1; because the prompts are none"):
        prompts.single({}, question, answer, 1, answer)
    broken = {"single-v1": JudgePrompt("single-v1", "single", "", "{questoin}")}
    with pytest.raises(Refused, match="its field 'questoin'"):
        prompts.single(broken, Question(1, "stem", ("q",)), answer, 1)


# ------------------------------------------------------------------------------------------------- verdicts


@pytest.mark.parametrize(("text", "score"), [
    ("Rating: [[7]]", 7), ("[[8.5]]", 8.5), ("[3] then [[9]]", 9), ("so [4]", 4), ("[[10]] [[1]]", 10), ("[[11]]", None),
    ("[[0]]", None), ("[[-1]]", None), ("[[7/10]]", None), ("7", None), ("", None), ("[[rating]]", None), ("[[15]] [5]", None),
    ("[[nan]]", None), ("$ERROR$", None), ("[[5.]]", 5), ("[[08]]", 8), ("[[٣]]", None), ("[[ 5 ]]", None)])
def test_a_rating_is_the_first_in_double_brackets_else_in_single_ones(text, score):
    assert verdicts.rating(text) == score
    assert isinstance(verdicts.rating("[[7]]"), int)


@pytest.mark.parametrize(("text", "who"), [
    ("[[A]]", "A"), ("x [[B]] y", "B"), ("[[C]]", "tie"), ("A", "error"),
    ("[[A]] or [[B]]", "error"), ("[[A]] [[A]]", "A"), ("", "error")])
def test_a_pairs_verdict_names_one_winner(text, who):
    assert verdicts.winner(text) == who
    named = {"A": ("model_1", "model_2"), "B": ("model_2", "model_1")}.get(who, (who, who))
    assert tuple(verdicts.winning_model(text, swapped=s) for s in (False, True)) == named


# ------------------------------------------------------------------------------------------------- scores


def test_scores_are_the_plain_means_by_turn_and_category():
    given_, questions = judged("a", 0), asked()
    found = scores.table(scores.scored(given_, questions)).set_index("part")
    category = {q.question_id: q.category for q in questions}
    for part, own in {"overall": given_, "turn 2": [j for j in given_ if j.turn == 2],
                      "roleplay": [j for j in given_ if category[j.question_id] == "roleplay"]}.items():
        assert found.loc[part, "mean"] == pytest.approx(sum(j.score for j in own) / len(own))
        assert found.loc[part, "n"] == len(own)
    assert list(found.index) == ["overall", "turn 1", "turn 2", "writing", "roleplay", "reasoning"]
    assert (found["low"] <= found["mean"]).all()
    assert (found["mean"] <= found["high"]).all()


def test_two_turns_of_a_question_are_one_unit():
    """Answering every question twice alike must not narrow the interval; the spread is that of the questions' means."""
    once = [single(q, 1, s) for q, s in enumerate([1, 9, 4, 7, 2, 10, 5, 5])]
    twice = once + [dataclasses.replace(j, turn=2) for j in once]
    a, b = (scores.table(scores.scored(x)).iloc[0] for x in (once, twice))
    assert (a["stderr"], a["low"]) == (b["stderr"], b["low"])
    assert (a["n"], b["n"], b["questions"]) == (8, 16, 8)
    assert a["stderr"] == pytest.approx(np.std([j.score for j in once], ddof=1) / np.sqrt(8), rel=0.05)


def test_the_bootstrap_is_the_slow_one():
    x, q = [1.0, 2.0, 5.0, 3.0, 8.0, 2.0], [1, 1, 2, 3, 3, 4]
    generator, means = np.random.default_rng(1), []
    for _ in range(4000):
        drawn = [v for c in generator.choice([1, 2, 3, 4], 4) for v, g in zip(x, q, strict=True) if g == c]
        means.append(np.mean(drawn))
    found = clustered.mean(x, q)
    assert found.stderr == pytest.approx(np.std(means) * np.sqrt(4 / 3), rel=0.06)
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.95, 3) * found.stderr)


def test_nine_of_ten_intervals_hold_the_truth():
    generator, hits = np.random.default_rng(0), 0
    for _ in range(300):
        question = generator.normal(size=10)
        values = (question[:, None] + generator.normal(size=(10, 2))).ravel()
        found = clustered.mean(values, np.repeat(np.arange(10), 2))
        hits += found.low <= 0 <= found.high
    assert abs(hits / 300 - 0.9) < 4 * np.sqrt(0.09 / 300)


def test_unparsable_and_failed_verdicts_are_counted_and_never_minus_one():
    given_ = [single(1, 1, 8), single(2, 1, None), single(3, 1, 99), single(4, 1, None, text="$ERROR$"), single(5, 1, 4)]
    left = scores.table(scores.scored(given_)).iloc[0]
    assert (left["mean"], left["n"], left["unparsable"], left["failed"]) == (6, 2, 2, 1)
    lowest = scores.table(scores.scored(given_, policy="lowest")).iloc[0]
    assert (lowest["mean"], lowest["n"], lowest["unparsable"], lowest["failed"]) == (3.5, 4, 2, 1)
    nothing = scores.table(scores.scored([single(1, 1, None)])).iloc[0]
    assert (nothing["n"], nothing["unparsable"]) == (0, 1)
    assert np.isnan(nothing["mean"])
    with pytest.raises(Refused, match="policies are exclude, lowest"):
        scores.scored(given_, policy="drop")


def test_a_score_that_is_not_in_the_judges_words_is_told():
    made = report(layout.Judgments((single(1, 1, 3, text="[[9]]"),), (), ()))
    assert any("1 scores in the files are not the ones" in note for note in made.notes)


def test_duplicates_are_refused_by_name_or_the_latest_is_taken():
    given_ = [single(1, 1, 8, tstamp=5.0), single(1, 1, 2, tstamp=9.0), single(1, 2, 4), single(1, 1, 6, tstamp=7.0)]
    with pytest.raises(Refused, match="question 1, turn 1, model a, judge j;"):
        scores.scored(given_)
    assert scores.scored(given_, latest=True)["score"].tolist() == [2, 4]
    scores.scored([single(1), single(1, model="b"), single(1, judge="k"), single(1, 2)])


def test_nothing_and_unknown_questions_are_refused():
    with pytest.raises(Refused, match="no judgment"):
        scores.scored([])
    with pytest.raises(Refused, match="category of question 500"):
        scores.scored([single(500)], asked())
    with pytest.raises(Refused, match="no judgment of a pair"):
        scores.of_pairs([])


# ------------------------------------------------------------------------------------------------- comparisons


def test_differences_are_paired_and_leave_out_what_one_model_lacks():
    a, b = judged("a", 0), judged("b", 1)[:-1]
    frame = scores.scored(a + b, asked())
    found = compare.difference(frame, "a", "b").set_index("part")
    gaps = [x.score - y.score for x, y in zip(a, b, strict=False)]
    assert found.loc["overall", "mean"] == pytest.approx(np.mean(gaps))
    assert (found.loc["overall", "n"], found.loc["overall", "left_out"]) == (23, 1)
    back = compare.difference(frame, "b", "a").set_index("part")
    assert back.loc["overall", "mean"] == pytest.approx(-found.loc["overall", "mean"])
    assert back.loc["overall", "p"] == pytest.approx(found.loc["overall", "p"])
    missing = scores.table(frame).set_index(["model", "part"])["missing"]
    assert (missing["b", "overall"], missing["b", "turn 2"], missing["a", "overall"]) == (1, 1, 0)


def test_a_shift_of_every_score_is_told_and_none_is_not():
    a = judged("a", 0)
    up = [dataclasses.replace(j, model="b", score=j.score + 1) for j in a if j.score < 10]
    frame = scores.scored(a + up + [dataclasses.replace(j, model="c") for j in a])
    found = compare.differences(frame)
    overall = found[found["part"] == "overall"].set_index(["first", "second"])
    assert overall.loc[("a", "b"), "mean"] == -1
    assert overall.loc[("a", "b"), "p_holm"] < 0.05
    assert (overall.loc[("a", "c"), "mean"], overall.loc[("a", "c"), "p"]) == (0, 1)


def test_other_judges_scores_are_refused_unless_asked_for():
    frame = scores.scored(judged("a", 0, "j") + judged("b", 1, "k"))
    with pytest.raises(Refused, match="a was judged by j and b by k"):
        compare.difference(frame, "a", "b")
    with pytest.raises(Refused, match="one judge's 7"):
        scores.table(frame)
    assert compare.difference(frame, "a", "b", across_judges=True)["n"].iloc[0] == 24
    assert set(scores.table(frame, across_judges=True)["judge"]) == {"j", "k"}
    assert compare.differences(frame).empty
    both = scores.scored(judged("a", 0, "j") + judged("a", 3, "k") + judged("b", 1, "j") + judged("b", 2, "k"))
    with pytest.raises(Refused, match="name one"):
        compare.difference(both, "a", "b")
    assert compare.difference(both, "a", "b", "k")["n"].iloc[0] == 24
    assert len(compare.differences(both, across_judges=True)["first"].unique()) == 3
    with pytest.raises(Refused, match="nothing of it was judged"):
        compare.difference(frame, "a", "z")


def test_other_prompts_are_refused_too():
    frame = scores.scored([single(1), dataclasses.replace(single(1, model="b"), judge=("j", "single-math-v1"))])
    with pytest.raises(Refused, match="question 1 was judged with single-v1 for one and single-math-v1"):
        compare.difference(frame, "a", "b")


def test_agreement_of_judges_is_scipys():
    a, b = judged("m", 0, "j"), judged("m", 4, "k")
    frame = scores.scored(a + b[:-1] + [dataclasses.replace(b[-1], user_prompt="another answer")], asked())
    found = compare.agreement(frame, "j", "k").set_index("part").loc["overall"]
    x, y = [j.score for j in a[:-1]], [j.score for j in b[:-1]]
    assert found["spearman"] == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found["kendall"] == pytest.approx(stats.kendalltau(x, y).statistic)
    assert found["mean_absolute_difference"] == pytest.approx(np.mean(np.abs(np.subtract(x, y))))
    assert (found["n"], found["left_out"]) == (23, 1)
    assert found["within_1"] == pytest.approx(np.mean(np.abs(np.subtract(x, y)) <= 1))
    confused = compare.confusion(frame, "j", "k")
    counted = confused[confused["part"] == "overall"].set_index(["score_1", "score_2"])["n"]
    assert counted.to_dict() == Counter(zip(x, y, strict=True))
    by_category = confused[confused["part"].isin(CATEGORIES)]
    assert by_category["n"].sum() == 23
    same = compare.agreement(scores.scored([single(q, judge=k) for q in range(3) for k in "jk"]), "j", "k").iloc[0]
    assert np.isnan(same["spearman"])
    assert same["mean_absolute_difference"] == 0


# ------------------------------------------------------------------------------------------------- bias


def test_correlation_with_length_is_spearmans():
    given_ = judged("a", 0)
    sizes = np.random.default_rng(3).integers(1, 400, size=(12, 2))
    answers = [ModelAnswer(81 + q, "a", tuple("x" * n for n in sizes[q])) for q in range(12)]
    found = bias.length(scores.scored(given_, asked()), answers)
    assert found["mean"].iloc[0] == pytest.approx(stats.spearmanr([j.score for j in given_], sizes.ravel()).statistic)
    assert found["measure"].tolist() == ["over all answers", "within categories"]
    with pytest.raises(Refused, match="answers are by b and the judgments of a"):
        bias.length(scores.scored(given_), [dataclasses.replace(answers[0], model_id="b")])
    one = bias.length(scores.scored(given_[:1]), answers)
    assert np.isnan(one["mean"].iloc[0])


def test_a_length_that_differs_between_categories_alone_is_no_correlation_within():
    given_ = [single(81 + q, 1, 9 if q % 2 else 2) for q in range(12)]
    questions = [Question(81 + q, CATEGORIES[q % 2], ("x", "y")) for q in range(12)]
    answers = [ModelAnswer(81 + q, "a", ("x" * (1000 * (q % 2) + q),)) for q in range(12)]
    whole, inside = bias.length(scores.scored(given_, questions), answers)["mean"]
    assert whole > 0.8
    assert np.isnan(inside)


def test_flips_with_position_are_counted():
    given_ = [pair(1, "model_1", "model_1"), pair(2, "model_1", "model_2"), pair(3, "model_2", "model_1"),
              pair(4, "tie", "model_1"), pair(5, "error", "model_1")]
    frame = scores.of_pairs(given_)
    found = bias.position(frame).set_index("measure")
    assert found["mean"].tolist() == [0.75, 0.25, 0.25]
    assert found["unparsable"].tolist() == [1, 1, 1]
    won = bias.wins(frame).iloc[0]
    assert (won["win"], won["tie"], won["loss"], won["mean"]) == (1, 3, 0, 0.625)


def test_a_pair_is_the_same_whichever_model_is_named_first():
    there, back = pair(1, "model_1", "tie"), pair(1, "tie", "model_2", models=("b", "a"))
    assert bias.wins(scores.of_pairs([there])).equals(bias.wins(scores.of_pairs([back])))
    assert bias.position(scores.of_pairs([there])).equals(bias.position(scores.of_pairs([back])))
    with pytest.raises(Refused, match="judged twice"):
        scores.of_pairs([there, back])


# ------------------------------------------------------------------------------------------------- the command


def folder(place: Path) -> Path:
    formats.write(layout.judgments_file(place, "j", "single"), judged("a", 0) + judged("b", 1))
    formats.write(layout.judgments_file(place, "k", "single"), judged("a", 2, "k"))
    formats.write(layout.judgments_file(place, "j", "pair"), [pair(q, "model_1", "model_2") for q in range(4)])
    formats.write(layout.answers_file(place, "a"), [ModelAnswer(81 + q, "a", ("x" * q, "yy" * q * q)) for q in range(12)])
    formats.write(place / "question.jsonl", asked())
    return place


def test_the_command_reads_fastchats_folder(tmp_path, capsys, monkeypatch):
    from repro.commands.judging import judge_report
    monkeypatch.setenv("COLUMNS", "160")
    judge_report([folder(tmp_path / "in")], out=tmp_path / "out")
    said = capsys.readouterr().out
    for words in ("Scores by the judge j", "Scores by the judge k (a)", "Differences of models", "Agreement of judges", "Pairs",
                  "position", "length of an answer", "within categories", "roleplay", "Scores by j (rows) and k"):
        assert words in said
    files = {f.name for f in (tmp_path / "out").iterdir()}
    assert {"scores-1.csv", "radar-1.png", "radar-2.svg", "agreement.csv", "confusion.csv", "wins.csv"} <= files
    judge_report([tmp_path / "in"], across_judges=True)
    assert "Scores by the judge j, k" in capsys.readouterr().out


def test_a_radar_of_the_same_scores_is_the_same_bytes(tmp_path):
    from repro import radar
    frame = scores.table(scores.scored(judged("a", 0) + judged("b", 1), asked()))
    one, two = (radar.draw(frame, "t", tmp_path, name) for name in ("one", "two"))
    assert [f.name for f in one] == ["one.png", "one.svg"]
    assert [f.read_bytes() for f in one] == [f.read_bytes() for f in two]


def test_without_questions_categories_are_said_to_be_unknown(tmp_path, capsys):
    from repro.commands.judging import judge_report
    judge_report([layout.judgments_file(folder(tmp_path), "k", "single")])
    said = capsys.readouterr().out
    assert "Categories cannot be told without a file of questions" in said
    assert "writing" not in said


def test_a_machine_gets_json_without_nan(tmp_path, capsys):
    from repro.commands.judging import judge_report
    formats.write(tmp_path / "j_single.jsonl", [single(1, 1, None)])
    judge_report([tmp_path / "j_single.jsonl"], machine=True)
    found = json.loads(capsys.readouterr().out, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert found["scores"][0][0]["mean"] is None
    assert found["scores"][0][0]["unparsable"] == 1


def test_the_command_says_what_is_wrong_in_one_sentence(tmp_path):
    from repro.commands.judging import judge_report
    for path, why in ((tmp_path, "no model_judgment"), (tmp_path / "none.jsonl", "no such file")):
        with pytest.raises(Refused, match=why) as caught:
            judge_report([path])
        assert "\n" not in str(caught.value)
    file = layout.judgments_file(folder(tmp_path), "k", "single")
    with pytest.raises(Refused, match="SHA-256"):
        judge_report([tmp_path], check=True)
    with pytest.raises(Refused, match="judged twice"):
        judge_report([file, file])


def test_a_radar_needs_three_categories_and_few_models(tmp_path):
    from repro import radar
    frame = scores.table(scores.scored(judged("a", 0), asked()))
    with pytest.raises(Refused, match="0 categories"):
        radar.draw(frame[frame["part"] == "overall"], "t", tmp_path)
    many = pd.concat([frame.assign(model=str(i)) for i in range(9)])
    with pytest.raises(Refused, match="fewer"):
        radar.draw(many, "t", tmp_path)


# ------------------------------------------------------------------------------------------------- the real judgments


@real
def test_the_real_files_are_known_and_written_again_byte_for_byte(tmp_path):
    for kind, name in ((Question, "question.jsonl"),
                       (JudgePrompt, "judge_prompts.jsonl"), (ModelAnswer, "reference_answer_gpt-4.jsonl")):
        known.check(kind, DATA / name)
        formats.write(tmp_path / name, formats.read(kind, DATA / name))
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes()
    formats.write(tmp_path / "j.jsonl", formats.read(Single, JUDGED))
    assert (tmp_path / "j.jsonl").read_bytes() == gzip.decompress(JUDGED.read_bytes())
    changed = wrote(tmp_path / "changed.jsonl", *(DATA / "question.jsonl").read_text().splitlines()[1:])
    with pytest.raises(Refused, match=r"SHA-256 of its rows is .*lm-sys/FastChat"):
        known.check(Question, changed)
    escaped = "".join(json.dumps(q.as_row()) + "\n" for q in formats.read_questions(DATA / "question.jsonl"))
    assert hashlib.sha256(escaped.encode()).hexdigest() == known.DIGESTS[Question]


@real
def test_all_real_judge_prompts_are_rebuilt_byte_for_byte():
    questions = {q.question_id: q for q in formats.read_questions(DATA / "question.jsonl")}
    answers = formats.by_question(formats.read(ModelAnswer, DATA / "model_answer_llama-2-chat-7b.jsonl"))
    references = formats.by_question(formats.read(ModelAnswer, DATA / "reference_answer_gpt-4.jsonl"))
    known_prompts = prompts.read_prompts(DATA / "judge_prompts.jsonl")
    given_ = formats.read(Single, JUDGED)
    assert len(given_) == 160
    for j in given_:
        i = j.question_id
        made = prompts.single(known_prompts, questions[i], answers[i], j.turn, references.get(i))
        assert (made.name, made.user_prompt) == (j.judge[1], j.user_prompt)
        assert verdicts.rating(j.judgment) == j.score


@real
def test_the_real_report_is_the_slow_one():
    rows = [json.loads(line) for line in gzip.decompress(JUDGED.read_bytes()).decode().split("\n") if line]
    lines = (DATA / "question.jsonl").read_text("utf-8").split("\n")
    category = {q["question_id"]: q["category"] for q in map(json.loads, filter(None, lines))}
    made = report(layout.judgments([JUDGED]), formats.read_questions(DATA / "question.jsonl"),
                  layout.answers(DATA / "model_answer_llama-2-chat-7b.jsonl"))
    found = made.scores[0].set_index("part")
    assert found.loc["overall", "mean"] == 6.40625
    assert (found.loc["overall", "n"], found.loc["overall", "questions"], found["unparsable"].sum()) == (160, 80, 0)
    for part in ("overall", "turn 1", "turn 2", *CATEGORIES):
        own = [r for r in rows if part in ("overall", f"turn {r['turn']}", category[r["question_id"]])]
        assert found.loc[part, "mean"] == pytest.approx(sum(r["score"] for r in own) / len(own))
        assert found.loc[part, "n"] == len(own)
        means: dict[int, list[float]] = {}
        for r in own:
            means.setdefault(r["question_id"], []).append(r["score"])
        by_question = [sum(v) / len(v) for v in means.values()]
        assert found.loc[part, "stderr"] == pytest.approx(np.std(by_question, ddof=1) / np.sqrt(len(by_question)), rel=0.07)
    lengths = {a.question_id: [len(t) for t in a.turns] for a in layout.answers(DATA / "model_answer_llama-2-chat-7b.jsonl")}
    slow = stats.spearmanr([r["score"] for r in rows], [lengths[r["question_id"]][r["turn"] - 1] for r in rows]).statistic
    assert made.length["mean"].iloc[0] == pytest.approx(slow)
    assert made.notes == ()
