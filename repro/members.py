"""What the members of an ensemble say while they train and afterwards, kept as log-probabilities of every option.

For each set of questions: [points, members, N, K], at points of the training for the set that is trained on and after it for
the others. Beside them, on the set that is trained on and where an arm asks: passes with dropout, a Laplace posterior, and one
adapter averaged from all.
Everything that combines members or scores them is done later, from these numbers alone (`repro.inference`).
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from peft import PeftModel
from torch import Tensor, nn

from methods.adapters import Adapters, averaged
from methods.examples import Example
from methods.fit import Snapshot
from methods.laplace import Laplace
from methods.stacked import stacked
from methods.streams import Streams
from suites.options.coded import Coded, log_probabilities, sampled
from suites.suite import Evaluation, Score

NAME = "options"
EXTRAS = ("sampled", "averaged", "laplace")
LAPLACE_ROWS = 1000
"""Its memory grows as examples x (options - 1) x weights of the last block's adapters: 4 GB at 13B with four options."""


@dataclass
class Asker:
    """Asks the coded sets and keeps what is said in `kept`: "answers/<set>/<member>/<step>" [N, K] and so on."""

    sets: Mapping[str, Coded]
    kept: dict[str, Tensor]
    pad_id: int
    batch_size: int

    def ask(self, model: nn.Module, member: int, step: int, names: Sequence[str]) -> None:
        """Before its first step every member is the base model, which answers once for all."""
        for name in names:
            first = self.kept.get(f"answers/{name}/0/0") if step == 0 else None
            self.kept[f"answers/{name}/{member}/{step}"] = self._said(model, name) if first is None else first.clone()

    def sample(self, model: nn.Module, name: str, samples: int, seed: int) -> None:
        self.kept[f"sampled/{name}"] = sampled(model, self.sets[name], samples, seed, pad_id=self.pad_id,
                                               batch_size=self.batch_size)

    def laplace(self, model: nn.Module, name: str, data: Sequence[Example], seed: int) -> None:
        """Around a member, from the examples that it was trained on, `LAPLACE_ROWS` of them where there are more."""
        asked = self.sets[name]
        drawn = Streams(seed).permutation(len(data), "laplace rows")[:LAPLACE_ROWS].tolist()
        fitted = Laplace().fit(model, [data[i] for i in sorted(drawn)], asked.letters, self.pad_id, self.batch_size)
        found = fitted.probabilities(model, asked.examples, self.batch_size, Streams(seed))
        self.kept[f"laplace/{name}"] = found.log().float().nan_to_num(neginf=-1e4)

    def remember(self, model: PeftModel, member: int) -> None:
        for name, (a, b) in Adapters.of(model).factors.items():
            self.kept[f"adapter/{member}/{name}/A"], self.kept[f"adapter/{member}/{name}/B"] = a.cpu(), b.cpu()

    def average(self, base: nn.Module, name: str) -> None:
        """One adapter from all that are remembered, on the plain base."""
        with stacked(base, [averaged(list(self._remembered()))]):
            self.kept[f"averaged/{name}"] = self._said(base, name)

    def _remembered(self) -> Iterator[Adapters]:
        keys = [key.split("/", 2) for key in self.kept if key.startswith("adapter/") and key.endswith("/A")]
        for member in sorted({int(member) for _, member, _ in keys}):
            names = [rest.removesuffix("/A") for _, m, rest in keys if int(m) == member]
            yield Adapters({n: (self.kept[f"adapter/{member}/{n}/A"], self.kept[f"adapter/{member}/{n}/B"]) for n in names})

    def _said(self, model: nn.Module, name: str) -> Tensor:
        return log_probabilities(model, self.sets[name], pad_id=self.pad_id, batch_size=self.batch_size)

    def found(self) -> Evaluation:
        """A row per question; `loglik` holds points x members x options, row by row."""
        frames, metrics = [], {}
        for name, asked in self.sets.items():
            said = self._answers(name)
            extras = {extra: self.kept.get(f"{extra}/{name}") for extra in EXTRAS}
            frames.append(frame(name, asked, said, extras))
            metrics[f"{NAME}:{name}"] = scores(asked, said)
        return Evaluation(metrics, pd.concat(frames, ignore_index=True), sum(asked.cut for asked in self.sets.values()),
                          {f"{NAME}.form": "letters, zero-shot unless an arm says otherwise"})

    def _answers(self, name: str) -> Tensor:
        """[E, M, N, K]"""
        keys = [key.rsplit("/", 2)[1:] for key in self.kept if key.startswith(f"answers/{name}/") and self._of(key, name)]
        members, steps = (sorted({int(pair[i]) for pair in keys}) for i in (0, 1))
        return torch.stack([torch.stack([self.kept[f"answers/{name}/{m}/{s}"] for m in members]) for s in steps])

    @staticmethod
    def _of(key: str, name: str) -> bool:
        return key.removeprefix("answers/").rsplit("/", 2)[0] == name


def frame(name: str, asked: Coded, said: Tensor, extras: Mapping[str, Tensor | None]) -> pd.DataFrame:
    """`said` [E, M, N, K]; extras [S, N, K] or [N, K] are written flat for every question, None where there are none."""
    points, members, count, _ = said.shape
    gold = torch.tensor(asked.gold)
    right = (said[-1].argmax(-1) == gold).float().mean(0)
    columns = {extra: [None] * count if of is None else _flat(of if of.dim() == 3 else of[None])
               for extra, of in extras.items()}
    return pd.DataFrame({
        "suite": f"{NAME}:{name}", "task": name, "item": range(count), "fact": list(asked.facts), "correct": right.tolist(),
        "gold": list(asked.gold), "points": points, "members": members, "loglik": _flat(said.flatten(0, 1)), **columns})


def _flat(said: Tensor) -> list[np.ndarray]:
    """[X, N, K] -> N rows of X K numbers."""
    return list(said.transpose(0, 1).flatten(1).float().numpy())


def scores(asked: Coded, said: Tensor) -> dict[str, Score]:
    """Accuracy and negative log-likelihood of the mean member and of the mean of all, after the last step."""
    last, gold = said[-1].double().softmax(-1), torch.tensor(asked.gold)
    rows = torch.arange(len(gold))
    together = last.mean(0)
    per_item = {"member acc": (last.argmax(-1) == gold).double().mean(0), "ensemble acc": (together.argmax(-1) == gold).double(),
                "member nll": -last[:, rows, gold].clamp_min(1e-12).log().mean(0),
                "ensemble nll": -together[rows, gold].clamp_min(1e-12).log()}
    return {name: Score(float(of.mean()), float(of.std() / len(gold) ** 0.5), len(gold)) for name, of in per_item.items()}


def names_at(now: Snapshot, data: str, sets: Mapping[str, Coded]) -> list[str]:
    """Which sets are asked at a step: all after the last one, before that those of the set that is trained on."""
    return [name for name in sets if now.step == now.steps or name.partition("/")[0] == data]
