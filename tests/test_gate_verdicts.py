"""Verdicts that flip: caught where an effect moved, told where it sat on the edge, not judged where arms did not run."""
from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from methods.parts import Refused
from repro.claims import Claim, Contrast, Control, Counted, OfItems, Paper
from repro.evidence import Evidence
from repro.gate import counts, promote
from repro.gate.compare import compare
from repro.gate.words import Check
from repro.papers import PAPERS
from repro.store import Store
from repro.verdict import judge
from tests.engine_fakes import arm
from tests.gate_toys import Study, in_suite, only

LOSS = OfItems("heldout", "loss", "nats", higher=False, column="nll", weight="tokens")
BELOW = Claim("C1", "lisa beats full", "here", "full beats lisa", (Contrast("lisa below full", "lisa", "full", LOSS),))
UNTRIED = Claim("C2", "colm beats a judge", "here", "", untried="untestable", reason="no judge")
OTHER = Claim("C3", "colm beats full", "here", "full beats colm", (Contrast("colm below full", "colm", "full", LOSS),))
STUDY = Study(change=only("lisa", in_suite("heldout", "nll", lambda v: v - 0.02)))


def paper(study: Study = STUDY, claims: tuple[Claim, ...] = (BELOW, UNTRIED, OTHER)) -> Paper:
    arms = tuple(arm(name, study.seeds, probes=study.probes) for name in study.arms)
    return Paper("fake", "Fake", "0", arms=lambda scale: arms, trials=lambda scale: {}, tables=lambda scale: (),
                 figures=lambda scale: (), claims=lambda scale: claims)


def verdicts(tmp: Path, now: Study, before: Study = STUDY) -> dict[str, Check]:
    reference, fresh = before.write(tmp / "reference"), now.write(tmp / "fresh")
    found = compare(Store(fresh.root), Store(reference.root), "tiny", {"fake": paper(now)})
    return {c.arm: c for c in found.checks if c.kind == "verdict"}


def test_equal_records_keep_their_verdicts(tmp_path: Path) -> None:
    assert {c.outcome for c in verdicts(tmp_path, STUDY).values()} == {"same"}


def test_a_verdict_that_flips_fails_and_says_from_what_to_what(tmp_path: Path) -> None:
    worse = dataclasses.replace(STUDY, change=only("lisa", in_suite("heldout", "nll", lambda v: v + 0.02)))
    flipped = verdicts(tmp_path, worse)["C1"]
    assert (flipped.outcome, flipped.why) == ("worse", 'was "supported" and is "refuted"')
    assert verdicts(tmp_path / "back", STUDY, worse)["C1"].outcome == "better"


def test_a_verdict_on_the_edge_is_told_and_does_not_fail(tmp_path: Path) -> None:
    """The shift at which the claim is just supported, found by halving; then a little more against a little less."""
    small = dataclasses.replace(STUDY, arms=("full", "lisa"), items=80)

    def by(shift: float) -> Study:
        return dataclasses.replace(small, change=only("lisa", in_suite("heldout", "nll", lambda v: v - shift)))

    low, high = 0.0, 0.02
    for i in range(7):
        middle = (low + high) / 2
        store = by(middle).write(tmp_path / str(i))
        word = judge((BELOW,), Evidence(store, "fake", "tiny", paper(small).arms("tiny")))[0].word
        low, high = (low, middle) if word == "supported" else (middle, high)
    found = verdicts(tmp_path / "edge", by(low), by(high))["C1"]
    assert found.outcome == "same"
    assert "on the edge" in found.why


def test_a_claim_whose_arms_did_not_all_run_is_not_judged(tmp_path: Path) -> None:
    worse = dataclasses.replace(STUDY, absent=("colm",), change=only("lisa", in_suite("heldout", "nll", lambda v: v + 0.02)))
    assert {k: c.outcome for k, c in verdicts(tmp_path, worse).items()} == {"C1": "worse"}


def test_the_papers_say_which_way_is_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("repro.gate.words.higher", lambda metric: None)
    better = dataclasses.replace(STUDY, change=only("lisa", in_suite("heldout", "nll", lambda v: v - np.float64(0.05))))
    reference, fresh = STUDY.write(tmp_path / "reference"), better.write(tmp_path / "fresh")
    found = compare(fresh, reference, "tiny", {"fake": paper()})
    assert [(c.arm, c.name, c.outcome) for c in found.checks if c.outcome in ("better", "worse", "changed")] == [
        ("lisa", "heldout nll", "better")]


# ------------------------------------------------------------------------------------------------------------- counts


def counting(value: float | None, claims: tuple[Claim, ...] = (), limit: float = 1.0) -> Paper:
    """A paper with a claim of a count, one whose control is of a count, and others."""
    count = Counted("lisa's bytes", lambda: value, lambda: limit, "GiB")
    less = Claim("C4", "lisa needs less", "here", "it needs more", counted=(count,))
    tied = dataclasses.replace(BELOW, id="C5", controls=(Control("size", (), "its size", (count,)),))
    return paper(claims=(less, tied, *claims))


def counted(tmp: Path, was: float | None, is_: float | None, now: Study = STUDY) -> dict[str, Check]:
    reference, fresh = Store(tmp / "reference"), now.write(tmp / "fresh")
    made = promote.promotion(STUDY.write(tmp / "accepted"), reference, "tiny", (), known=(counting(was),))
    promote.accept(made, "first")
    found = compare(fresh, reference, "tiny", {"fake": counting(is_)})
    return {c.arm: c for c in found.checks if c.kind == "verdict"}


def test_a_count_that_no_longer_holds_flips_its_verdict_and_says_by_which_numbers(tmp_path: Path) -> None:
    assert {k: c.outcome for k, c in counted(tmp_path / "same", 0.5, 0.5).items()} == {"C4": "same", "C5": "same"}
    assert {k: c.outcome for k, c in counted(tmp_path / "near", 0.5, 0.9).items()} == {"C4": "same", "C5": "same"}
    found = counted(tmp_path / "more", 0.5, 2.0)
    assert (found["C4"].outcome, found["C5"].outcome) == ("worse", "better"), "the control explains the claim no more"
    assert found["C4"].why == ('was "supported" and is "refuted"; lisa\'s bytes: was 0.5 against 1, is 2 against 1 GiB')
    assert counted(tmp_path / "less", 2.0, 0.5)["C4"].outcome == "better"
    assert counted(tmp_path / "gone", 0.5, None)["C4"].outcome == "worse"


def test_counts_that_were_never_kept_are_not_called_the_same(tmp_path: Path) -> None:
    reference, fresh = STUDY.write(tmp_path / "reference"), STUDY.write(tmp_path / "fresh")
    found = compare(fresh, reference, "tiny", {"fake": counting(0.5, (OTHER,))})
    verdicts = {c.arm: c for c in found.checks if c.kind == "verdict"}
    assert {k: c.outcome for k, c in verdicts.items()} == {"C4": "skipped", "C5": "skipped", "C3": "same"}
    assert "holds no counts" in verdicts["C4"].why


def test_counts_of_papers_that_are_not_accepted_now_stay(tmp_path: Path) -> None:
    store, reference = STUDY.write(tmp_path / "fresh"), Store(tmp_path / "reference")
    place = counts.place(reference.root, "tiny")
    place.parent.mkdir(parents=True)
    other = {"C1": {"a": (1.0, None)}}
    place.write_text(counts.text({"other": other, "fake": {"C9": {"b": (1.0, 2.0)}}}))
    promote.accept(promote.promotion(store, reference, "tiny", (), known=(counting(0.5),)), "first")
    kept = {"C4": {"lisa's bytes": (0.5, 1.0)}, "C5": {"size: lisa's bytes": (0.5, 1.0)}}
    assert counts.read(reference.root, "tiny") == {"other": other, "fake": kept}
    place.write_text("[1]")
    with pytest.raises(Refused, match=r"counts\.json; because they are none"):
        counts.read(reference.root, "tiny")


def test_the_names_of_a_claims_counts_are_its_own() -> None:
    for found in PAPERS.values():
        for claim in found.claims("tiny"):
            names = [name for name, _ in counts.every(claim)]
            assert len(names) == len(set(names)), (found.name, claim.id)
