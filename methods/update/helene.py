"""HELENE: zeroth-order steps of a momentum divided by a floored diagonal of the Hessian.

Source: arXiv 2411.10696, algorithms 1 and 2 (from secondary statements of them: neither the paper's body nor its code
could be read). With g = c z the gradient along a random direction, B the examples of the batch, T the run's steps:
alpha_t = beta1 + (1 - beta1) exp(-t / T);   m = beta1 m + alpha_t g   (m_0 = 0, no bias correction);
every k steps  h = beta2 h + (1 - beta2) B g^2   (h_0 = 0);   w = w - lr m / (gamma max(h, lam_i) + eps)  for the group i.

Departures (the source leaves all of these open; each field's default is the first value named):
- `annealing`: "falling" as above; "constant" alpha = 1; "ema" alpha = 1 - beta1; "rising" the falling values from last to
  first, so that the two have one mean. Only "ema" is an average: the others step about 1 / (1 - beta1) times farther.
- `squared`: "mean" B times the square of the batch's slope; "examples" the mean of the squares of the examples' slopes.
  A direction along which the batch's slope is exactly 0 adds nothing to a diagonal in either.
- `probe`: h from the step's "own" direction, or from a "fresh" one (two more forward passes every k steps).
- `bound`: "floor" max(h, lam_i), or "cap" min(h, lam_i).
- `rule`: lam_i is "constant" lam; "dimension" lam / sqrt(d_i) with d_i the group's moving entries; "quantile" the quantile
  lam of the group's h after its first refresh (of at most 4,096 evenly spaced entries of each weight).
- `group`: "block" a transformer block, the embeddings, the head with the final norm; or "tensor".
- `first`: the step of a weight's first refresh, 0 being its first; `debias` divides h by 1 - beta2^refreshes.
- `eps` is not SPSA's; `weight_decay` is decoupled and acts first; `T` None is the run's planned steps.
- `curvature`: "diagonal"; "scalar" puts one number a group, h = beta2 h + (1 - beta2) B c^2, in the place of the diagonal,
  which z^2 only makes noisy; "off" leaves h at 0, so that the floor alone divides.
- `state_dtype` of m and h: "fp32", "bf16" or the weight's; arithmetic is in float32 at least. Refreshes are counted per
  weight, so that LISA's draws and k do not fall out of step.
"""
from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from methods.adam import DECAYED, DTYPES, StateDtype
from methods.gradients import Gradient, Seeded
from methods.parts import Clock, Refused, Role, State, Weight

SAMPLED = 4096
"""Entries of a weight that a quantile looks at."""


@dataclass(frozen=True)
class Helene:
    """State per weight: m of its shape, unless beta1 = 0; step [] and h of its shape, or [] for a scalar, unless curvature is
    off; floor [] by quantile. Bytes: width of `state_dtype` times the entries of m and h; 4 for every [].
    """

    lr: float
    lam: float = 1.0
    beta1: float = 0.9
    beta2: float = 0.99
    k: int = 10
    gamma: float = 1.0
    eps: float = 1e-8
    weight_decay: float = 0.0
    T: int | None = None
    annealing: Literal["falling", "constant", "ema", "rising"] = "falling"
    curvature: Literal["diagonal", "scalar", "off"] = "diagonal"
    squared: Literal["mean", "examples"] = "mean"
    probe: Literal["own", "fresh"] = "own"
    bound: Literal["floor", "cap"] = "floor"
    rule: Literal["constant", "dimension", "quantile"] = "constant"
    group: Literal["block", "tensor"] = "block"
    first: int = 0
    debias: bool = False
    state_dtype: StateDtype = "fp32"
    accepts: ClassVar[tuple[type[Gradient], ...]] = (Seeded,)

    def __post_init__(self) -> None:
        inside = self.k >= 1 and self.first >= 0 and 0 <= self.beta1 < 1 and 0 <= self.beta2 < 1
        if not (inside and self.gamma > 0 and self.lam >= 0 and self.eps >= 0 and (self.T is None or self.T >= 1)):
            raise Refused(f"cannot use {self}; because k, T and gamma must be positive, betas in [0, 1) and no other negative; "
                          "use such values")
        if self.rule == "quantile" and (self.first or self.curvature == "off" or self.lam > 1):
            raise Refused("cannot use HELENE with rule='quantile' here; because the floor is a quantile of h at its first "
                          "refresh; use lam in [0, 1], first=0 and a curvature")
        if self.curvature == "off" and (self.bound == "cap" or self.gamma * self.lam + self.eps == 0):
            raise Refused("cannot use HELENE with curvature='off' and no floor; because the step would be divided by 0; "
                          "use bound='floor' and lam > 0")

    def alpha(self, t: int, steps: int) -> float:
        """The weight of the new gradient at step t, counted from 0."""
        T = self.T or steps
        if self.annealing in ("constant", "ema"):
            return 1.0 if self.annealing == "constant" else 1 - self.beta1
        return self.beta1 + (1 - self.beta1) * math.exp(-(t if self.annealing == "falling" else max(0, T - t)) / T)

    @torch.no_grad()
    def __call__(self, gradient: Gradient, state: State, clock: Clock) -> None:
        assert isinstance(gradient, Seeded)
        ahead = self._ahead(gradient, state)
        if ahead:
            self._refresh_ahead(gradient, state)
        floors = self._floors(gradient.weights, state)
        lr, alpha = self.lr * clock.lr_scale, self.alpha(clock.step, clock.steps)
        for moving in gradient.groups():
            for weight, g in moving:
                slots = state.setdefault(weight.name, {}) if self.beta1 or self.curvature != "off" else {}
                if self.curvature != "off" and not ahead and self._due(slots):
                    self._refresh(gradient, weight, g, slots)
                if self.weight_decay and weight.role in DECAYED:
                    weight.tensor.mul_(1 - lr * self.weight_decay)
                m = self._momentum(g, slots, weight.tensor, alpha)
                self._step(weight, m, torch.empty_like(g) if m is g else g, slots, floors[weight.name], lr)

    def _momentum(self, g: Tensor, slots: dict[str, Tensor], weight: Tensor, alpha: float) -> Tensor:
        if not self.beta1:
            return g if alpha == 1.0 else g.mul_(alpha)
        if "m" not in slots:
            slots["m"] = torch.zeros(weight.shape, dtype=self._dtype(weight), device=weight.device)
        m = slots["m"].to(g.dtype).mul_(self.beta1).add_(g, alpha=alpha)
        if m is not slots["m"]:
            slots["m"].copy_(m)
        return m

    def _step(self, weight: Weight, m: Tensor, spare: Tensor, slots: dict[str, Tensor], floor: float, lr: float) -> None:
        """w = w - lr m / (gamma max(h, floor) + eps), worked out in `spare`, and one more step counted."""
        if self.curvature == "off":
            weight.tensor.add_(m, alpha=-lr / (self.gamma * floor + self.eps))
            return
        h = self._h(slots, weight.tensor)
        d = spare.copy_(h.expand_as(spare)).div_(1 - self.beta2 ** max(1, self._refreshes(slots)) if self.debias else 1.0)
        d = d.clamp_(min=floor) if self.bound == "floor" else d.clamp_(max=floor)
        weight.tensor.add_(torch.div(m, d.mul_(self.gamma).add_(self.eps), out=d), alpha=-lr)
        slots["step"] += 1

    # ------------------------------------------------------------------------------------------- curvature

    def _due(self, slots: dict[str, Tensor]) -> bool:
        """Whether a weight's coming step is one that refreshes h."""
        after = int(slots["step"].item()) - self.first if "step" in slots else -self.first
        return after >= 0 and after % self.k == 0

    def _refreshes(self, slots: dict[str, Tensor]) -> int:
        return (int(slots["step"].item()) - self.first) // self.k + 1

    def _h(self, slots: dict[str, Tensor], weight: Tensor) -> Tensor:
        if "h" not in slots:
            slots["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
            diagonal = self.curvature == "diagonal"
            slots["h"] = torch.zeros(weight.shape if diagonal else (), device=weight.device, dtype=self._dtype(weight)
                                     if diagonal else torch.promote_types(weight.dtype, torch.float32))
        return slots["h"]

    def _refresh(self, source: Seeded, weight: Weight, g: Tensor, slots: dict[str, Tensor]) -> None:
        """h = beta2 h + (1 - beta2) B g^2, or B c^2 for a scalar."""
        h, n = self._h(slots, weight.tensor), len(source.c)
        power, examples = sum(c * c for c in source.c) / n, sum(source.squares) / n
        wanted = source.examples * power if self.squared == "mean" else examples
        if self.curvature == "scalar":
            h.mul_(self.beta2).add_((1 - self.beta2) * wanted / n)
            return
        wide = h.to(g.dtype).mul_(self.beta2).addcmul_(g, g, value=(1 - self.beta2) * (wanted / power if power else 0.0))
        if wide is not h:
            h.copy_(wide)

    def _ahead(self, gradient: Seeded, state: State) -> bool:
        """Whether this step needs every h before it moves a weight."""
        if self.curvature == "off" or (self.probe == "own" and self.rule != "quantile"):
            return False
        slots = [state.get(w.name, {}) for w in gradient.weights]
        return any(map(self._due, slots)) if self.probe == "fresh" else any("floor" not in s for s in slots)

    def _refresh_ahead(self, gradient: Seeded, state: State) -> None:
        source = gradient
        if self.probe == "fresh":
            gradient.settle()
            source = gradient.again.fresh()
        for moving in source.groups():
            for weight, g in moving:
                slots = state.setdefault(weight.name, {})
                if self._due(slots):
                    self._refresh(source, weight, g, slots)

    # --------------------------------------------------------------------------------------------- floors

    def _floors(self, weights: Sequence[Weight], state: State) -> dict[str, float]:
        """lam_i of every weight's group, by weight."""
        if self.rule == "constant":
            return dict.fromkeys((w.name for w in weights), self.lam)
        groups: dict[str, list[Weight]] = defaultdict(list)
        for weight in weights:
            groups[self._group(weight)].append(weight)
        floors: dict[str, float] = {}
        for members in groups.values():
            if self.rule == "dimension":
                entries = sum(w.tensor.numel() for w in members)
                floors |= dict.fromkeys((w.name for w in members), self.lam / math.sqrt(entries))
            else:
                floors |= self._quantile(members, state)
        return floors

    def _quantile(self, members: Sequence[Weight], state: State) -> dict[str, float]:
        """The floor of each member, taken once from the h of those members that have none yet."""
        new = [w for w in members if "floor" not in state[w.name]]
        if new:
            h = torch.cat([_sample(state[w.name]["h"]) for w in new])
            floor = torch.quantile(h.to(torch.promote_types(h.dtype, torch.float32)), self.lam)
            for weight in new:
                state[weight.name]["floor"] = floor.clone()
        return {w.name: float(state[w.name]["floor"]) for w in members}

    def _group(self, weight: Weight) -> str:
        if self.group == "tensor" or weight.layer is not None:
            return weight.name if self.group == "tensor" else str(weight.layer)
        return "embedding" if weight.plays(Role.EMBEDDING) or weight.plays(Role.POSITION) else "head"

    def _dtype(self, weight: Tensor) -> torch.dtype:
        return DTYPES.get(self.state_dtype, weight.dtype)


def _sample(h: Tensor) -> Tensor:
    flat = h.flatten()
    return flat[::max(1, -(-len(flat) // SAMPLED))]
