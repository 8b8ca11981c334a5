"""LISA's study as values: every arm, claim and exhibit hangs together at every scale, and no number is made up."""
from __future__ import annotations

from pathlib import Path

import pytest

from methods.parts import Refused
from methods.scope.lisa import Lisa
from repro.claims import Claim
from repro.evidence import Evidence
from repro.papers import PAPERS, chosen, rates
from repro.papers.lisa.arms import VARIANTS, arms, trials
from repro.papers.lisa.claims import claims
from repro.papers.numbers import COLUMNS, printed, reported
from repro.papers.rates import Trial, Tuned
from repro.scales import get
from repro.verdict import judge
from tests.fake_study import Memory, fill, tuned_rates

NAMES = ("smoke", "tiny", "small", "paper")
LOSSES = {"vanilla": 2.2, "full": 0.57, "lisa": 0.60, "lora": 0.75, "galore": 0.65, "embeddings-and-head": 0.80,
          "lisa-fixed": 0.70, "lisa-reweighted": 0.62, "lora-embeddings": 0.70, "lisa-once": 0.70}


IDS = ["C1", "C2", "C2a", "C3", "C4", "C5", "C5a", "C5b", "C6", "C7", "C8", "C8a", "C8b", *(f"C{i}" for i in range(9, 13))]


@pytest.fixture(autouse=True)
def some_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "FOLDER", tmp_path)
    rates.tuned.cache_clear()
    for name in ("tiny", "small", "paper"):
        tuned_rates(tmp_path, trials(name), name)


def test_all_twelve_claims_are_there_and_can_fail() -> None:
    found = claims("tiny")
    assert [c.id for c in found] == IDS
    for claim in found:
        assert claim.refuted_by
        assert bool(claim.contrasts or claim.counted) != bool(claim.untried), claim.id
        assert not claim.untried or claim.reason


def test_gpt_4s_points_are_untestable_and_another_judge_decides_under_its_own_name() -> None:
    by_scale = {scale: {c.id: c for c in claims(scale)} for scale in ("tiny", "paper")}
    for found in by_scale.values():
        assert found["C5a"].untried == "untestable"
        assert "GPT-4" in found["C5a"].reason
    assert "rule judges" in by_scale["tiny"]["C5b"].statement
    assert {x.measure.label for x in by_scale["tiny"]["C5b"].contrasts} == {"overall"}
    assert by_scale["paper"]["C5b"].untried == "untestable"


def test_controls_of_core_claims_are_core_arms() -> None:
    core = {a.name for a in arms("tiny") if a.core}
    for claim in (c for c in claims("tiny") if c.id in ("C5", "C6", "C11")):
        for control in claim.controls:
            assert all(set(x.arms) <= core for x in control.contrasts), claim.id


def test_a_claim_about_three_models_is_tried_on_three() -> None:
    c5 = next(c for c in claims("paper") if c.id == "C5")
    assert len({x.left for x in c5.contrasts}) == 3


def test_ablations_change_one_choice_of_lisa() -> None:
    by_name = {a.name: a for a in arms("tiny")}
    main = by_name["lisa"].stages[0].recipe
    assert isinstance(main.scope, Lisa)
    for name in VARIANTS:
        other = by_name[name].stages[0].recipe
        changed = [k for k, v in vars(main.scope).items() if vars(other.scope)[k] != v]
        assert changed, name
        assert set(changed) <= {"gamma", "K"} or len(changed) == 1, name
        assert other.update == main.update
    draws = [by_name[f"lisa-draw-{i}"] for i in (1, 2, 3)]
    assert [d.own_seeds for d in draws] == [{"blocks": 1}, {"blocks": 2}, {"blocks": 3}]
    assert all(d.stages == by_name["lisa"].stages for d in draws)


def test_a_scale_that_was_not_tuned_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lisa_small.json").unlink()
    rates.tuned.cache_clear()
    with pytest.raises(Refused, match="repro tune --paper lisa --scale small"):
        arms("small")


def test_rates_are_chosen_by_dev_loss_and_edges_are_told() -> None:
    def t(lr: float, *losses: float | None) -> list[Trial]:
        return [Trial(lr, seed, loss, 10, "x") for seed, loss in enumerate(losses)]

    found = Tuned("lisa", "tiny", {"a": (*t(0.1, 2.0, 2.0), *t(0.2, 1.0, 1.2), *t(0.3, 0.5, None)),
                                   "b": (*t(0.1, 1.0), *t(0.2, 2.0)), "c": tuple(t(0.1, None))})
    assert found.rate("a") == 0.2
    assert not found.on_edge("a")
    assert found.on_edge("b")
    with pytest.raises(Refused, match="no rate finished"):
        found.rate("c")
    with pytest.raises(Refused, match="was not tuned"):
        found.rate("d")
    ok = Tuned("lisa", "tiny", {"a": found.trials["a"]})
    assert Tuned.from_json(ok.to_json()) == ok
    with pytest.raises(Refused, match="same grid"):
        rates.check_even(found.trials)


def evidence_of(names: set[str] | None = None, **changed: float) -> Evidence:
    wanted = [a for a in arms("tiny") if names is None or a.name in names]
    return Evidence(fill(Memory(), wanted, LOSSES | changed, items=80), "lisa", "tiny", arms("tiny"))


def verdict_of(claim: str, evidence: Evidence) -> str:
    found: tuple[Claim, ...] = claims("tiny")
    return next(v for v in judge(found, evidence) if v.claim.id == claim).headline


def test_norms_there_at_step_0_explain_the_first_claim() -> None:
    norms = {"full", *(a.name for a in arms("tiny") if a.name.startswith("lora-embeddings"))}
    assert verdict_of("C1", evidence_of(norms)).startswith("supported, but explained by its controls: step 0")


def test_embeddings_and_head_alone_would_explain_the_gain_over_lora() -> None:
    core = {a.name for a in arms("tiny") if a.core}
    fair = evidence_of(core, full=0.75)
    assert verdict_of("C5", fair) == "supported"
    explained = evidence_of(core, full=0.75, **{"embeddings-and-head": 0.59})
    assert "embeddings and head alone" in verdict_of("C5", explained)


def test_ablation_claims_are_not_run_with_core_arms_alone() -> None:
    core = evidence_of({a.name for a in arms("tiny") if a.core})
    assert {verdict_of(c, core) for c in ("C8", "C9", "C10")} == {"not run"}
    assert verdict_of("C11", core) == "supported"


def test_smoke_never_supports() -> None:
    scale = get("smoke")
    wanted = arms("smoke")
    store = fill(Memory(), wanted, LOSSES, scale="smoke", items=40)
    found = judge(claims(scale.name), Evidence(store, "lisa", "smoke", wanted))
    assert not [v for v in found if v.word in ("supported", "refuted", "direction only") and not v.counted]


# ---------------------------------------------------------------------------------- the paper's numbers


def test_unverified_cells_are_empty() -> None:
    frame = reported("lisa")
    assert tuple(frame.columns) == COLUMNS
    assert set(frame["status"]) == {"verified", "approximate reading", "not available"}
    assert ((frame["value"] == "") == (frame["status"] == "not available")).all()
    assert (frame["source"] != "").all()


def test_printed_numbers_are_found_by_their_place() -> None:
    where = {"table": "Table 3", "model": "TinyLlama", "method": "LISA"}
    assert printed("lisa", where).value == 2.78
    assert printed("lisa", {"table": "Table 2", "model": "TinyLlama", "method": "LISA", "benchmark": "MMLU"}).value is None
    with pytest.raises(Refused, match="name more columns"):
        printed("lisa", {"table": "Table 3"})


def test_papers_are_chosen_by_name() -> None:
    assert chosen(()) == tuple(PAPERS.values())
    with pytest.raises(Refused, match="use one of lisa"):
        chosen(("nothing",))
