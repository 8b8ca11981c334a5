"""LISA's memory: Table 1, Figure 3 and growth over draws, from simulated cases; rows for a terminal, specs for the report."""
from __future__ import annotations

from collections.abc import Mapping

from repro.claims import Column, FigureSpec, Row, TableSpec
from repro.memory import reference
from repro.memory.beside import Beside, noted
from repro.memory.drawn import Growth, Peak, Stack
from repro.memory.found import GIB, Found
from repro.papers.lisa import memory
from repro.papers.numbers import Printed, printed
from repro.shapes import GPT_2, LLAMA_2_7B, LLAMA_2_70B, MISTRAL_7B

OPEN = {(512, "eager"): "texts of 512 tokens", (1024, "sdpa"): "PyTorch's own attention"}
NOTES = {
    LLAMA_2_70B.name: "the fullest of four devices that share the blocks evenly, when all drawn blocks are its own; how the "
                      "paper's devices shared them is not stated",
    MISTRAL_7B.name: "the paper prints LLaMA-2-7B's numbers for Mistral-7B, whose MLP is 30 % wider; length and attention as "
                     "there",
    GPT_2.name: "what a driver takes before the first tensor, left out here, weighs most beside so small a model"}


def of_paper(model: str, label: str) -> Printed:
    """The early version's number."""
    method, setting = memory.PRINTED[label]
    return printed("lisa", {"table": "Table 1", "model": model, "method": method, "setting": setting, "version": "early"})


def sections(found: Mapping[str, Found]) -> list[tuple[str, list[Beside]]]:
    """Table 1, what stands beside it, growth over draws; `found` by the cases' keys."""
    rows = [Beside(c, found[c.key], of_paper(c.model.name, c.label), NOTES.get(c.model.name, ""))
            for c in memory.table_1()]
    full = next(c for c in memory.peers() if c.by == "freeze flags, gradients kept")
    others: dict[str, list[tuple[str, Found]]] = {}
    for c in memory.shorter():
        others.setdefault(str(c), []).append((OPEN[c.tokens, c.attention], found[c.key]))
    others[f"{LLAMA_2_7B.name}, full"].append(("gradients kept as zeros through the next forward pass", found[full.key]))
    growth = [Beside(c, found[c.key], note=grown(found[c.key])) for c in memory.growth()]
    beside = [Beside(c, found[c.key]) for c in (*memory.large_vocabularies(), *memory.peers())]
    return [("LISA, Table 1: batch 1, 1,024 tokens, eager attention, bfloat16 throughout", noted(rows, others)),
            ("LISA: large vocabularies, a small rank, and loops that users write", beside),
            (f"LISA over {memory.GROWTH_STEPS // memory.INTERVAL} draws of two blocks, PyTorch's attention", growth)]


def grown(found: Found) -> str:
    """How the peak of a step went from the second to the last."""
    steps = [peak.bytes / GIB for peak in found.footprint.steps]
    return f"{steps[1]:.1f} GiB in the first interval, {max(steps[-2:]):.1f} in the last"


def table_1() -> TableSpec:
    """The paper's table beside the reference's numbers."""
    cases = {str(c): c for c in memory.table_1()}
    rows = tuple(Row(label, None, {"model": c.model.name, "method": memory.PRINTED[c.label][0],
                                   "setting": memory.PRINTED[c.label][1], "version": "early"}) for label, c in cases.items())

    def operations(label: str) -> float | None:
        found = reference.known(cases[label])
        return None if found is None else found.bound.operations / 1e12

    columns = (Column("peak (G)", None, {"table": "Table 1"}),
               Column("peak (GiB), simulated", exact=lambda label: reference.gib(cases[label])),
               Column("least possible (GiB)", exact=lambda label: reference.bound_gib(cases[label])),
               Column("operations of a step, at least (10^12)", exact=operations))
    return TableSpec("table-1", "Table 1. Peak memory of training, at the paper's own shapes.", rows, columns,
                     "Batch 1, texts of 1,024 tokens, eager attention, weights, gradients and moments in bfloat16, no "
                     "checkpointing. The paper states neither the length of its texts (at most 1,024 tokens) nor whether "
                     "gradients are kept as zeros; `python -m repro memory --paper lisa`, which makes this table, shows what "
                     "both change. LLaMA-2-70B: the fullest of four devices that share the blocks evenly.")


def figures() -> tuple[FigureSpec, ...]:
    return (FigureSpec("figure-3", "Figure 3. Peak memory at LLaMA-2-7B, simulated", "stacks", (), x="peak memory (GiB)",
                       counted=_bars, note=f"Batch 1, texts of 1,024 tokens, bfloat16, {_eager()} {SCALES}"),
            FigureSpec("table-1", "Table 1 as a figure. Peak memory at the paper's own models, simulated", "peaks", (),
                       x="peak memory (GiB)", counted=_points,
                       note=f"Batch 1, texts of 1,024 tokens, bfloat16, {_eager()} LLaMA-2-70B: the fullest of four devices. "
                            f"{SCALES}"),
            FigureSpec("growth", "Peak memory over draws of two blocks, LLaMA-2-7B, simulated", "growth", (), x="optimizer step",
                       y="peak of a step (GiB)", counted=_growth,
                       note="A draw at every other step, texts of 1,024 tokens, PyTorch's attention. Freeze flags alone are what "
                            "published code does: the moments of blocks that froze stay."))


SCALES = ("Diamonds: the paper's table, whose \"G\" may be GiB or 10^9 bytes (7 % less), measured on a card where ours is "
          "allocated bytes; none where it ran out of memory. Its numbers for Mistral-7B are those for LLaMA-2-7B.")
LEAST = "Least possible: what no implementation of the recipe can do without."


def _eager() -> str:
    """The attention of table 1, and what the other one takes."""
    own = reference.gib(memory.case(LLAMA_2_7B, "LISA E+H+2L", attention="sdpa"))
    other = "" if own is None else f"; with PyTorch's own LISA E+H+2L takes {own:.1f} of 24 GiB at LLaMA-2-7B"
    return f"eager attention, as in the paper's code{other}. {LEAST}"


WAYS: Mapping[str, str] = {"reset at each draw": "lisa", "drop what froze": "lisa-drop", "keep": "lisa-keep",
                           "freeze flags alone": "freeze flags alone"}
"""What is done with moments -> the method as which it is drawn."""


def _bars() -> tuple[Stack, ...]:
    shown = {c.label: reference.known(c) for c in memory.table_1() if c.model.name == LLAMA_2_7B.name}
    return tuple(Stack.of(label, found, of_paper(LLAMA_2_7B.name, label).value)
                 for label, found in shown.items() if found is not None)


def _points() -> tuple[Peak, ...]:
    shown = [(c, reference.known(c)) for c in memory.table_1()]
    return tuple(Peak(c.model.name, c.label, c.label.partition(" ")[0].lower(), found.gib, found.bound.bytes / GIB,
                      of_paper(c.model.name, c.label).value) for c, found in shown if found is not None)


def _growth() -> tuple[Growth, ...]:
    return tuple(Growth.of(c.label, WAYS[c.label], found) for c in memory.growth()
                 if (found := reference.known(c)) is not None)
