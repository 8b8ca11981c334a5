"""The tracker of live tensors against a slow recount after every operation, and what it says memory is for."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import LlamaConfig

from methods.fit import fit
from methods.streams import Streams
from suites.cost import tracker as tracking
from suites.cost.simulate import measure
from suites.cost.tracker import Kind, Tracker
from tests.cost_toys import DATA, RECIPES, SMALL, TRAINING, real
from tests.reference.cost_live import Recount, nbytes_of


def recounted(name: str, **training: Any) -> Recount:
    """A run under the tracker and, around it, the recount."""
    model = real()
    tracker = Tracker(model)
    recount = Recount([*model.parameters(), *model.buffers()], lambda: tracker.total)
    with tracker, recount:
        for now in fit(model, RECIPES[name], DATA, replace(TRAINING, **training), Streams(0), pad_id=0, watch=tracker.phase):
            tracker.cut()
            assert tracker.total == sum(tracker.live.values())
            assert now.steps == TRAINING.steps
    assert recount.operations > 500
    return recount


@pytest.mark.parametrize("name", RECIPES)
def test_live_bytes_are_the_recount_at_every_operation(name: str) -> None:
    assert recounted(name).wrong == []


@pytest.mark.parametrize("training", [{"gradient_checkpointing": True}, {"precision": "bf16-mixed"}, {"clip_norm": 1.0}])
def test_live_bytes_are_the_recount_however_it_trains(training: dict[str, Any]) -> None:
    assert recounted("LISA", **training).wrong == []


def test_a_tracker_that_misses_what_is_freed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tracker, "_freed", lambda *arguments: None)
    assert recounted("full").wrong


def test_a_tracker_that_counts_views_apart_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Tensor] = []

    def own(tensor: Tensor) -> torch.UntypedStorage:
        with torch.utils._python_dispatch._disable_current_modes():
            kept.append(tensor.detach().clone())
        return kept[-1].untyped_storage()

    monkeypatch.setattr(tracking, "storage", own)
    model = real()
    tracker = Tracker(model)
    x = torch.ones(4)
    with tracker, Recount([*model.parameters(), *model.buffers()], lambda: tracker.total) as recount:
        x.view(2, 2).t()
    assert recount.wrong


def test_views_count_once_and_bytes_go_with_the_last_of_them() -> None:
    tracker = Tracker(torch.nn.Linear(2, 2))
    before = tracker.total
    with tracker:
        x = torch.zeros(100)
        view = x[10:20].t()
        assert tracker.total == before + 400
        del x
        assert tracker.total == before + 400
        del view
        assert tracker.total == before


@pytest.mark.parametrize("name", RECIPES)
def test_kinds_are_what_the_run_keeps(name: str) -> None:
    model = real()
    tracker = Tracker(model)
    with tracker:
        for now in fit(model, RECIPES[name], DATA, TRAINING, Streams(0), pad_id=0, watch=tracker.phase):
            tracker.model = now.model
            tracker.mark([*now.model.parameters(), *now.model.buffers()], Kind.WEIGHTS)
            tracker.mark((t for slots in now.state.values() for t in slots.values()), Kind.OPTIMIZER)
            peak = tracker.cut()
            assert tracker.live[Kind.WEIGHTS] == nbytes_of([*now.model.parameters(), *now.model.buffers()])
            assert tracker.live[Kind.OPTIMIZER] == now.state_bytes
            assert sum(peak.composition.values()) == peak.bytes
            assert min(peak.composition.values()) >= 0
            assert tracker.live[Kind.GRADIENTS] == tracker.live[Kind.ACTIVATIONS] == 0


def test_gradients_at_a_peak_in_the_update_are_all_of_them() -> None:
    """With short texts the update is the peak: weights, gradients and both moments in full."""
    model = real()
    found = measure(model, RECIPES["full"], replace(TRAINING, batch_size=1), [replace(DATA[0], input_ids=(3, 4), answer_from=1)])
    parameters = sum(p.nbytes for p in model.parameters())
    assert found.peak.phase in ("update", "backward")
    assert found.composition["gradients"] == parameters
    assert found.composition["optimizer state"] == 2 * parameters + 4 * len(list(model.parameters()))


def test_checkpointing_keeps_fewer_activations() -> None:
    plain, again = (measure(real(), RECIPES["full"], replace(TRAINING, gradient_checkpointing=on), DATA) for on in (False, True))
    assert again.composition["activations"] < plain.composition["activations"] / 2
    assert again.peak_bytes < plain.peak_bytes


def test_tied_weights_count_once() -> None:
    tied = LlamaConfig(**{**SMALL.to_dict(), "tie_word_embeddings": True})
    found = [measure(real(config), RECIPES["full"], TRAINING, DATA) for config in (SMALL, tied)]
    table = SMALL.vocab_size * SMALL.hidden_size
    assert found[0].weights - found[1].weights == table
    assert found[0].weight_bytes - found[1].weight_bytes == 4 * table


def test_a_frozen_model_has_no_gradients() -> None:
    """Unlike trackers that look for a gradient at every weight."""
    found = measure(real(), RECIPES["LoRA"], TRAINING, DATA)
    adapters = 4 * found.moving[0]
    assert 0 < found.moving[0] < found.weights / 2
    assert all(peak.composition["gradients"] <= adapters for peak in found.steps)
    assert found.composition["optimizer state"] <= 2 * adapters + 4 * 100


@pytest.mark.parametrize("name", ["LISA", "CoLM", "HELENE"])
def test_looking_holds_nothing(name: str) -> None:
    """A run whose state is shown after every step is as large as one that nobody looks at: LISA's reset frees its state."""
    model = real()
    tracker, peaks = Tracker(model), []
    with tracker:
        for _ in fit(model, RECIPES[name], DATA, TRAINING, Streams(0), pad_id=0, watch=tracker.phase):
            peaks.append(tracker.cut().bytes)
    assert [peak.bytes for peak in measure(real(), RECIPES[name], TRAINING, DATA).steps] == peaks[1:]


def test_tracking_changes_no_number() -> None:
    plain, tracked = real(), real()
    list(fit(plain, RECIPES["LISA"], DATA, TRAINING, Streams(0), pad_id=0))
    measure(tracked, RECIPES["LISA"], TRAINING, DATA)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), tracked.parameters(), strict=True))
