"""What LoRA ensembles claim, each with what would refute it and the controls that could explain it away.

Against the mean member an average of probabilities cannot lose in NLL or Brier, whatever the members are (Jensen), so that a gain
there is no evidence; claims about them are put against the best member, a temperature and equal compute.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

from repro.claims import Claim, Contrast, Control, Counted
from repro.memory import reference
from repro.papers.lora_ensembles import cost, peaks
from repro.papers.lora_ensembles.arms import LABELS
from repro.papers.lora_ensembles.exhibits import label
from repro.papers.lora_ensembles.measures import ECE, on
from repro.scales import get
from repro.shapes import Shapes

PAR = 0.02
"""Nats that count as no difference. Ours."""
POINTS = 1.0
"""Points of accuracy or of ECE that count as no difference. Ours."""

NEAR = 0.05
"""Of the base's memory that counts as near it. Ours."""
BASE, ASKED = "the base alone", f"at most {100 * NEAR:g} % above"
SAME = 1e-3
"""Per cent of probability by which members that share everything may differ: rounding. Ours."""


def claims(scale_name: str) -> tuple[Claim, ...]:
    """Accuracy and calibration, regularisers, cost, over-confidence, randomness, shift."""
    scale = get(scale_name)
    train, other = scale.setting("ensembles.train"), scale.setting("ensembles.other")
    last = scale.setting("ensembles.points") - 1
    return (*_gains(train), *_regularised(train), *_cost(), *_confidence(train, other, last), *_members(train),
            _shift(train, other), *_beyond(train))


def _better(left: str, right: str, key: str, score: str, margin: float = 0.0) -> Contrast:
    measure = on(key, score)
    return Contrast(f"{measure.label}: {label(left)} better than {label(right)}", left, right, measure, margin=margin)


def _as_good(left: str, right: str, key: str, score: str, margin: float) -> Contrast:
    measure = on(key, score)
    return Contrast(f"{measure.label}: {label(left)} no worse than {label(right)}", left, right, measure, "at least", margin)


def _more_right_and_calibrated(arm: str, key: str) -> tuple[Contrast, Contrast]:
    """The arm's ensemble against its mean member."""
    return (_better(f"{arm}|ensemble", f"{arm}|member", key, "accuracy"), _better(f"{arm}|ensemble", f"{arm}|member", key, ECE))


def _control(name: str, left: str, right: str, key: str, otherwise: str) -> Control:
    return Control(name, (_as_good(left, right, key, "nll", PAR), _as_good(left, right, key, ECE, POINTS)), otherwise)


def _gains(key: str) -> tuple[Claim, ...]:
    together = "lora|ensemble"
    return (
        Claim("C1", "An ensemble of adapters is more accurate than one", "abstract", "a mean member that is as accurate",
              (_better(together, "lora|member", key, "accuracy"),),
              (Control("the compute of all members", (_as_good("long", together, key, "accuracy", POINTS),),
                       "one adapter trained for the steps of all members is as accurate"),
               Control("the weights of all members", (_as_good("wide", together, key, "accuracy", POINTS),),
                       "one adapter with the rank of all members together is as accurate"),
               Control("the best member", (_as_good("lora|best", together, key, "accuracy", POINTS),),
                       "the member that is best on dev is as accurate"))),
        Claim("C2", "It is better calibrated than one", "abstract", "an ECE no lower than the mean member's",
              (_better(together, "lora|member", key, ECE),),
              (_control("a temperature", "lora|tempered member", together, key,
                        "one adapter with a temperature fitted on dev questions is as well calibrated"),
               _control("averaged weights", "lora|averaged", together, key,
                        "one adapter averaged from all members is as well calibrated"))),
        Claim("C3", "It predicts better than the best of its members", "the informative form of H1",
              "an NLL no lower than that of the member that is best on dev", (_better(together, "lora|best", key, "nll"),),
              (Control("a temperature", (_as_good("lora|tempered member", together, key, "nll", PAR),),
                       "a temperature on one adapter does as much"),
               Control("a temperature on both", (_as_good("lora|tempered member", "lora|tempered ensemble", key, "nll", PAR),),
                       "once both have a temperature the ensemble gains nothing"),
               Control("the compute of all members", (_as_good("long", together, key, "nll", PAR),),
                       "one adapter trained for the steps of all members does as well"),
               Control("the compute of all members, a temperature on both",
                       (_as_good("long|tempered member", "lora|tempered ensemble", key, "nll", PAR),),
                       "one adapter trained for the steps of all members, with a temperature, does as well"),
               Control("the weights of all members", (_as_good("wide", together, key, "nll", PAR),),
                       "one adapter with the rank of all members together does as well"))),
    )


def _regularised(key: str) -> tuple[Claim, ...]:
    return tuple(
        Claim(f"C{number}", f"The gain adds to {what}", "abstract; figure 7", "no gain over the mean regularised member",
              (*_more_right_and_calibrated(arm, key),
               _as_good(f"{arm}|ensemble", "lora|ensemble", key, "accuracy", POINTS)),
              (Control("the regulariser and a temperature",
                       (_as_good(f"{arm}|tempered member", f"{arm}|ensemble", key, "nll", PAR),),
                       f"{LABELS[arm]} alone with a temperature fitted on dev questions predicts as well"),))
        for number, arm, what in ((4, "kl", "a leash to the base model"), (5, "decay", "decay on B"), (6, "dropout", "dropout")))


def _cost() -> tuple[Claim, ...]:
    def of(shapes: Shapes, members: int, batch: int, more: float = 1.0) -> Callable[[], float | None]:
        def value() -> float | None:
            gib = reference.gib(peaks.case(shapes, members, batch))
            return None if gib is None else more * gib
        return value

    time = ("every member passes through the whole base: scoring takes five times the arithmetic of one model. Seconds are "
            "measured by `python -m repro bench ensemble` on small shapes, and by `bench llama-2-7b` on a GPU")
    return (
        Claim("C7", "The memory of an ensemble is near that of one model", "abstract", "bytes that grow like copies of the base",
              note="simulated in scoring, whatever the scale; allocated bytes; near: 5 % more than the base alone (ours)",
              counted=tuple(Counted(f"{s.name}, batch {batch}: {m} member{'s' * (m > 1)} within {NEAR:.0%} of the base",
                                    of(s, m, batch), of(s, 0, batch, 1 + NEAR), "GiB", BASE, own=of(s, 0, batch), asked=ASKED)
                            for s in peaks.MODELS for batch in peaks.BATCHES for m in peaks.MEMBERS[1:]),
              no_control="bytes of the same base with and without members: nothing else could make the difference"),
        Claim("C8", "Its overhead is almost that of the original model", "abstract; no cost is reported in the paper",
              "time that grows with the members", untried="not run", reason=time, no_control="nothing is compared here"),
        Claim("C8a", "In arithmetic too its overhead is almost that of the original model",
              "abstract; no cost is reported in the paper", "arithmetic that grows with the members",
              note="multiplications of scoring with five members of rank 8 over those of the base; near: 5 % more (ours)",
              no_control="arithmetic of the same base with and without members: nothing else could make the difference",
              counted=tuple(Counted(f"{s.name}: scoring with 5 members within {NEAR:.0%} of the base",
                                    partial(cost.scoring, s.name), lambda: 1 + NEAR, "times the base's arithmetic", BASE,
                                    own=lambda: 1.0, asked=ASKED) for s in peaks.MODELS)),
    )


def _confidence(key: str, other: str, last: int) -> tuple[Claim, ...]:
    surer = Contrast("confidence when wrong: the base model's lower", "zero-shot", "lora|member",
                     on(key, "confidence when wrong"))
    grows = Contrast("ECE lower early than at the end", "lora|member at 1", f"lora|member at {last}", on(key, ECE))
    together = Contrast("ECE of the ensemble lower early than at the end", "lora|ensemble at 1", f"lora|ensemble at {last}",
                        on(key, ECE))
    return (
        Claim("C9", "A fine-tuned model is over-confident where it is wrong", "introduction, figure 1a",
              "a confidence in wrong answers no higher than before the training", (surer,),
              no_control="before and after the same training, on the same questions; a cause is not claimed"),
        Claim("C9a", "And on questions of another domain", "introduction, figure 1a",
              "a confidence in wrong answers there no higher than before the training",
              (Contrast("confidence when wrong elsewhere: the base model's lower", "zero-shot", "lora|member",
                        on(other, "confidence when wrong")),),
              no_control="before and after the same training, on the same questions; a cause is not claimed"),
        Claim("C10", "ECE grows with the length of the training", "figures 3 to 6, as a reviewer reads them",
              "an ECE at the end no higher than after the first part of the training", (grows, together),
              no_control="two moments of the same runs; a cause is not claimed"),
    )


def _members(key: str) -> tuple[Claim, ...]:
    differ = Contrast("members with fresh adapters disagree", "same-order", None, on(key, "disagreement"), margin=POINTS)
    order = Contrast("members with the same adapters and another order disagree as much", "same-init", "same-order",
                     on(key, "disagreement"), "at least", POINTS)
    same = Contrast("members that share all streams differ", "same", None, on(key, "gap"), margin=SAME)
    return (
        Claim("C11", "Random initialisation makes members differ", "a reviewer's summary; the ablation of randomness",
              "members that hardly disagree", (differ,),
              (Control("the order of the data", (order,), "another order of the data makes members differ as much"),
               Control("the harness", (same,), "members that share everything differ: the comparison is broken"))),
    )


def _shift(train: str, other: str) -> Claim:
    return Claim("C12", "The gain holds out of distribution", "abstract (motivation), a third-party summary",
                 f"no gain over the mean member on {other}, trained on {train}",
                 _more_right_and_calibrated("lora", other),
                 (_control("a temperature", "lora|tempered member", "lora|ensemble", other,
                           "a temperature fitted on the own dev questions does as much there"),))


def _beyond(key: str) -> tuple[Claim, ...]:
    def rate(arm: str) -> tuple[Control, ...]:
        same = "lora-at-decays-rate|ensemble"
        return (Control("its rate", (_as_good(same, f"{arm}|ensemble", key, ECE, POINTS),),
                        "an ensemble without it at its learning rate is as well calibrated"),) if arm == "decay" else ()

    return tuple(
        Claim(f"C13{letter}", f"{what} calibrates an ensemble beyond what averaging gives", "a reviewer's summary",
              "an ECE of the regularised ensemble no lower than the plain one's",
              (_better(f"{arm}|ensemble", "lora|ensemble", key, ECE),),
              (Control("a temperature", (_as_good("lora|tempered ensemble", f"{arm}|ensemble", key, ECE, POINTS),),
                       "a temperature on the plain ensemble calibrates it as well"), *rate(arm)))
        for letter, arm, what in (("a", "kl", "A leash to the base model"), ("b", "decay", "Decay on B"),
                                  ("c", "dropout", "Dropout")))
