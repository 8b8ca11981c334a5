"""CoLM's headline claims, each with what would refute it and the controls that could explain it away.

The control that matters most is `mixture`: random examples, but small sources kept and the same quotas. What it does as well
as CoLM is the work of the mixture of sources, not of gradients.
"""
from __future__ import annotations

from collections.abc import Callable

from repro.claims import Claim, Contrast, Control, Counted
from repro.memory import reference
from repro.papers.colm import cost, peaks
from repro.papers.colm.arms import FACTOR, LABELS, labels, task_name
from repro.papers.colm.exhibits import data_sets
from repro.papers.colm.measures import LOSS, accuracy, average, error_gain, skill, variance_gain
from repro.scales import Scale, get

PAR = 0.02
"""Nats of held-out loss that count as no difference, for a claim as for its controls. Ours."""
TENTH = 10.0
"""Per cent: agreement or variance that counts as more than a trace. Ours."""
UNTRIED = "nothing is compared here"
POINTS = 3.0
"""Points of accuracy that count as no difference. Ours."""


def claims(scale_name: str) -> tuple[Claim, ...]:
    """Cost, quality, gradients, parts; every claim that CoLM is better has the mixture among its controls."""
    scale = get(scale_name)
    return (*_cost(), *_quality(), *_gradients(), *_parts(scale), _unknown_sources(scale), _accuracy(scale), *_elsewhere())


def _cost() -> tuple[Claim, ...]:
    scored, blocks = (get("paper").setting(f"colm.{key}") for key in ("scored", "blocks"))
    ratios = [cost.speed(FACTOR, part, blocks, training)
              for part in (scored, 1.0) for training in (cost.ADAPTERS, cost.WEIGHTS)]
    speed = ("seconds per step by phase are measured by `python -m repro bench selection` and `bench phi-2`, selection "
             "included; the paper's time is an ideal one, and the ratio needs its model and a GPU. By arithmetic alone, against "
             "random batches of the whole pool: {:.2f} times as fast with adapters and {:.2f} with checkpointing where kept "
             "examples are not scored, {:.2f} and {:.2f} where all are").format(*ratios)
    return (
        _peak(),
        Claim("C1a", "Fine-tuning Phi-2 with batches of 128 needs 44 GB at least", "abstract of version 1", "a lower peak",
              untried="untestable", no_control=UNTRIED,
              reason="weights that move, text length, precision, micro-batch and number of devices could not be read, and each "
                     "of them decides the number"),
        Claim("C2", "1.3 times as fast as ordinary training with twice the batch, and 2.7 times with four times the batch",
              "abstract, figure 3a", "no faster with selection included", untried="not run", reason=speed, no_control=UNTRIED),
    )


def _peak() -> Claim:
    def of(label: str, share: float = 1.0) -> Callable[[], float | None]:
        def value() -> float | None:
            gib = reference.gib(peaks.case(label))
            return None if gib is None else share * gib
        return value

    return Claim(
        "C1", "Memory of fine-tuning falls by half", "abstract; 20 % against b = 128 and 45 % against 256 (figure 3a)",
        "no saving against accumulation at the same micro-batch",
        controls=(Control("accumulation at a fixed micro-batch", (), "batches of any size fit into CoLM's memory by "
                          "accumulation; the figure compares micro-batches of different size",
                          (Counted("FT 256 with micro-batches of 2 no more", of(peaks.FIXED), of(peaks.COLM), "GiB",
                                   peaks.COLM),)),),
        note="simulated at Phi-2's shapes, whatever the scale; allocated bytes of one of four devices with eight parts",
        counted=tuple(Counted(f"CoLM at least {saved:.0%} below {label}", of(peaks.COLM), of(label, 1 - saved), "GiB", label,
                              own=of(label), asked=f"at least {100 * saved:g} % below")
                      for label, saved in peaks.LARGER.items()))


def _below(left: str, right: str, name: str = "") -> Contrast:
    return Contrast(f"{LABELS.get(left, left)} below {name or LABELS.get(right, right)}", left, right, LOSS, margin=PAR)


def _as_good(left: str, right: str = "colm") -> Contrast:
    return Contrast(f"{LABELS.get(left, left)} no worse than {LABELS.get(right, right)}", left, right, LOSS, "at least", PAR)


def _mixture() -> Control:
    return Control("the mixture of sources", (_as_good("mixture"),),
                   "random examples with the same mixture of sources do as well: gradients chose nothing that matters")


def _compute() -> Control:
    return Control("the compute of a step", (_as_good("random-longer"),),
                   "random batches trained for the forward and backward passes that CoLM takes do as well")


TEST = ("the paper's margin is in accuracy, and outside the training domain; here it is the loss on held-out rows of the "
        "training mixture itself, which is hard on a batch that is not of that mixture, CoLM's as its control's")


def _quality() -> tuple[Claim, ...]:
    return (
        Claim("C3", "Better than ordinary training with batches four times as large", "abstract, table 1",
              "a held-out loss no lower than that of the larger batches", (_below("colm", "random-4x"),),
              (_mixture(), _compute(),
               Control("does a larger batch help at all", (_as_good("random", "random-4x"),),
                       "four times the batch does not help ordinary training here, so beating it says nothing about batches")),
              note=TEST),
        Claim("C4", "Better than random batches of its own size", "figure 3c, table 1",
              "a held-out loss no lower than random's", (_below("colm", "random"),), (_mixture(), _compute()), note=TEST),
    )


def _gradients() -> tuple[Claim, ...]:
    above = Contrast("variance below random's", "random", None, variance_gain("colm"), margin=TENTH)
    mixture = Contrast("the mixture's variance as low", "random", None, variance_gain("mixture minus colm"), "at least", TENTH)
    further = Contrast("yet further from the data's gradient", "random", None, error_gain("random minus colm"))
    return (
        Claim("C5", "The gradient of its batches varies less than that of random ones of the same size", "figure 3b, theorem 4.3",
              "a variance as high", (above,),
              (Control("the mixture of sources", (mixture,), "random examples with the same mixture vary as little"),
               Control("bias", (further,),
                       "batches vary less around a gradient that is not the data's: they are further from it than random ones")),
              note="true gradients of new adapters' B on the last value projection, after ordinary training"),
        Claim("C6", "Zeroth-order gradients pick what true gradients would",
              "our reading of why they are taken (equations 5 and 6); table 5 prints them as better than true gradients",
              f"agreement within {TENTH:g} % of chance",
              (Contrast("agreement above chance", "random", None, skill("colm"), margin=TENTH),),
              note="agreement among the examples that are chosen by gradient, beyond what the shared quotas give by chance; the "
                   "table of gradients has that of many directions beside it",
              no_control="chance and quotas, which could bring agreement about, are taken off the measure itself"),
    )


def _parts(scale: Scale) -> tuple[Claim, ...]:
    def part(number: int, statement: str, source: str, without: str, *controls: Control, alone: str = "") -> Claim:
        return Claim(f"C{number}", statement, source, "the other choice does as well",
                     (_below("colm", without, f"CoLM, {labels(scale)[without]}"),), controls,
                     no_control=alone)

    return (
        part(7, "Keeping all examples of small sources helps", "theorems 4.1 and 4.2, table 2 (about 3 points)", "colm-no-small",
             alone="what could explain it away, random examples of the mixture that is kept, is what the claim is about"),
        part(8, "Looking at what Adam would step by helps", "table 2 (about 1.5 points)", "colm-no-adam", _mixture()),
        part(9, "Choosing within each source helps", "table 2 (about 0.5 points)", "colm-one-group", _mixture()),
        part(10, "Uniform weights are better than cluster sizes", "table 2 (about 0.4 points)", "colm-clusters", _mixture()),
        part(11, "Zeroth-order features are better than true gradients", "table 5 (56.6 against 54.7)", "colm-gradient",
             _mixture()),
    )


def _unknown_sources(scale: Scale) -> Claim:
    task = task_name(scale)
    measure = accuracy(f"glue:{task}", task)

    def above(right: str) -> Contrast:
        return Contrast(f"CoLM above {LABELS[right]}", "colm@task", f"{right}@task", measure)

    same = Contrast("random examples of the same clusters no worse than CoLM", "mixture@task", "colm@task", measure, "at least",
                    POINTS)
    return Claim("C12", "Clusters stand in for sources that are not known", "section 5.4, table 7 (presumed)",
                 "an accuracy no higher than that of random batches of the same size and of twice the size",
                 (above("random"), above("random-2x")),
                 (Control("the mixture of clusters", (same,),
                          "random examples with the same share of every cluster do as well: gradients chose nothing of use"),),
                 note=f"{task} alone of the paper's three tasks")


def _accuracy(scale: Scale) -> Claim:
    measure = average(data_sets(scale), "accuracy, mean over data sets")

    def as_good(left: str, right: str) -> Contrast:
        return Contrast(f"{LABELS[left]} no worse than {LABELS[right]}", left, right, measure, "at least", POINTS)

    return Claim("C13", "On mathematics it is more accurate than ordinary training with batches four times as large",
                 "abstract, table 1 (mostly outside the training domain)",
                 "an accuracy no higher than that of the larger batches",
                 (Contrast("CoLM above random, 4 b", "colm", "random-4x", measure),),
                 (Control("the mixture of sources", (as_good("mixture", "colm"),),
                          "random examples with the same mixture of sources do as well: gradients chose nothing that matters"),
                  Control("the compute of a step", (as_good("random-longer", "colm"),),
                          "random batches trained for the forward and backward passes that CoLM takes do as well"),
                  Control("does a larger batch help at all", (as_good("random", "random-4x"),),
                          "four times the batch does not help ordinary training here, so beating it says nothing of batches")),
                 note="the loss on held-out rows: C3")


def _elsewhere() -> tuple[Claim, ...]:
    return (
        Claim("C14", "It combines with LoRA and with other methods that save memory", "abstract of version 1",
              "no gain over random batches with another such method", untried="not run", no_control=UNTRIED,
              reason="with LoRA it is what every arm trains (C3, C4); none trains CoLM with another method, though the recipes "
                     "run (`python -m repro matrix`)"),
        Claim("C15", "It works for Phi-2, Phi-3, Zephyr and Llama-3, and for pre-training", "section 5, appendix F",
              "a model for which random batches are as good", untried="not run", no_control=UNTRIED,
              reason="a scale trains one base model, and no arm pre-trains"),
    )
