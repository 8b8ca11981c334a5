"""Every headline of the papers is a claim with its controls, or says why it needs none; and the list of them says it all."""
from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from repro import words
from repro.claimed import FEW, OPEN, ORDER, SAME, compared, listed, parts, show, tried_at
from repro.claims import Claim, Contrast, Control, OfItems, Paper
from repro.commands.screen import WIDTH
from repro.papers import PAPERS, rates
from tests.fake_study import tuned_rates

HEADLINES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "lisa": {**{f"C{i}": (f"C{i}",) for i in range(1, 13)}, "C2": ("C2", "C2a"), "C5": ("C5", "C5a", "C5b"),
             "C8": ("C8", "C8a", "C8b")},
    "helene": {**{f"C{i}": (f"C{i}",) for i in (1, 2, 3, 4, 6, 7, 8)}, "C5": ("C5a", "C5b", "C5c")},
    "colm": {"44 GB": ("C1a",), "half the memory": ("C1",), "1.3 times as fast": ("C2",), "beats random batches": ("C4",),
             "with LoRA and others": ("C14",), "beats batches four times as large": ("C3", "C13"), "variance": ("C5",),
             "zeroth-order features": ("C6", "C11"), "small sources": ("C7",), "its parts": ("C8", "C9", "C10"),
             "unknown sources": ("C12",), "four models": ("C15",)},
    "lora_ensembles": {"H1": ("C1", "C2", "C3"), "H2": ("C4", "C5", "C6"), "H3": ("C7",), "H4": ("C8", "C8a"),
                       "H5": ("C9", "C9a"), "H6": ("C10",), "H7": ("C11",), "H8": ("C13a", "C13b", "C13c"), "H9": ("C12",)}}
"""Headline of a paper -> our claims."""


@pytest.fixture(autouse=True)
def some_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "FOLDER", tmp_path)
    rates.tuned.cache_clear()
    for paper in PAPERS.values():
        tuned_rates(tmp_path, paper.trials("tiny"), "tiny", paper.name)


everywhere = pytest.mark.parametrize(("paper", "scale"), [(p, s) for p in PAPERS.values() for s in ORDER],
                                     ids=lambda v: v.name if isinstance(v, Paper) else v)


@everywhere
def test_every_headline_is_a_claim_and_every_claim_is_of_one(paper: Paper, scale: str) -> None:
    ours = [c.id for c in paper.claims(scale)]
    of_headlines = [claim for claims in HEADLINES[paper.name].values() for claim in claims]
    assert sorted(ours) == sorted(of_headlines)


@everywhere
def test_a_claim_has_controls_or_says_why_it_needs_none(paper: Paper, scale: str) -> None:
    for claim in paper.claims(scale):
        assert bool(claim.controls) != bool(claim.no_control), claim.id
        for control in claim.controls:
            assert control.contrasts or control.counted, claim.id
            assert control.otherwise, claim.id


@everywhere
def test_every_contrast_has_arms_a_metric_and_a_margin_that_is_a_size(paper: Paper, scale: str) -> None:
    for claim in paper.claims(scale):
        assert claim.refuted_by
        assert claim.source
        for contrast in claim.every_contrast:
            assert contrast.arms
            assert contrast.measure.label
            assert contrast.margin > 0 or (contrast.margin == 0 and contrast.goal != "within"), claim.id


def of(paper: str, claim: str, scale: str = "tiny") -> Claim:
    return next(c for c in PAPERS[paper].claims(scale) if c.id == claim)


def test_where_a_claim_can_be_tried_follows_from_its_arms() -> None:
    lisa = PAPERS["lisa"]
    assert tried_at(lisa, "C5") == {"smoke": FEW, "tiny": "yes", "small": OPEN, "paper": OPEN}
    assert set(tried_at(lisa, "C2").values()) == {SAME}
    assert set(tried_at(lisa, "C7").values()) == {"nowhere: untestable"}
    assert tried_at(lisa, "C5b")["paper"] == "nowhere: untestable"
    missing = Contrast("x", "nobody", "lisa", OfItems("heldout", "loss", "nats", higher=False))
    other = replace(lisa, claims=lambda scale: (replace(of("lisa", "C5"), contrasts=(missing,)),))
    assert tried_at(other, "C5")["tiny"] == "no arm nobody"


def test_a_claim_of_untrained_arms_can_be_tried_and_its_controls_are_looked_at() -> None:
    found = PAPERS["lisa"]
    loss = OfItems("heldout", "loss", "nats", higher=False)
    vanilla, lisa, full = (next(a for a in found.arms("tiny") if a.name == name) for name in ("vanilla", "lisa", "full"))
    arms = (vanilla, replace(vanilla, name="other"), lisa, full, replace(full, name="once", seeds=(0,)))

    def at(claim: Claim) -> str:
        return tried_at(replace(found, arms=lambda scale: arms, claims=lambda scale: (claim,)), claim.id)["tiny"]

    bare = Claim("C1", "a", "b", "c", (Contrast("x", "vanilla", "other", loss),))
    trained = replace(bare, contrasts=(Contrast("x", "lisa", "full", loss),))
    assert (at(bare), at(trained)) == ("yes", "yes")
    for arm, answer in (("nobody", "no arm nobody"), ("once", FEW), ("vanilla", "yes")):
        control = Control("y", (Contrast("y", "lisa", arm, loss),), "z")
        assert at(replace(trained, controls=(control,))) == answer
        assert at(replace(bare, controls=(control,))) == answer


def test_a_comparison_is_told_with_arms_metric_and_margin() -> None:
    assert compared(of("lisa", "C5").contrasts[1]) == (
        "LISA no worse than full tuning: lisa against full; held-out loss, > −0.02 nats")
    assert "range of lisa-draw-1, lisa-draw-2, lisa-draw-3" in compared(of("lisa", "C10").contrasts[0])
    assert "mean of 4 comparisons" in compared(of("helene", "C2").contrasts[0])
    assert parts(of("lisa", "C2"))[0].endswith("(GiB, counted)")


@pytest.mark.parametrize("paper", list(PAPERS.values()), ids=lambda p: p.name)
def test_the_list_fits_its_width_and_says_all_that_a_claim_holds(paper: Paper) -> None:
    rows = [listed(paper, c) for c in paper.claims("tiny")]
    out = io.StringIO()
    show(rows, Console(file=out, width=WIDTH))
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= WIDTH
    text = " ".join(" ".join(lines).split())
    for claim, row in zip(paper.claims("tiny"), rows, strict=True):
        told = (claim.statement, claim.refuted_by, claim.no_control, claim.reason, claim.note, *parts(claim),
                *(c.otherwise for c in claim.controls), *(x for c in claim.controls for x in parts(c)))
        assert all(" ".join(t.split()) in text for t in told), claim.id
        assert len(row["contrasts"]) == len(claim.contrasts)
        assert all(facts["arms"] and "margin" in facts for facts in row["contrasts"])
    assert all(" ".join(rule.split()) in text for rule in words.STATISTICS)


def test_how_it_is_tested_is_told() -> None:
    told = " ".join(words.STATISTICS)
    for word in ("percentile", "BCa", "equivalence", "Holm", "further seeds", "clusters"):
        assert " ".join(word.split()) in " ".join(told.split()), word
