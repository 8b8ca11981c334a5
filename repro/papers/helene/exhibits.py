"""HELENE's tables and figures: which arm stands in which line, and which printed number beside it."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from repro import called, landscape
from repro.claims import Column, FigureSpec, Line, Row, TableSpec
from repro.memory.tables import table
from repro.papers.helene import memory, peaks
from repro.papers.helene.arms import CORE_ELSEWHERE, METHODS, Cell, cells, in_context, name
from repro.papers.helene.measures import MANY, NAMES, accuracy, goal_of, speed
from repro.scales import Scale, get
from repro.shapes import Shapes

ROBERTA = "RoBERTa-large"
VARIANTS = {"full": "", "lora": ", LoRA", "prefix": ", prefix"}
PRINTED = {"zero-shot": "Zero-shot", "lp": "LP", "ft": "FT", "mezo": "MeZO", "ft/lora": "FT (LoRA)", "mezo/lora": "MeZO (LoRA)",
           "zo-adam": "MeZO-Adam", "helene": "HELENE"}
"""Our arm on the first cell -> the method's name in MeZO's table 18 (HELENE's own cells could not be verified)."""
ABLATION = ("helene", "helene-ema", "helene-flat", "helene-scalar", "helene-global", "zo-momentum", "mezo-x10", "mezo-momentum",
            "mezo")
FIRST = ("zero-shot", "icl", "lp", "ft", "mezo", "mezo-x10", "zo-momentum", "helene")
LABELS = {m: method.label for m, method in METHODS.items()} | {
    "zero-shot": "zero-shot", "icl": "in context", "lp": "linear probing", "mezo-x10": "MeZO at ten times its rate",
    "mezo-momentum": "MeZO with momentum at its own effective step"}


def tables(scale_name: str) -> tuple[TableSpec, ...]:
    """By task and weights, by optimizer, by component; memory by part."""
    scale = get(scale_name)
    peak = table("table-peaks", "Peak memory by variant.", peaks.every(),
                 "Label words, float32, eager attention; OPT-1.3B: one text of 400 tokens, RoBERTa-large: 16 of 128.")
    return _by_task(scale), _by_optimizer(scale), _by_component(scale), *map(_memory, memory.MODELS), peak


def _by_task(scale: Scale) -> TableSpec:
    """Rows: method and moving weights. Columns: the tasks of the scale's full cells."""
    every = cells(scale)
    paper = {"table": "MeZO Table 18", "model": ROBERTA, "metric": "accuracy"}
    columns = [Column(f"{NAMES[c.task]}, k={c.k}", accuracy(c), paper | {"benchmark": NAMES[c.task]})
               for c in every if c.variant == "full" and c.base == every[0].base]
    rows = [Row(LABELS[m], m, _printed(m, every[0])) for m in FIRST if m != "icl" or in_context(every[0], scale)]
    for cell in (c for c in every if c.base == every[0].base and c != every[0]):
        where = f"{NAMES[cell.task]}{VARIANTS[cell.variant]}"
        rows += [Row(f"{LABELS[m]} ({where})", name(m, cell, scale), _printed(name(m, cell, scale), cell))
                 for m in (*(("zero-shot", "lp") if cell.variant == "full" else ()), "ft", *CORE_ELSEWHERE, "zo-momentum")]
    return TableSpec("table-tasks", "Prompted classification, shape of the RoBERTa-large table.", tuple(rows), tuple(columns),
                     f"Printed numbers are MeZO's on {ROBERTA} (table 18, 100,000 steps); HELENE's could not be verified.")


def _printed(arm: str, cell: Cell) -> dict[str, str]:
    """Where MeZO prints the arm's numbers: its first cell's row shows them for all tasks, other tasks' rows none."""
    method = PRINTED.get(arm, "-")
    return {"method": method, "setting": "no training" if method == "Zero-shot" else f"k={cell.k}"}


def _by_optimizer(scale: Scale) -> TableSpec:
    cell = cells(scale)[0]
    rows = tuple(Row(method.label, m) for m, method in METHODS.items())
    target = scale.setting("helene.target")
    return TableSpec("table-optimizers", f"Optimizers on {NAMES[cell.task]}, every weight moving.", rows,
                     (Column("accuracy", accuracy(cell)), Column(f"log2 of steps to {goal_of(target)}", speed(target))),
                     "The paper's table is one of arXiv 2402.11592's methods; its cells could not be read.")


def _by_component(scale: Scale) -> TableSpec:
    cell = cells(scale)[0]
    rows = tuple(Row(LABELS[m], m) for m in ABLATION)
    target = scale.setting("helene.target")
    return TableSpec("table-components", f"From MeZO to HELENE, part by part, on {NAMES[cell.task]}.", rows,
                     (Column("accuracy", accuracy(cell)), Column(f"log2 of steps to {goal_of(target)}", speed(target))),
                     "Shape of figure 5(a), which is known second hand.")


def _memory(shapes: Shapes) -> TableSpec:
    """Rows: methods. Columns: what each keeps, in bytes, and the sum."""
    def part(name: str) -> Callable[[str], int]:
        return lambda method: int(vars(memory.of(shapes, method))[name])

    def copies(method: str) -> float:
        kept = memory.of(shapes, method)
        return kept.total / kept.weights

    parts = ("weights", "gradients", "momentum", "curvature", "counters")
    columns = (*(Column(f"{p} (bytes)", exact=part(p)) for p in parts),
               Column("all (GB)", exact=lambda method: memory.of(shapes, method).total / 1e9),
               Column("all / weights", exact=copies))
    return TableSpec(
        f"table-memory-{shapes.name.lower()}", f"Memory by part at the shapes of {shapes.name}.",
        tuple(Row(method, None) for method in memory.METHODS), columns,
        f"Float32 weights and state unless a row says otherwise; sizes from {shapes.source}; GB = 10^9 bytes. Gradients: all of "
        "them for FT; else the random numbers of the largest group of tensors, as no more are alive at a time. Curvature: "
        "HELENE's and Sophia's diagonal, Adam's second moment. Not counted: activations and temporaries, which are the cost "
        "suite's. The paper's own figures could not be read.")


def figures(scale_name: str) -> tuple[FigureSpec, ...]:
    """Speed by target, dev accuracy and loss against steps, the loss against passes and seconds too, accuracy by component, paths
    on a toy function."""
    scale = get(scale_name)
    cell = cells(scale)[0]
    shown = tuple(Line(m, LABELS[m]) for m in ("mezo", "mezo-x10", "zo-momentum", "helene", "helene-scalar", "ft"))
    passes = tuple(replace(line, passes=2.0 + METHODS[line.arm].order if line.arm in METHODS else 2.0) for line in shown)
    task, kind = f"{called.world(scale.name)}{NAMES[cell.task]}", scale.setting("helene.target")[0]
    parts = tuple(Line(m, LABELS[m], group="control" if m.startswith(("mezo", "zo")) else "HELENE") for m in ABLATION[:-1])
    return (
        FigureSpec("figure-speed", f"Steps of MeZO for one step, by the target, on {task}", "speed",
                   tuple(Line(m, LABELS[m]) for m in ("helene", "mezo-x10", "zo-momentum", "zo-sign", "helene-scalar",
                                                        "helene-flat")),
                   asked=((20.0, "claimed: up to 20x"), (2.0**MANY, f"tested (C1): {2.0**MANY:g}x")),
                   x=f"{kind.replace('_', ' ')} asked for ({UNITS[kind]})",
                   y="steps of MeZO / steps", kind=kind, level=Line("mezo", "MeZO"),
                   note="A step is two forward passes in every line."),
        FigureSpec("figure-accuracy", f"Dev accuracy on {task}", "curves", shown, y="share right", kind="dev_accuracy",
                   note="A zeroth-order step is two forward passes; one of FT is a forward and a backward pass."),
        FigureSpec("figure-loss", f"Dev loss among the label words on {task}", "curves", shown, y="dev loss (nats)",
                   kind="dev_loss"),
        FigureSpec("figure-loss-passes", f"Dev loss among the label words on {task}, by forward passes", "curves", passes,
                   x="forward passes over a batch", y="dev loss (nats)", kind="dev_loss", per="pass",
                   note="A zeroth-order step counts as two passes, one of FT as three (its backward pass as two)."),
        FigureSpec("figure-loss-seconds", f"Dev loss among the label words on {task}, by seconds", "curves", shown,
                   x="seconds of training", y="dev loss (nats)", kind="dev_loss", per="second"),
        FigureSpec("figure-components", f"Test accuracy on {task} minus MeZO's", "dots", parts,
                   x="test accuracy minus MeZO's (points, higher is better)",
                   measure=accuracy(cell), level=Line("mezo", "MeZO")),
        peaks.figure(),
        FigureSpec("figure-landscape", "An illustration: paths of the updates on a function of two weights", "landscape", (),
                   x="first weight", y="second weight", panels=landscape.panels, note=_LANDSCAPE),
    )


UNITS = {"dev_loss": "nats", "dev_accuracy": "share right"}
_LANDSCAPE = (
    "An illustration, not evidence: one run of each, nothing about language models follows. "
    "Function (ours in place of the paper's, whose formula could not be read; it is Sophia's, arXiv 2305.14342, which the "
    "paper's picture resembles): f = 8 (x - 1)² (1.3 x² + 2 x + 1) + (y - 4)² / 2. "
    f"Start (ours): {landscape.START}, where f curves down in x. {landscape.STEPS} steps of the same updates that train the "
    "models, at their defaults; each rate is the power of √10 with the lowest end of the very path shown. The Newton step (exact "
    "Hessian, rate 1) is in no recipe here. End: f after the last step."
)
