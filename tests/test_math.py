"""The mathematics suite: values, both scorers on real references, programs, asking again, refusals, a real model."""
from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts import Refused
from suites import evaluate as every_suite
from suites import math as mathematics
from suites import models
from suites.math import asking, corrected, measure, original
from suites.math.answering import CORRECTED, ORIGINAL, answers, judged, resolved
from suites.math.latex import boxed, plain, value
from suites.math.sets import REQUEST, SETS, Item, items
from tests.hub import MODEL
from tests.reading import byte_tokenizer, reader

FILES = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "math_eval"
UNMATCHED = {"numglue": ["August", "Friday", "October"]}
"""References that the original scorer never accepts, on the sets that are at hand."""


@pytest.fixture
def files(hub):
    if not FILES.is_dir():
        pytest.skip(f"no mathematics test sets at {FILES}")
    return FILES


@pytest.mark.parametrize("name", ["gsm8k", "svamp", "numglue", "math"])
def test_echoed_references_are_all_right(files, name):
    rows = items(SETS[name], files, None)
    assert len(rows) == SETS[name].size
    for texts in ([f"The answer is {i.reference}." for i in rows], [i.worked for i in rows]):
        found = answers(texts, name, CORRECTED)
        assert [i for i, a in zip(rows, found, strict=True) if not judged(i, a, name, CORRECTED)] == []
    found = answers([f"The answer is {i.reference}." for i in rows], name, ORIGINAL)
    wrong = [i.reference for i, a in zip(rows, found, strict=True) if not judged(i, a, name, ORIGINAL)]
    assert sorted(wrong) == UNMATCHED.get(name, [])


@pytest.mark.parametrize("name", ["svamp", "numglue", "math"])
def test_a_neighbours_reference_is_wrong(files, name):
    rows = items(SETS[name], files, 300)
    other = [rows[(i + 1) % len(rows)].reference for i in range(len(rows))]
    right = [corrected.matches(o, i.reference) for o, i in zip(other, rows, strict=True)]
    assert sum(right) <= sum(o == i.reference for o, i in zip(other, rows, strict=True)) + len(rows) // 50


@pytest.mark.parametrize(("answer", "reference"), [
    ("7", "7.0"), ("7.0", "7"), ("3", "[3]"), ("[3]", "3"), ("[3.0]", "[3]"), ("1,450,000", "1450000"), ("1450000", "1,450,000"),
    ("0.5", "1/2"), ("1/2", "0.5"), ("\\frac{1}{2}", "0.5"), ("\\dfrac12", "\\frac{1}{2}"), ("3\\frac{1}{2}", "3.5"),
    ("$18", "18"), ("18 dollars", "18"), ("18.00", "18"), ("x = 5", "5"), ("60%", "60"), ("60\\%", "60"), ("60%", "0.6"),
    ("4.166666666", "4.17"), ("6.999999999999", "7"), ("2\\sqrt{3}", "3.4641016151"), ("-2,1", "1,-2"), ("(1, 2)", "(1,2)"),
    ("\\left(1, \\frac{1}{2}\\right)", "(1,0.5)"), ("2^3", "8"), ("\\text{Friday}", "friday"), ("(B)", "B"), ("B.", "B"),
    ("90^\\circ", "90"), ("5\\text{ cm}", "5"), ("−3", "-3"), ("\\frac{3\\pi}{2}", "1.5\\pi"), (".5", "0.5"),
])
def test_what_means_the_same_is_right(answer, reference):
    assert corrected.matches(answer, reference)


@pytest.mark.parametrize(("answer", "reference"), [
    ("7.1", "7"), ("8", "[3]"), ("0.6", "60"), ("60", "0.6"), ("1.45", "1.5"), ("4.18", "4.17"), ("2,1", "2"), ("(2,1)", "(1,2)"),
    ("1,1", "1,2"), ("18 or 19", "18"), ("a spider", "A"), ("A", "B"), ("x+1", "x+2"), ("1/3", "0.3"), ("", "0"), ("60%", "600"),
    ("5 - 3", "5"), ("700", "7"), ("[1, 2]", "[2, 1]"), ("180", "18"),
])
def test_what_means_something_else_is_wrong(answer, reference):
    assert not corrected.matches(answer, reference)


@settings(max_examples=200, deadline=None)
@given(st.integers(-10**6, 10**6), st.integers(1, 10**4))
def test_a_fraction_is_its_value_in_every_form(top, bottom):
    exact = Fraction(top, bottom)
    assert value(f"{top}/{bottom}") == exact
    sign = "-" if top < 0 else ""
    assert value(plain(f"{sign}\\dfrac{{{abs(top)}}}{{{bottom}}}")) == exact
    assert corrected.matches(repr(top / bottom), f"{top}/{bottom}")
    assert not corrected.matches(f"{top + 1}/{bottom}", f"{top}/{bottom}") or abs(top) > 900_000


@pytest.mark.parametrize("text", ["", "()", "1+", "1 2", "(2) 3", "\\frac{1}{0}", "2^(10^9)", "9" * 50 + "^999", "x", "1 2)",
                                  "(" * 5000, "200!",
                                  "\\sqrt{-1}", "(-8)^(1/3)", "0^(0-1)", "__import__('os')"])
def test_what_is_no_number_has_no_value(text):
    assert value(text) is None


def test_the_last_box_counts():
    assert boxed("so \\boxed{1} and \\boxed{\\frac{1}{2}}.") == "\\frac{1}{2}"
    assert boxed("$\\boxed 3$ then") == "3"
    assert boxed("none") is None


@pytest.mark.parametrize(("text", "name", "answer"), [
    ("First 3, then 4.50 apples", "gsm8k", "4.5"), ("2 + 2\n#### 1,234", "gsm8k", "1234"),
    ("The answer is 5. Not 6", "svamp", "5"),
    ("x = 1 so y = 7.0", "svamp", "7"), ("no number", "gsm8k", ""), ("it is a spider", "numglue", "A"),
    ("The answer is (B)", "numglue", "B"), ("so $\\boxed{\\dfrac{1}{2}}$", "math", "\\frac{1}{2}"),
    ("The answer is 1/2.", "math", "\\frac{1}{2}"), ("[3]", "deepmind", "3"),
])
def test_the_original_reads(text, name, answer):
    assert original.cleaned(text, name) == answer


@pytest.mark.parametrize("reference", ["7.0", "[3]", "2.50"])
def test_what_the_original_can_never_match_on_deepmind(reference):
    item = Item("?", reference, "", "", "")
    text = [f"The answer is {reference}."]
    assert judged(item, answers(text, "deepmind", ORIGINAL)[0], "deepmind", ORIGINAL) == 0
    assert judged(item, answers(text, "deepmind", CORRECTED)[0], "deepmind", CORRECTED) == 1


def test_the_original_is_lenient_on_math_alone():
    assert original.matches("103", "100.5", "math")
    assert original.matches("7.4", "7", "math")
    assert not original.matches("7.6", "7", "math")
    assert not original.matches("106", "100.5", "math")
    assert not original.matches("7.4", "7", "gsm8k")


def test_stop_words_cut_the_originals_text_alone():
    text = "Response time is 5. Question: none. The answer is 9."
    assert answers([text], "gsm8k", ORIGINAL)[0].text == ""
    assert answers([text], "gsm8k", CORRECTED)[0].text == "9."


def test_programs_run_and_their_output_is_the_answer():
    texts = ["x = 6\nprint(x * 7)", "Here it is:\n```python\nprint(42)\n```\nDone.", "print(1 / 0)", "The answer is 42."]
    found = answers(texts, "gsm8k", CORRECTED)
    assert [(a.text, a.by_program) for a in found] == [("42", True), ("42", True), ("", True), ("42.", False)]
    assert [a.text for a in answers(texts, "gsm8k", ORIGINAL)] == ["42", "", "", "42"]


def test_a_references_program_gives_the_reference():
    rows = [Item("?", "", "a = 3\nprint(a * 4)", "", ""), Item("?", "5", "#### 5", "", "")]
    assert [i.reference for i in resolved(rows)] == ["12", "5"]


@pytest.mark.parametrize(("program", "why"), [("print(1 / 0)", "ZeroDivisionError"), ("x = 1  # print(x)", "it prints none")])
def test_a_reference_that_cannot_be_computed_is_refused_and_not_left_empty(program, why):
    with pytest.raises(Refused, match=why):
        resolved([Item("What is it?", "", program, "", "")])


def test_brackets_without_end_are_no_answer_and_no_crash():
    assert not corrected.matches("(" * 600 + "1" + ")" * 600, "5")
    assert corrected.matches("((1, 2), 3)", "((1,2),3)")


class Scripted:
    """In the place of a model that is asked: what it says to a question, with and without the request."""

    new_tokens = 8

    def __init__(self, said):
        self.said, self.heard = said, []

    def __call__(self, questions, form, *, for_program):
        self.heard.append((tuple(questions), for_program))
        return [asking.Said(self.said[q, for_program], False) for q in questions]


def test_who_has_no_answer_is_asked_again_in_words():
    rows = [Item("a", "4", "", "f1", ""), Item("b", "5", "", "f2", ""), Item("c", "6", "", "f3", "")]
    model = Scripted({("a", True): "print(4)", ("b", True): "print(oops)", ("b", False): "It is 5.", ("c", True): "hm",
                      ("c", False): "well"})
    table = measure._measure(model, SETS["svamp"], rows)
    assert model.heard == [(("a", "b", "c"), True), (("b", "c"), False)]
    assert list(table["correct"]) == list(table["original"]) == [1, 1, 0]
    assert list(table["by_program"]) == [1, 0, 0]
    assert list(table["again"]) == [0, 1, 1]
    scores = measure.means(table)
    assert scores["corrected"].n == 3
    assert scores["corrected"].value == pytest.approx(2 / 3)
    assert scores["corrected"].stderr == pytest.approx((2 / 9 / 2) ** 0.5)


def test_averages_weigh_sets_alike_and_need_all_of_them():
    score = measure.Score
    found = {f"math:{s.name}": {"corrected": score(v, 0.3, n), "original": score(0.0, 0.0, n)}
             for s, v, n in zip(SETS.values(), (0.3, 0.6, 0.9, 0.0, 0.0, 0.3, 1.0), (10, 100, 5, 7, 7, 7, 3), strict=True)}
    made = measure.averages(found)
    assert made["math/in-domain"]["corrected"].value == pytest.approx(0.6)
    assert made["math/out-of-domain"]["corrected"].value == pytest.approx(0.1)
    assert made["math/overall"]["corrected"].value == pytest.approx(0.35)
    assert made["math/in-domain"]["corrected"].stderr == pytest.approx(0.3 / 3**0.5)
    assert made["math/overall"]["corrected"].n == 136
    del found["math:simuleq"]
    assert set(measure.averages(found)) == {"math/in-domain"}


def write_world(folder):
    """Both kinds of answers, from two sources, under a Hub id."""
    place = folder / "world/math-instructions"
    (place / "default").mkdir(parents=True)
    rows = [{"instruction": f"What is {i} + 1?", "output": f"{i} + 1 = {i + 1}\n#### {i + 1}", "source": "sums"}
            for i in range(3)]
    rows += [{"instruction": f"What is {i} * 2? {REQUEST}", "output": f"print({i} * 2)", "source": "programs"} for i in range(2)]
    (place / "default" / "test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (place / "README.md").write_text("---\nconfigs:\n- config_name: default\n  default: true\n  data_files:\n"
                                     "  - split: test\n    path: default/test.jsonl\n---\n")
    return folder


def test_the_worlds_rows_are_read_and_measured(tmp_path):
    source = write_world(tmp_path)
    rows = resolved(items(SETS["world"], source, None))
    assert [i.reference for i in rows] == ["1", "2", "3", "0", "2"]
    assert rows[3].question == "What is 0 * 2?"
    got = every_suite.evaluate(reader(), byte_tokenizer(), [("math", None, None)], source=source, batch_size=2)
    assert got.metrics["math:world"]["corrected"].n == got.metrics["math:world"]["original"].n == 5
    assert got.metrics["math:world/programs"]["corrected"].n == 2
    assert len(got.samples) == 5
    assert "has no data of it" in got.versions["math:gsm8k"]


def test_batches_do_not_change_answers(tmp_path):
    source = write_world(tmp_path)
    one, three = (mathematics.evaluate(reader(), byte_tokenizer(), [("math:world", None, None)], source=source, batch_size=b)
                  for b in (1, 3))
    assert list(one.samples["answer"]) == list(three.samples["answer"])


def test_the_models_state_is_kept(tmp_path):
    model = reader().train()
    mathematics.evaluate(model, byte_tokenizer(), [("math:world", None, 1)], source=write_world(tmp_path), batch_size=2)
    assert model.training


@pytest.mark.parametrize(("call", "why"), [
    ([], "no set was named"), ([("math:none", None, None)], "no set of math"), ([("math:world", None, 0)], "a mean needs one"),
    ([("math:world", 3, None)], "zero-shot"), ([("math:svamp", None, None)], "has no data of it"),
])
def test_what_cannot_be_measured_is_refused(tmp_path, call, why):
    with pytest.raises(Refused, match=why) as caught:
        mathematics.evaluate(reader(), byte_tokenizer(), call, source=write_world(tmp_path), batch_size=2)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_short_of_rows_is_refused(tmp_path):
    row = json.dumps({"question": "1 + 1?", "answer": "[2]"}) + "\n"
    (tmp_path / "deepmind").mkdir()
    (tmp_path / "deepmind" / "deepmind.jsonl").write_text(row * 3)
    with pytest.raises(Refused, match="3 of the 1000 rows"):
        items(SETS["deepmind"], tmp_path, None)
    with pytest.raises(Refused, match="3 of the 4 rows"):
        items(SETS["deepmind"], tmp_path, 4)
    assert len(items(SETS["deepmind"], tmp_path, 2)) == 2
    with pytest.raises(Refused, match=r"known to hold it; give a folder with simuleq_test.jsonl"):
        items(SETS["simuleq"], tmp_path, 2)


def test_fields_of_another_set_are_refused(tmp_path):
    (tmp_path / "svamp_test.jsonl").write_text(json.dumps({"question": "1 + 1?", "answer": "2"}) + "\n")
    with pytest.raises(Refused, match="has no field 'Body' but question, answer"):
        items(SETS["svamp"], tmp_path, 1)


def test_a_real_model_on_the_real_sets(files):
    model, tokenizer = models.load(MODEL)
    found = every_suite.evaluate(model, tokenizer, [("math", None, 4)], source=files, batch_size=4)
    measured = {name for name in found.metrics if name.startswith("math:")}
    assert measured == {"math:gsm8k", "math:math", "math:numglue", "math:svamp"}
    for name in measured:
        for scorer in ("corrected", "original"):
            assert found.metrics[name][scorer].n == 4
            assert 0 <= found.metrics[name][scorer].value <= 1
    assert {"math/in-domain"} == {n for n in found.metrics if n.startswith("math/")}
    assert "no repository" in found.versions["math:deepmind"]
    assert found.samples["answer"].str.len().gt(0).all()
