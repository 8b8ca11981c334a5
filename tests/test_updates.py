"""Updates and backpropagation: parity with slow references and with torch.optim, and the laws of every update."""
from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor, nn

from methods.estimator.backprop import Backprop
from methods.gradients import Dense, Seeded
from methods.parts import Clock, Refused, Role, State, Weight
from methods.streams import Streams
from methods.update.adamw import AdamW
from methods.update.galore import GaLore, basis
from methods.update.sgd import Sgd
from tests.reference import adamw as slow_adamw
from tests.reference import galore as slow_galore
from tests.reference import sgd as slow_sgd

SHAPES = {"embedding": (Role.EMBEDDING, (13, 6)), "wide": (Role.MATRIX, (6, 10)), "tall": (Role.MATRIX, (10, 6)),
          "square": (Role.MATRIX, (6, 6)), "thin": (Role.MATRIX, (2, 9)), "norm": (Role.NORM, (6,)),
          "bias": (Role.BIAS, (10,))}
UPDATES = {
    "sgd": Sgd(lr=0.1), "sgd momentum": Sgd(lr=0.1, momentum=0.9, dampening=0.2, weight_decay=0.1),
    "sgd nesterov": Sgd(lr=0.1, momentum=0.9, nesterov=True), "adamw": AdamW(lr=0.1),
    "adamw decay": AdamW(lr=0.1, weight_decay=0.1), "adamw fp32": AdamW(lr=0.1, state_dtype="fp32"),
    "adamw bf16": AdamW(lr=0.1, state_dtype="bf16"), "galore": GaLore(lr=0.1, rank=3, update_gap=2),
    "galore decay": GaLore(lr=0.1, rank=2, update_gap=3, side="left", weight_decay=0.1, state_dtype="fp32"),
}
every_update = pytest.mark.parametrize("update", UPDATES.values(), ids=UPDATES.keys())


def make(dtype: torch.dtype = torch.float32, transposed: bool = False) -> list[Weight]:
    """One weight of each kind; `transposed` ones lie in memory as no contiguous tensor does."""
    torch.manual_seed(0)
    out = []
    for name, (role, shape) in SHAPES.items():
        values = torch.randn(shape, dtype=dtype)
        values = values.T.contiguous().T if transposed and len(shape) == 2 else values
        out.append(Weight(name, nn.Parameter(values), role))
    return out


def grads_at(weights: Sequence[Weight], step: int) -> tuple[Tensor, ...]:
    generators = [Streams(5).generator(w.name, step) for w in weights]
    return tuple(torch.randn(w.tensor.shape, generator=g, dtype=torch.float64).to(w.tensor.dtype)
                 for w, g in zip(weights, generators, strict=True))


def advance(update, weights: Sequence[Weight], state: State, steps: range, scale: float = 1.0) -> None:
    for step in steps:
        update(Dense(torch.tensor(0.0), tuple(weights), grads_at(weights, step)), state, Clock(step, 100, scale))


def values(weights: Sequence[Weight]) -> dict[str, Tensor]:
    return {w.name: w.tensor.detach().clone() for w in weights}


def assert_same(left: dict[str, Tensor], right: dict[str, Tensor]) -> None:
    assert left.keys() == right.keys()
    assert [n for n in left if not torch.equal(left[n], right[n])] == []


# -------------------------------------------------------------------------------------- laws of every update


@every_update
def test_a_rate_of_zero_changes_no_weight(update):
    weights = make()
    before = values(weights)
    advance(update, weights, {}, range(3), scale=0.0)
    assert_same(values(weights), before)
    advance(update, weights, {}, range(1))
    assert all(not torch.equal(t, before[n]) for n, t in values(weights).items())


@every_update
def test_a_step_on_some_weights_leaves_the_others_and_their_state_alone(update):
    weights, state = make(), {}
    before = values(weights)
    advance(update, weights[1:4], state, range(2))
    moved = {w.name for w in weights[1:4]}
    assert set(state) in (moved, set())
    assert {n for n, t in values(weights).items() if not torch.equal(t, before[n])} == moved


@every_update
def test_the_order_of_the_weights_does_not_matter(update):
    straight, shuffled = make(), make()
    mixed = random.Random(1).sample(shuffled, len(shuffled))
    advance(update, straight, {}, range(4))
    advance(update, mixed, {}, range(4))
    assert_same(values(straight), values(shuffled))


@every_update
def test_a_weight_frozen_for_a_while_goes_on_as_if_it_had_not_been(update):
    """Given the same gradients it had; so counts and moments are the weight's own."""
    straight, paused = make(), make()
    advance(update, straight, {}, range(4))
    state: State = {}
    advance(update, paused[:3], state, range(4))
    advance(update, paused[3:], state, range(4))
    assert_same(values(straight), values(paused))


@every_update
def test_state_survives_a_trip_through_a_copy(update):
    straight, resumed = make(), make()
    advance(update, straight, {}, range(5))
    state: State = {}
    advance(update, resumed, state, range(3))
    state = {name: {slot: t.cpu().clone() for slot, t in slots.items()} for name, slots in state.items()}
    advance(update, resumed, state, range(3, 5))
    assert_same(values(straight), values(resumed))


@every_update
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_weights_that_do_not_lie_contiguously_move_the_same(update, dtype):
    plain, strided = make(dtype), make(dtype, transposed=True)
    advance(update, plain, {}, range(3))
    advance(update, strided, {}, range(3))
    assert not strided[1].tensor.is_contiguous()
    near = {"rtol": 0.02, "atol": 0.01} if dtype is torch.bfloat16 else {}
    for name, tensor in values(strided).items():
        torch.testing.assert_close(tensor, values(plain)[name], **near)
        assert tensor.dtype is dtype


@every_update
def test_parts_are_values(update):
    assert replace(update) == update
    assert hash(replace(update)) == hash(update)
    assert update.accepts == ((Dense,) if isinstance(update, GaLore) else (Dense, Seeded))


@dataclass(frozen=True)
class Size:
    """Bytes of state: elements at the state's width, and four for every step count."""

    elements: int
    counts: int


def numel(name: str) -> int:
    return torch.Size(SHAPES[name][1]).numel()


TOTAL = sum(map(numel, SHAPES))
PLAIN = TOTAL - sum(map(numel, ("wide", "tall", "square")))
SIZES = {
    "sgd": Size(0, 0), "sgd momentum": Size(TOTAL, 0), "adamw": Size(2 * TOTAL, 7),
    "galore": Size(2 * PLAIN + 2 * 3 * (10 + 10 + 6) + 3 * (6 + 6 + 6), 7),
}


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_state_has_the_size_that_arithmetic_gives(name, dtype):
    state: State = {}
    advance(UPDATES[name], make(dtype), state, range(2))
    used = sum(t.nbytes for slots in state.values() for t in slots.values())
    assert used == SIZES[name].elements * dtype.itemsize + 4 * SIZES[name].counts


@pytest.mark.parametrize(("kind", "width"), [("weight", 2), ("bf16", 2), ("fp32", 4)])
def test_the_dtype_of_the_state_is_the_one_asked_for(kind, width):
    state: State = {}
    advance(AdamW(lr=0.1, state_dtype=kind), make(torch.bfloat16), state, range(1))
    assert {s["exp_avg_sq"].dtype.itemsize for s in state.values()} == {width}


# ---------------------------------------------------------------------------------------------------- parity


def both(update, steps: int = 7) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, list[Tensor]]]:
    """Weights before, weights after, and the gradients of every step, in float64."""
    weights = make(torch.float64)
    before = values(weights)
    advance(update, weights, {}, range(steps))
    grads = [grads_at(weights, step) for step in range(steps)]
    return before, values(weights), {w.name: [g[i] for g in grads] for i, w in enumerate(weights)}


@pytest.mark.parametrize("update", [u for u in UPDATES.values() if isinstance(u, Sgd)])
def test_sgd_is_its_formula(update):
    before, after, grads = both(update)
    for name, tensor in before.items():
        expected = slow_sgd.sgd(tensor, grads[name], update.lr, update.momentum, update.dampening, update.weight_decay,
                                update.nesterov)
        torch.testing.assert_close(after[name], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adamw_is_its_formula(decay):
    update = AdamW(lr=0.05, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=decay)
    before, after, grads = both(update)
    for name, tensor in before.items():
        own = 0.0 if name in ("norm", "bias") else decay
        expected = slow_adamw.adamw(tensor, grads[name], [0.05] * 7, 0.8, 0.95, 1e-3, own)
        torch.testing.assert_close(after[name], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["wide", "tall", "square"])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_galore_is_its_algorithm(name, decay):
    update = GaLore(lr=0.05, rank=3, update_gap=3, scale=0.5, beta1=0.8, beta2=0.95, eps=1e-3, weight_decay=decay)
    before, after, grads = both(update)
    expected = slow_galore.galore(before[name], grads[name], 0.05, 3, 3, 0.5, 0.8, 0.95, 1e-3, decay)
    torch.testing.assert_close(after[name], expected, rtol=1e-9, atol=1e-10)


def test_galore_moves_a_matrix_inside_one_subspace_between_refreshes():
    update = GaLore(lr=0.05, rank=2, update_gap=3)
    weights, state = make(torch.float64), {}
    before = values(weights)
    advance(update, weights, state, range(3))
    change = values(weights)["wide"] - before["wide"]
    assert int(torch.linalg.matrix_rank(change, atol=1e-9)) == 2
    advance(update, weights, state, range(3, 4))
    assert int(torch.linalg.matrix_rank(values(weights)["wide"] - before["wide"], atol=1e-9)) > 2


def test_galore_leaves_what_it_cannot_project_to_adamw():
    projected, plain = make(), make()
    advance(GaLore(lr=0.1, rank=6), projected, {}, range(3))
    advance(AdamW(lr=0.1), plain, {}, range(3))
    assert_same(values(projected), values(plain))


@pytest.mark.parametrize(("side", "shape"), [("left", (10, 3)), ("right", (6, 3)), ("auto", (6, 3))])
def test_galore_projects_the_side_asked_for(side, shape):
    state: State = {}
    advance(GaLore(lr=0.1, rank=3, side=side), make()[2:3], state, range(1))
    assert state["tall"]["projector"].shape == shape


def test_the_basis_does_not_hang_on_the_sign_of_the_matrix():
    matrix = torch.randn(6, 9, dtype=torch.float64)
    torch.testing.assert_close(basis(matrix, 4), basis(-matrix, 4))
    torch.testing.assert_close(basis(matrix, 4).T @ basis(matrix, 4), torch.eye(4, dtype=torch.float64))


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_adamw_is_torchs_fused_one_to_the_last_bit(decay, dtype):
    ours, theirs = make(dtype), make(dtype)
    still = {Role.NORM, Role.BIAS}
    groups = [{"params": [w.tensor for w in theirs if (w.role in still) is flag], "weight_decay": 0.0 if flag else decay}
              for flag in (True, False)]
    optimizer = torch.optim.AdamW(groups, lr=0.1, fused=True)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
    state: State = {}
    for step in range(6):
        advance(AdamW(lr=0.1, weight_decay=decay), ours, state, range(step, step + 1), scale=1 / (1 + step))
        for weight, grad in zip(theirs, grads_at(theirs, step), strict=True):
            weight.tensor.grad = grad
        optimizer.step()
        schedule.step()
    assert_same(values(ours), values(theirs))


@pytest.mark.parametrize("update", [u for u in UPDATES.values() if isinstance(u, Sgd)])
@pytest.mark.parametrize("foreach", [False, True])
def test_sgd_is_torchs_to_the_last_bit(update, foreach):
    ours, theirs = make(), make()
    optimizer = torch.optim.SGD([w.tensor for w in theirs], foreach=foreach,
                                **{k: getattr(update, k) for k in ("lr", "momentum", "dampening", "weight_decay", "nesterov")})
    state: State = {}
    for step in range(5):
        advance(update, ours, state, range(step, step + 1))
        for weight, grad in zip(theirs, grads_at(theirs, step), strict=True):
            weight.tensor.grad = grad
        optimizer.step()
    assert_same(values(ours), values(theirs))


def test_wider_state_is_float32_arithmetic_rounded_once():
    narrow = make(torch.bfloat16)
    wide = [Weight(w.name, nn.Parameter(w.tensor.detach().float()), w.role) for w in narrow]
    grads = tuple(g.float() for g in grads_at(narrow, 0))
    advance(AdamW(lr=0.1, state_dtype="fp32"), narrow, {}, range(1))
    AdamW(lr=0.1)(Dense(torch.tensor(0.0), tuple(wide), grads), {}, Clock(0, 1, 1.0))
    assert_same(values(narrow), {n: t.bfloat16() for n, t in values(wide).items()})


@pytest.mark.parametrize("part", [lambda: Sgd(lr=1, nesterov=True), lambda: GaLore(lr=1, rank=0),
                                  lambda: GaLore(lr=1, update_gap=0)])
def test_impossible_settings_are_refused_in_one_sentence(part):
    with pytest.raises(Refused, match=r"cannot use .*; because .*; use "):
        part()


# -------------------------------------------------------------------------------------------------- backprop


@dataclass
class Squares:
    """Half the squared distance of a weight's rows from a target, in as many parts as there are rows."""

    weight: nn.Parameter
    target: Tensor

    def parts(self):
        for row, goal in zip(self.weight, self.target, strict=True):
            yield (row - goal).square().sum() / 2


def test_backprop_adds_the_parts_up():
    weight = Weight("w", nn.Parameter(torch.randn(5, 3, dtype=torch.float64)), Role.MATRIX)
    loss = Squares(weight.tensor, torch.randn(5, 3, dtype=torch.float64))
    gradient = Backprop()(loss, nn.Identity(), [weight], Streams(0), 0)
    torch.testing.assert_close(gradient.tensors[0], weight.tensor.detach() - loss.target)
    torch.testing.assert_close(gradient.loss, (gradient.tensors[0] ** 2).sum() / 2)
    assert not gradient.loss.requires_grad
    assert [(w.name, g is weight.tensor.grad) for w, g in gradient] == [("w", True)]


def test_backprop_names_a_moving_weight_that_the_loss_does_not_reach():
    used, unused = (Weight(n, nn.Parameter(torch.ones(2, 2)), Role.MATRIX) for n in ("used", "unused"))
    with pytest.raises(Refused, match="cannot train unused"):
        Backprop()(Squares(used.tensor, torch.zeros(2, 2)), nn.Identity(), [used, unused], Streams(0), 0)


def test_backprop_gives_zeros_for_positions_left_out_and_refuses_an_empty_batch():
    used = Weight("used", nn.Parameter(torch.ones(2, 2)), Role.MATRIX)
    positions = Weight("positions", nn.Parameter(torch.ones(4, 2)), Role.POSITION)
    gradient = Backprop()(Squares(used.tensor, torch.zeros(2, 2)), nn.Identity(), [used, positions], Streams(0), 0)
    assert torch.equal(gradient.tensors[1], torch.zeros(4, 2))
    with pytest.raises(Refused, match="empty batch"):
        Backprop()(Squares(nn.Parameter(torch.ones(0, 2)), torch.ones(0, 2)), nn.Identity(), [], Streams(0), 0)
