"""The stages of one run, watched: losses, norms, state, and checkpoints from which a killed run goes on exactly."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from peft import PeftModel
from torch import Tensor, nn

from methods.examples import Example
from methods.fit import Snapshot, fit
from methods.objective.label_words import LabelWords
from methods.parts import Refused
from methods.streams import Streams
from repro.curve import Curve, evenly
from repro.partial import Partial, Place, put_weights, weights_of
from repro.probes import NormProbe
from repro.study import PROBES, Run, Stage
from repro.worker import Say
from suites import heldout
from suites.data import Split
from suites.glue import choosing

STAGE_STRIDE = 1_000_003
"""Between the seeds of two stages, so that the second does not draw the first one's blocks and orders again."""


@dataclass
class Course:
    """A run's way from its base model to the model that is measured."""

    run: Run
    model: nn.Module
    """The base model; trained in place."""
    examples: Callable[[str, Split], list[Example]]
    """(training set, split) -> its examples."""
    pad_id: int
    batch_size: int
    """Of the dev loss."""
    partial: Partial
    say: Say
    place: Place = field(default_factory=Place)

    def __post_init__(self) -> None:
        for probe, points in self.run.arm.points.items():
            if probe not in PROBES or (points is not None and points < 2):
                raise Refused(f"cannot look at {probe!r} {points} times while training {self.run.arm.name}; because a probe "
                              f"is one of {', '.join(PROBES)} and looks at both ends; use one of them, 2 times or more")

    def go(self) -> tuple[nn.Module, Curve, float]:
        """The trained model without adapters on it, the curve, and the seconds that training took."""
        origin = {n: p.detach().clone() for n, p in self.model.named_parameters()} if self.probes("norms") else {}
        self.place, resume = self.partial.load()
        if self.place.start:
            put_weights(self.model, self.place.start)
        for stage in self.run.arm.stages[self.place.stage:]:
            last = self.train(stage, origin, resume)
            self.model, resume = merged(last.model), None
            self.place.stage, self.place.offset = self.place.stage + 1, self.place.offset + last.steps
            self.place.seconds += last.seconds
            more = self.place.stage < len(self.run.arm.stages)
            self.place.start = weights_of(self.model) if more or self.partial.due else {}
            if self.partial.due:
                self.partial.save(self.place, None)
        return self.model, self.place.curve, self.place.seconds

    def probes(self, name: str) -> bool:
        return name in self.run.arm.points

    def due(self, name: str, now: Snapshot) -> bool:
        """Whether the probe looks at this step."""
        points = self.run.arm.points
        return name in points and now.step in evenly(now.steps, points[name] or now.steps + 1)

    def train(self, stage: Stage, origin: dict[str, Tensor], resume: Path | None) -> Snapshot:
        """One stage; returns its last snapshot."""
        streams = Streams(self.run.seed + STAGE_STRIDE * self.place.stage, dict(self.run.arm.own_seeds))
        data, watched = self.examples(stage.data, "train"), Watched(self, stage, origin)
        for snapshot in fit(self.model, stage.recipe, data, stage.training, streams, pad_id=self.pad_id, resume=resume):
            watched.see(snapshot)
            if self.partial.due and 0 < snapshot.step < snapshot.steps:
                self.partial.save(self.place, snapshot)
            self.say("training", self.place.offset + snapshot.step, self.place.offset + snapshot.steps)
        return snapshot


class Watched:
    """Writes what the arm asks for into the curve. Steps that the curve holds already (after a resume) are left alone."""

    def __init__(self, course: Course, stage: Stage, origin: dict[str, Tensor]) -> None:
        self.curve, self.offset = course.place.curve, course.place.offset
        self.seen = max((row[0] for row in self.curve.rows), default=-1)
        watches = course.probes("dev") or course.probes("choice")
        self.dev = course.examples(stage.data, "dev") if watches else []
        objective = stage.recipe.objective
        self.mask = objective.mask if isinstance(objective, LabelWords) else None
        self.course, self.origin, self.tokens = course, origin, 0
        self.data = course.examples(stage.data, "train") if course.probes("sources") else []
        self.norms: NormProbe | None = None

    def see(self, now: Snapshot) -> None:
        at = self.offset + now.step
        if now.step == 0:
            self.curve.add(at, "trainable", sum(w.tensor.numel() for w in now.weights))
        if at > self.seen:
            self.basics(at, now)
            if self.course.due("choice", now):
                for kind, value in self.choice(now.model).items():
                    self.curve.add(at, kind, value)
            if self.course.due("dev", now):
                for kind, value in self.dev_loss(now.model).items():
                    self.curve.add(at, kind, value)
            if self.course.due("norms", now):
                self.layers(at, now)
        self.tokens = now.tokens

    def basics(self, at: int, now: Snapshot) -> None:
        self.curve.add(at, "state_bytes", now.state_bytes)
        if now.step:
            self.curve.add(at, "train_loss", now.loss)
            self.curve.add(at, "lr", now.lr_scale)
            self.curve.add(at, "tokens", now.tokens - self.tokens)
            self.curve.add(at, "active", sum(w.tensor.numel() for w in now.active))
            if self.course.probes("sources"):
                few = [self.data[i].source in now.small for i in now.used]
                self.curve.add(at, "small_share", sum(few) / len(few))

    def dev_loss(self, model: nn.Module) -> dict[str, float]:
        """Nats per answer token, with its standard error and the number of examples."""
        found = heldout.evaluate(model, self.dev, pad_id=self.course.pad_id, batch_size=self.course.batch_size)
        score = found.metrics[heldout.NAME]["nll"]
        return {"dev_loss": score.value, "dev_stderr": score.stderr, "dev_n": score.n}

    def choice(self, model: nn.Module) -> dict[str, float]:
        """Accuracy and loss among the label words, with their standard errors and the number of examples."""
        right, loss = choosing.choice(model, self.dev, mask=self.mask, pad_id=self.course.pad_id,
                                      batch_size=self.course.batch_size)
        return {"dev_accuracy": right.value, "dev_accuracy_stderr": right.stderr, "dev_loss": loss.value,
                "dev_stderr": loss.stderr, "dev_n": loss.n}

    def layers(self, at: int, now: Snapshot) -> None:
        self.norms = self.norms or NormProbe(self.origin, now.model, now.weights)
        found = self.norms()
        self.curve.add_layers(at, "norm", found.trained)
        self.curve.add_layers(at, "delta_norm", found.change)


def merged(model: nn.Module) -> nn.Module:
    """The model with its adapters added into its weights; virtual tokens stay on it, as no weight can take them."""
    body = model
    if isinstance(model, PeftModel) and not model.active_peft_config.is_prompt_learning:
        body = model.merge_and_unload()
    for parameter in body.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    return body.eval()
