"""The stages of one run, watched: losses, norms, state, and checkpoints from which a killed run goes on exactly."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from peft import PeftModel
from torch import Tensor, nn

from methods.examples import Example
from methods.fit import Snapshot, fit
from methods.objective.choice_kl import ChoiceKl
from methods.objective.label_words import LabelWords
from methods.parts import Refused
from methods.scope.lora import Adapter, Lora
from methods.streams import Streams
from repro.curve import Curve, evenly
from repro.members import Asker, names_at
from repro.partial import Partial, Place, put_weights, weights_of
from repro.probes import NormProbe
from repro.study import PROBES, Run, Stage
from repro.worker import Say
from suites import heldout
from suites.data import Split
from suites.glue import choosing
from suites.options.coded import Coded

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
    asked: Callable[[], Mapping[str, Coded]] = dict
    """The sets of lettered questions that the arm is measured on, by name."""
    place: Place = field(default_factory=Place)
    asker: Asker | None = None

    def __post_init__(self) -> None:
        for probe, points in self.run.arm.points.items():
            if probe not in PROBES or (points is not None and points < 2 and probe != "sampled"):
                raise Refused(f"cannot look at {probe!r} {points} times while training {self.run.arm.name}; because a probe "
                              f"is one of {', '.join(PROBES)} and looks at both ends; use one of them, 2 times or more")
        stages = self.run.arm.stages
        ensembles = [s for s in stages if s.recipe.ensemble.members > 1]
        if (ensembles and len(stages) > 1) or (ensembles and not self.probes("answers")):
            raise Refused(f"cannot run {self.run.arm.name} with {ensembles[0].recipe.ensemble}; because members are measured by "
                          "their answers to lettered questions, after one stage; use one stage, and the probe answers")

    def go(self) -> tuple[nn.Module, Curve, float]:
        """The trained model without adapters on it, the curve, and the seconds that training took."""
        origin = {n: p.detach().clone() for n, p in self.model.named_parameters()} if self.probes("norms") else {}
        self.place, resume = self.partial.load()
        if self.place.start:
            put_weights(self.model, self.place.start)
        if self.probes("answers"):
            return self.members(self.run.arm.stages[0], origin, resume)
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

    def members(self, stage: Stage, origin: dict[str, Tensor], resume: Path | None) -> tuple[nn.Module, Curve, float]:
        """The members of an ensemble, one after the other on the same base; gives that base back."""
        self.asker = Asker(self.asked(), self.place.kept, self.pad_id, self.batch_size)
        start = None if isinstance(stage.recipe.scope, Lora | Adapter) else weights_of(self.model)
        for member in range(self.place.member, stage.recipe.ensemble.members):
            last = self.train(stage, origin, resume)
            self._ask_more(last.model, stage, member)
            self.model, resume = unwrapped(last.model, start), None
            self.place.member, self.place.offset = member + 1, self.place.offset + last.steps
            self.place.seconds += last.seconds
            if self.partial.due:
                self.partial.save(self.place, None)
        if self.probes("averaged"):
            self.asker.average(self.model, stage.data)
        return self.model, self.place.curve, self.place.seconds

    def _ask_more(self, model: nn.Module, stage: Stage, member: int) -> None:
        """What an arm wants of the first member beside its answers, and of every one for the average."""
        assert self.asker is not None
        points = self.run.arm.points
        if "averaged" in points:
            if not isinstance(model, PeftModel):
                raise Refused(f"cannot average the members of {self.run.arm.name}; because {stage.recipe.scope} has no adapters; "
                              "use Lora, or leave out the probe averaged")
            self.asker.remember(model, member)
        if not member and "sampled" in points:
            self.asker.sample(model, stage.data, points["sampled"] or 1, self.run.seed)
        if not member and "laplace" in points:
            self.asker.laplace(model, stage.data, self.examples(stage.data, "train"), self.run.seed)

    def probes(self, name: str) -> bool:
        return name in self.run.arm.points

    def due(self, name: str, now: Snapshot) -> bool:
        """Whether the probe looks at this step."""
        points = self.run.arm.points
        return name in points and now.step in evenly(now.steps, points[name] or now.steps + 1)

    def train(self, stage: Stage, origin: dict[str, Tensor], resume: Path | None) -> Snapshot:
        """One stage; returns its last snapshot."""
        streams = stage.recipe.ensemble.streams(
            Streams(self.run.seed + STAGE_STRIDE * self.place.stage, dict(self.run.arm.own_seeds)), self.place.member)
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
        self.mask = objective.mask if isinstance(objective, LabelWords | ChoiceKl) else None
        self.course, self.stage, self.origin, self.tokens = course, stage, origin, 0
        self.data = course.examples(stage.data, "train") if course.probes("sources") else []
        self.norms: NormProbe | None = None

    def see(self, now: Snapshot) -> None:
        at = self.offset + now.step
        if now.step == 0:
            self.curve.add(at, "trainable", sum(w.tensor.numel() for w in now.ever))
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
        if self.course.asker is not None and self.course.due("answers", now):
            asker = self.course.asker
            asker.ask(now.model, self.course.place.member, now.step, names_at(now, self.stage.data, asker.sets))
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


def unwrapped(model: nn.Module, start: dict[str, Tensor] | None) -> nn.Module:
    """The base model that a member was trained on, as it was: without adapters, or with the weights `start` put back."""
    if start is not None:
        put_weights(model, start)
        return model
    assert isinstance(model, PeftModel)
    base: nn.Module = model.unload()
    return base


def merged(model: nn.Module) -> nn.Module:
    """The model with its adapters added into its weights; virtual tokens stay on it, as no weight can take them."""
    body = model
    if isinstance(model, PeftModel) and not model.active_peft_config.is_prompt_learning:
        body = model.merge_and_unload()
    for parameter in body.parameters():
        parameter.requires_grad_(False)
        parameter.grad = None
    return body.eval()
