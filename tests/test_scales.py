"""Scales: complete as data, and every setting says whose it is."""
from __future__ import annotations

import pytest

from methods.parts import Refused
from repro.papers.lisa.arms import trials
from repro.scales import SCALES, DataRef, get

NAMES = ("smoke", "tiny", "small", "paper")


def test_there_are_four_scales() -> None:
    assert set(SCALES) == set(NAMES)
    with pytest.raises(Refused, match="use one of"):
        get("huge")


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_says_whose_it_is_and_why(name: str) -> None:
    for key, setting in get(name).settings.items():
        assert setting.origin in ("paper", "ours", "not stated"), key
        assert setting.source, key


@pytest.mark.parametrize("name", NAMES)
def test_all_scales_have_the_same_settings(name: str) -> None:
    assert set(get(name).settings) == set(get("paper").settings)


@pytest.mark.parametrize("name", NAMES)
def test_what_the_arms_name_exists(name: str) -> None:
    scale = get(name)
    for arms in trials(name).values():
        for arm in arms:
            assert arm.base in scale.models
            assert all(stage.data in scale.sets for stage in arm.stages)


@pytest.mark.parametrize("name", NAMES)
def test_every_method_has_as_many_trials_on_the_same_grid(name: str) -> None:
    found = trials(name)
    assert {len(arms) for arms in found.values()} == {len(get(name).setting("lisa.rates"))}
    assert all("test" not in arm.probes and not arm.suites for arms in found.values() for arm in arms)
    assert not set(get(name).tuning_seeds) & set(get(name).seeds)


def test_stand_ins_say_so() -> None:
    for key, ref in get("tiny").models.items():
        assert "stands in" in ref.note, key
        assert ref.folder is not None


def test_unknown_keys_are_one_sentence() -> None:
    for ask in (get("tiny").model, get("tiny").data, get("tiny").setting):
        with pytest.raises(Refused, match="because"):
            ask("nothing")


def test_hub_references_are_pinned_by_id() -> None:
    assert DataRef("a/b", answer="x", revision="r").digest() == "a/b@r"
    assert get("paper").model("llama-2-7b").digest() == "meta-llama/Llama-2-7b-hf@main"
