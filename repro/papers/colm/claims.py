"""CoLM's headline claims, each with what would refute it and the controls that could explain it away.

The control that matters most is `mixture`: random examples, but small sources kept and the same quotas. What it does as well
as CoLM is the work of the mixture of sources, not of gradients.
"""
from __future__ import annotations

from repro.claims import Claim, Contrast, Control, OfItems
from repro.papers.colm.arms import LABELS
from repro.papers.colm.measures import LOSS, error_gain, skill, variance_gain

PAR = 0.02
"""Nats of held-out loss that count as no difference. Ours."""
TENTH = 10.0
"""Per cent: agreement or variance that counts as more than a trace. Ours."""


def claims(scale_name: str) -> tuple[Claim, ...]:
    """In the order of the fact sheet; every claim about quality has the mixture among its controls."""
    return (*_cost(), *_quality(), *_gradients(), *_parts(), _unknown_sources())


def _cost() -> tuple[Claim, ...]:
    memory = ("peak memory needs shapes of the paper's model: it comes with the cost suite. A fixed micro-batch makes it "
              "independent of the batch size, so the paper's figure compares micro-batches of different size")
    speed = ("seconds per step by phase are measured by `python -m repro bench selection`, selection included; the paper's "
             "time is an ideal one, and the ratio needs its model and a GPU. By arithmetic alone, in forward passes per example "
             "of b: choosing from 2 b takes 2 (1 + 1 / blocks), training 2 with adapters and 3 with all weights or with "
             "checkpointing; so the step is no faster than one of 2 b examples, or 1.2 times as fast")
    return (
        Claim("C1", "Memory of fine-tuning falls by half", "abstract; 20 % against b = 128 and 45 % against 256 (figure 3a)",
              "no saving against accumulation at the same micro-batch", untried="not run", reason=memory),
        Claim("C2", "1.3 times as fast as ordinary training with twice the batch", "abstract, figure 3a",
              "no faster with selection included", untried="not run", reason=speed),
    )


def _below(left: str, right: str, margin: float = 0.0, measure: OfItems = LOSS) -> Contrast:
    return Contrast(f"{LABELS.get(left, left)} below {LABELS.get(right, right)}", left, right, measure, margin=margin)


def _as_good(left: str, right: str = "colm") -> Contrast:
    return Contrast(f"{LABELS.get(left, left)} no worse than {LABELS.get(right, right)}", left, right, LOSS, "at least", PAR)


def _mixture() -> Control:
    return Control("the mixture of sources", (_as_good("mixture"),),
                   "random examples with the same mixture of sources do as well: gradients chose nothing that matters")


def _compute() -> Control:
    return Control("the compute of a step", (_as_good("random-longer"),),
                   "random batches trained for the forward and backward passes that CoLM takes do as well")


def _quality() -> tuple[Claim, ...]:
    return (
        Claim("C3", "Better than ordinary training with batches four times as large", "abstract, table 1",
              "a held-out loss no lower than that of the larger batches", (_below("colm", "random-4x"),),
              (_mixture(), _compute(),
               Control("does a larger batch help at all", (_as_good("random", "random-4x"),),
                       "four times the batch does not help ordinary training here, so beating it says nothing about batches")),
              note="the paper's margin is in accuracy, and outside the training domain; tables show both"),
        Claim("C4", "Better than random batches of its own size", "figure 3c, table 1",
              "a held-out loss no lower than random's", (_below("colm", "random"),), (_mixture(), _compute())),
    )


def _gradients() -> tuple[Claim, ...]:
    above = Contrast("variance below random's", "random", None, variance_gain("colm"))
    mixture = Contrast("the mixture's variance as low", "random", None, variance_gain("mixture minus colm"), "at least", TENTH)
    further = Contrast("yet further from the data's gradient", "random", None, error_gain("random minus colm"))
    return (
        Claim("C5", "The gradient of its batches varies less than that of random ones of the same size", "figure 3b, theorem 4.3",
              "a variance as high", (above,),
              (Control("the mixture of sources", (mixture,), "random examples with the same mixture vary as little"),
               Control("bias", (further,),
                       "batches vary less around a gradient that is not the data's: they are further from it than random ones")),
              note="on true gradients of the last value projection, after ordinary training"),
        Claim("C6", "Zeroth-order gradients pick what true gradients would", "section 4.2, table 5",
              f"agreement within {TENTH:g} % of chance",
              (Contrast("agreement above chance", "random", None, skill("colm"), margin=TENTH),),
              (Control("one direction for the whole run",
                       (Contrast("many directions agree better", "random", None, skill("many minus colm"), margin=TENTH),),
                       "it takes many directions to see which examples are alike; the one of the authors' code does not"),),
              note="agreement among the examples that are chosen by gradient, beyond what the shared quotas give by chance"),
    )


def _parts() -> tuple[Claim, ...]:
    def part(number: int, statement: str, source: str, without: str) -> Claim:
        return Claim(f"C{number}", statement, source, "the other choice does as well", (_below("colm", without),))

    return (
        part(7, "Keeping all examples of small sources helps", "theorems 4.1 and 4.2, table 2 (about 3 points)", "colm-no-small"),
        part(8, "Looking at what Adam would step by helps", "table 2 (about 1.5 points)", "colm-no-adam"),
        part(9, "Choosing within each source helps", "table 2 (about 0.5 points)", "colm-one-group"),
        part(10, "Uniform weights are better than cluster sizes", "table 2 (about 0.4 points)", "colm-clusters"),
        part(11, "Zeroth-order features are better than true gradients", "table 5 (56.6 against 54.7)", "colm-gradient"),
    )


def _unknown_sources() -> Claim:
    measure = OfItems("glue:sst2", "SST-2", "%", higher=True, times=100)
    return Claim("C12", "Clusters stand in for sources that are not known", "section 5.4, table 7",
                 "an accuracy no higher than that of random batches twice as large",
                 (_below("colm@task", "random@task", measure=measure), _below("colm@task", "random-2x@task", measure=measure)),
                 note="SuperGLUE part; no mixture to control for, since clusters are found while training")
