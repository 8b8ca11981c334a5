"""Verdicts in words: the p that decided, a rival's own number, what a control or an untuned rival leaves, no raw ids."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from repro import report, words
from repro.claims import Claim, Contrast, Control, Counted, OfCurve
from repro.evidence import Evidence
from repro.judged import Reckoned, Verdict
from repro.memory import reference
from repro.papers import PAPERS, rates
from repro.papers.helene.measures import speed
from repro.papers.lisa.measures import RISE, chat
from repro.papers.lisa.memory import case
from repro.papers.rates import Trial, Tuned
from repro.scales import get
from repro.shapes import LLAMA_2_7B
from repro.site.overview import Seen, Summary
from repro.site.pages import code
from repro.table import Mean, Table, latex, markdown, ours
from repro.verdict import judge
from repro.verdict_json import reckoned_json, verdict_json
from tests.fake_study import Memory, fill, rates_of_all_papers
from tests.test_verdict import better, claim, study

MADE = study({"a": 1.0, "b": 0.5, "c": 1.0})
REFUTED, SUPPORTED = claim(better()), claim(better("b", "a"), name="C2")


@pytest.fixture(autouse=True, scope="module")
def some_rates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with rates_of_all_papers(tmp_path_factory.mktemp("tuned")) as folder:
        yield folder


# ------------------------------------------------------------------------------------------------ which p


def test_the_p_that_is_shown_is_the_one_that_decided() -> None:
    refuted, supported = judge((REFUTED, SUPPORTED), MADE)
    assert (refuted.word, supported.word) == ("refuted", "supported")
    assert refuted.p_for == pytest.approx(1, abs=1e-4)
    assert supported.p_against == pytest.approx(1, abs=1e-4)
    assert refuted.p == refuted.p_against
    assert supported.p == supported.p_for
    assert words.corrected(refuted) == "corrected p < 0.001 against it"
    assert words.corrected(supported) == "corrected p < 0.001"
    told = words.verdicts_md(PAPERS["lisa"], get("tiny"), (refuted, supported))
    assert "Corrected p < 0.001 against it." in told
    assert "p = 1" not in told
    made = verdict_json(refuted)
    assert made["p_holm"] == made["p_holm_against"] < 0.001 < made["p_holm_for"]


def test_an_open_verdict_shows_both() -> None:
    open_ = judge((claim(better("a", "c")),), MADE)[0]
    assert open_.word == "inconclusive"
    assert re.fullmatch(r"corrected p = \d\.\d{3} for it, p = \d\.\d{3} against it", words.corrected(open_))
    assert words.corrected(judge((Claim("C", "s", "", "", untried="not run", reason="r"),), MADE)[0]) == ""


def test_a_p_is_no_chance_that_something_fails() -> None:
    part = words.tested(judge((REFUTED,), MADE)[0].tested[0])
    assert "for the opposite" in part
    assert "chance" not in part


def test_how_to_read_an_effect_names_the_exception_of_bounds() -> None:
    assert "within bounds" in words.READ_AS
    outside = judge((claim(better("b", "a", goal="within", margin=0.1)),), MADE)[0].tested[0]
    assert outside.fails, "above 0 as it is, it does not speak for the claim"
    assert outside.estimate is not None
    assert outside.estimate.mean > 0


# ------------------------------------------------------------------------------------------------ counts


def test_a_count_shows_the_rivals_own_number_and_what_is_asked() -> None:
    asked = Counted("x at least 20 % below y", lambda: 11.1, lambda: 0.8 * 15.8, "GiB", "y", lambda: 15.8, "at least 20 % below")
    assert words.counted(Reckoned.of(asked)) == (
        "x at least 20 % below y: holds, counted 11.1 GiB against 15.8 of y: 30 % below (asked: at least 20 % below, 12.6)")
    assert reckoned_json(Reckoned.of(asked))["rival_value"] == 15.8
    plain = replace(asked, own=None, asked="no more", limit=lambda: 10.0)
    assert words.counted(Reckoned.of(plain)).endswith("fails, counted 11.1 GiB against 10 of y: 11 % above (asked: no more)")
    near = replace(plain, value=lambda: 10.00002)
    assert "counted 10.00002 GiB against 10 of y" in words.counted(Reckoned.of(near)), "what decides is seen"
    assert "as much" in words.counted(Reckoned.of(replace(plain, value=lambda: 10.0)))


def test_a_count_can_be_asked_to_be_no_less() -> None:
    least = Counted("x does not fit", lambda: 25.3, lambda: 24.0, "GiB", least=True)
    assert words.counted(Reckoned.of(least)) == "x does not fit: holds, counted 25.3 GiB (asked: at least 24)"
    assert not Reckoned.of(replace(least, value=lambda: 19.7)).holds
    assert Reckoned.of(replace(least, value=lambda: 19.7)).strain > 1


@pytest.mark.parametrize(("paper", "of"), [("colm", "C1"), ("lora_ensembles", "C7"), ("lora_ensembles", "C8a"), ("helene", "C7"),
                                           ("lisa", "C2"), ("lisa", "C2a")])
def test_no_threshold_stands_in_a_rivals_place(paper: str, of: str) -> None:
    found = next(c for c in PAPERS[paper].claims("tiny") if c.id == of)
    for count in (*found.counted, *(x for control in found.controls for x in control.counted)):
        made = Reckoned.of(count)
        assert count.rival, count.name
        assert made.limit is not None
        if re.search(r"%|copies", count.name):
            assert made.own is not None
            assert made.own != made.limit
            assert f"of {count.rival}: " in words.counted(made)


def test_many_counts_show_the_one_that_is_nearest_to_failing() -> None:
    counts = tuple(Counted(f"n{v:g}", lambda v=v: v, lambda: 10.0, "GiB") for v in (1.0, 9.0, 2.0, 3.0))  # type: ignore[misc]
    row = words.short(get("tiny"), judge((Claim("C", "s", "", "", counted=counts),), MADE)).rows[0]
    assert "4 of 4 counts hold; nearest to failing: n9: holds" in str(row[3])


# ------------------------------------------------------------------------------------------------ what is judged, and notes


def test_what_of_a_statement_is_judged_and_with_which_attention_stands_in_its_row() -> None:
    c3 = next(c for c in PAPERS["lisa"].claims("tiny") if c.id == "C3")
    verdict = judge((c3,), MADE)[0]
    row = " ".join(map(str, words.short(get("tiny"), (verdict,)).rows[0]))
    assert "fits within 24 GB" in row
    assert "quality is C5 and C6" in row
    eager = reference.gib(case(LLAMA_2_7B, "LISA E+H+2L"))
    assert f"with eager attention takes more than a card has: holds, counted {eager:.3g} GiB" in row
    assert all("attention" in r.counted.name for r in (*verdict.counted, *(r for c in verdict.controls for r in c.counted)))
    assert verdict_json(verdict)["statement"] == c3.shown


def test_the_short_table_carries_the_first_clause_of_a_note() -> None:
    noted = replace(SUPPORTED, note="this matters; that is for the page")
    rows = words.short(get("tiny"), judge((noted,), MADE)).rows
    assert rows[0][1] == "a beats b. Note: this matters"
    assert "that is for the page" in words.verdicts_md(PAPERS["lisa"], get("tiny"), judge((noted,), MADE))


# ------------------------------------------------------------------------------------------------ tallies, rivals not tuned


def test_a_claim_that_a_control_explains_is_not_counted_as_supported() -> None:
    explained = Control("c", (better("b", "c"),), "c does it")
    unsure = Control("d", (better("a", "c"),), "d does it")
    claims = (REFUTED, SUPPORTED, replace(SUPPORTED, id="C3", controls=(explained,)),
              replace(SUPPORTED, id="C4", controls=(unsure,)))
    found = judge(claims, MADE)
    seen = tuple(Seen(v.claim.id, "", v.word, v.headline, v.stands, v.group) for v in found)
    tally = Summary("tiny", "", "p", "", "", "core", 0, 0, 0, seen).tally
    assert tally == "1 supported, 1 supported but explained by controls, 1 supported but undecided against a control, 1 refuted"


def test_a_rival_that_was_not_tuned_is_named_where_ones_own_side_was() -> None:
    one, both, none = (judge((SUPPORTED,), MADE, untuned)[0]
                       for untuned in ({"a": "the other one"}, {"a": "the other one", "b": "this"}, {}))
    assert one.headline == "supported; its rival was not tuned: the other one"
    assert not one.stands
    assert one.group == "supported but its rival was not tuned"
    assert verdict_json(one)["rivals_not_tuned"] == ["the other one"]
    assert both.headline == none.headline == "supported"
    assert judge((REFUTED,), MADE, {"b": "this"})[0].headline == "refuted"


def test_it_follows_from_the_tuned_rates_and_goes_once_there_is_one(some_rates: Path) -> None:
    lisa, losses = PAPERS["lisa"], {"lisa-many-same-rate": 0.3, "lisa": 0.6, "lisa-long": 0.7, "lisa-once": 0.9,
                                    "lisa-many": 0.3, "lisa-fixed": 2.0}
    arms = [a for a in lisa.arms("tiny") if a.name in losses]
    evidence = Evidence(fill(Memory(), arms, losses), "lisa", "tiny", lisa.arms("tiny"))

    def c9() -> Verdict:
        return next(v for v in report.verdicts_of(lisa, evidence) if v.claim.id == "C9")

    assert "its rival was not tuned: LISA, drawn once, no restarts (K = T)" in c9().headline
    path = some_rates / "lisa_tiny.json"
    before = path.read_text()
    old = Tuned.from_json(before)
    path.write_text(Tuned("lisa", "tiny", {**old.trials, "lisa-once": (Trial(1e-3, 0, 1.0, 10, "x"),)}).to_json())
    rates.tuned.cache_clear()
    try:
        assert "not tuned" not in c9().headline
    finally:
        path.write_text(before)
        rates.tuned.cache_clear()


def test_a_method_with_a_coefficient_is_tuned() -> None:
    rate = Tuned("p", "s", {"decay 3": (Trial(1e-3, 0, 1.0, 10, "x"),)})
    assert rate.has("decay")
    assert rate.has("decay 3")
    assert not rate.has("decay-on-a")


# ------------------------------------------------------------------------------------------------ clamped numbers


def curve(kind: str, *values: float) -> pd.DataFrame:
    return pd.DataFrame({"step": range(0, 10 * len(values), 10), "kind": kind, "layer": None, "value": values})


def test_a_loss_that_still_falls_has_risen_by_less_than_nothing() -> None:
    assert RISE.read(curve("dev_loss", 2.0, 1.0, 0.9)) == pytest.approx(-0.1)
    assert RISE.read(curve("dev_loss", 2.0, 0.8, 0.9)) == pytest.approx(0.1)
    with pytest.raises(LookupError):
        RISE.read(curve("dev_loss", 2.0))


def of_curves(kind: str, *curves: tuple[float, ...]) -> Evidence:
    """One arm with a curve for each seed."""
    made = study({"a": 1.0}, seeds=len(curves))
    store = Memory()
    for record, values in zip(made.source.records("tiny", "p"), curves, strict=True):
        store.put(record, pd.DataFrame(), curve(kind, *values))
    return Evidence(store, "p", "tiny", made.arms)


def test_no_test_is_made_where_all_seeds_give_one_number() -> None:
    last = OfCurve("last", "last", "nats", False, lambda frame: float(frame["value"].iloc[-1]))
    found = judge((claim(Contrast("small", "a", None, last, "at least", 0.5)),), of_curves("dev_loss", (0.1,), (0.1,), (0.1,)))[0]
    assert (found.word, found.p) == ("inconclusive", None)
    assert "no spread to judge by" in found.why
    assert "no test: all seeds give the same number" in words.brief(found.tested[0])
    assert "p < " not in words.tested(found.tested[0])


def test_a_target_that_no_run_reaches_is_no_number_of_steps() -> None:
    measure = speed(("dev_loss", 0.9))
    assert ours("a", measure, of_curves("dev_loss", (2.0, 1.5, 1.2), (2.0, 1.4, 1.1))) == "> 20 steps (0 of 2 arrive)"
    some = ours("a", measure, of_curves("dev_loss", (2.0, 0.8, 0.7), (2.0, 1.4, 1.1)))
    assert isinstance(some, Mean)
    assert "1 of 2 arrive" in str(some)
    assert "arrive" not in str(ours("a", measure, of_curves("dev_loss", (2.0, 0.8, 0.7), (2.0, 0.7, 0.6))))


# ------------------------------------------------------------------------------------------------ words for readers


@pytest.mark.parametrize("name", list(PAPERS))
def test_contrasts_are_named_by_titles_and_not_by_ids(name: str) -> None:
    paper = PAPERS[name]
    ids = {a.name for a in paper.arms("tiny") if re.search(r"[-/@]", a.name)} | {"helene", "mezo"}
    for of in paper.claims("tiny"):
        for contrast in of.every_contrast:
            raw = {i for i in ids if re.search(rf"(?<![\w-]){re.escape(i)}(?![\w-])", contrast.name)}
            assert not raw, (of.id, contrast.name)


def test_units_are_units() -> None:
    assert chat("math").unit == "points of 1-10"
    contrast = Contrast("x", "a", "b", chat("math"), "at least", 0.13)
    assert words.wanted(contrast) == "> −0.13 points of 1-10"


def test_numbers_lose_the_digits_of_rounding_alone() -> None:
    assert words.tidy("AdamW(lr=0.0029999999999999996)") == "AdamW(lr=0.003)"
    assert words.tidy("lr=9.999999999999999e-05, alpha=16.0") == "lr=0.0001, alpha=16.0"
    assert words.tidy("0.123456789 and 3 of 1.5e-05") == "0.123456789 and 3 of 1.5e-05"


def test_code_is_shown_as_code() -> None:
    table = Table("t", "T", ("", "x"), (("a_b", "run `python -m x_y | z` or `"),))
    assert "| a\\_b | run `python -m x_y \\| z` or \\` |" in markdown(table)
    assert r"run \texttt{python -m x\_y \textbar{} z} or" in latex(table)
    assert code("run `a <b>` & `") == "run <code>a &lt;b&gt;</code> &amp; `"
    assert code("`<script>`") == "<code>&lt;script&gt;</code>"
