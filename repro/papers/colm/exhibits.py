"""CoLM's tables and figures: which arm stands in which line, and which printed number beside it."""
from __future__ import annotations

from collections.abc import Mapping

from repro.claims import Column, FigureSpec, Line, OfCurve, Row, TableSpec
from repro.memory.tables import table
from repro.papers.colm import peaks
from repro.papers.colm.arms import LABELS, RANDOM, labels, on_task, rules, task_name
from repro.papers.colm.contenders import PARTS, at
from repro.papers.colm.measures import LOSS, accuracy, average, error_gain, skill, variance, variance_gain
from repro.reaching import mean_of
from repro.scales import Scale, get

NAMES = {"gsm8k": "GSM8K", "math": "MATH", "numglue": "NumGLUE", "svamp": "SVAMP", "deepmind": "DeepMind", "simuleq": "SimulEq",
         "world": "the world's mathematics"}
AVERAGES = {"In-domain average": ("gsm8k", "math", "numglue"), "Out-of-domain average": ("svamp", "deepmind", "simuleq"),
            "overall average": ("gsm8k", "math", "numglue", "svamp", "deepmind", "simuleq")}
RULES = {"random": "random", "mixture": "random, same mixture", "colm": "CoLM"}
SECOND_HAND = "Printed numbers were read second hand, by an independent audit of v4; those of table 1 could not be verified."
MIXED = OfCurve("small share", "examples of small sources in the batch", "%", True, mean_of("small_share"), 100)


def tables(scale_name: str) -> tuple[TableSpec, ...]:
    """Tables 1, 2, 5 and 7 of the paper, other rules of selection, and how well batches stand for the data."""
    scale = get(scale_name)
    memory = table("figure-3a-memory", "Figure 3a, memory.", peaks.every(),
                   "Phi-2, LoRA r 128, 512 tokens, bfloat16; one of four devices that accumulate eight parts, and accumulation "
                   "at a fixed micro-batch of 2 (FT 256).")
    return _table_1(scale), _table_2(scale), _table_5(scale), _rules(scale), _gradients(), _table_7(scale), memory


def data_sets(scale: Scale) -> tuple[str, ...]:
    """What mathematics is asked: all of the paper's, or those that the scale names."""
    named = tuple(call.partition(":")[2] for call in scale.setting("colm.suites"))
    return tuple(NAMES)[:-1] if "" in named else named


def _scores(scale: Scale) -> tuple[Column, ...]:
    """Ours by data set; the paper's averages beside them."""
    sets = data_sets(scale)
    paper = tuple(Column(name, average(of, name) if set(of) <= set(sets) else None, {"benchmark": name})
                  for name, of in AVERAGES.items())
    ours = (Column(f"{NAMES[s]}{named}", accuracy(f"math:{s}", NAMES[s], column)) for s in sets
            for named, column in (("", "correct"), (", original scorer", "original")))
    return (*ours, *paper)


def _row(scale: Scale, arm: str, table: str, printed: Mapping[str, str]) -> Row:
    """A line; the paper's column stays empty for arms that are ours alone."""
    return Row(labels(scale)[arm], arm, {"table": table, "method": printed[arm]} if arm in printed else {})


def _sizes(scale: Scale) -> str:
    return f"b = {scale.setting('colm.sizes')[0]} (the paper's: 64)."


def _table_1(scale: Scale) -> TableSpec:
    printed = {"random": "FT bs64", "random-2x": "FT bs128", "random-4x": "FT bs256", "colm": "CoLM bs64 from 128"}
    arms = ("vanilla", *RANDOM, "random-longer", "mixture", "colm")
    rows = tuple(_row(scale, a, "Table 1", printed) for a in arms)
    return TableSpec("table-1", "Table 1. A batch chosen out of a pool twice its size, against random batches.", rows,
                     (Column("held-out loss", LOSS), *_scores(scale), Column(MIXED.label, MIXED)),
                     f"{_sizes(scale)} {LABELS['random-longer']} and {LABELS['mixture']} are controls of ours. {SECOND_HAND}")


def _table_2(scale: Scale) -> TableSpec:
    gains = {"colm-no-small": "keep all examples of small sources", "colm-no-adam": "Adam normalisation of gradients",
             "colm-one-group": "select per large source", "colm-clusters": "uniform instead of cluster-size weights"}
    rows = [_row(scale, a, "Table 2", gains) for a in ("colm", "mixture", *gains)]
    return TableSpec("table-2", "Table 2. CoLM with one part changed.", tuple(rows),
                     (Column("held-out loss", LOSS), *_scores(scale)[:-3],
                      Column("gain of the part (points)", None, {"benchmark": "overall average"})), SECOND_HAND)


def _table_5(scale: Scale) -> TableSpec:
    printed = {"colm": "sparsified zeroth-order (CoLM)", "colm-gradient": "sparsified actual gradient"}
    others = ("colm-fresh", "colm-many", "colm-gradient", "colm-all-coordinates", "colm-l2", "colm-cosine")
    rows = [_row(scale, a, "Table 5", printed) for a in ("colm", "mixture", *others)]
    return TableSpec("table-5", "Table 5. Gradients, coordinates and distances that medoids are looked for with.", tuple(rows),
                     (Column("held-out loss", LOSS), *_scores(scale)), SECOND_HAND)


def _rules(scale: Scale) -> TableSpec:
    arms = ("random", *rules(), "mixture", "colm")
    return TableSpec("selections", "Rules of selection, the same pool and batch.", tuple(Row(LABELS[a], a) for a in arms),
                     (Column("held-out loss", LOSS), *_scores(scale)[:-3], Column(MIXED.label, MIXED)),
                     f"{_sizes(scale)} The other rules run at the rate of random b. The paper's own list could not be read.")


def _gradients() -> TableSpec:
    rows = (Row("before training", "vanilla"), Row("after ordinary training", "random"))
    columns = [Column(m.label, m) for rule in ("colm", "many", "oracle", "mixture", "random-2x")
               for m in (variance_gain(rule), error_gain(rule))]
    columns += [Column(skill(rule).label, skill(rule)) for rule in ("colm", "many")]
    return TableSpec("gradients", "How well batches stand for the data, on true gradients of the last value projection.", rows,
                     tuple(columns), "Shape of figure 3b; 0 is a random batch of the same size, 100 no variance (or distance) at "
                     "all. On the B of new adapters, as the next CoLM step would look at it.")


def _table_7(scale: Scale) -> TableSpec:
    task = task_name(scale)
    printed = {"random": "FT bs64", "random-2x": "FT bs128", "colm": "CoLM, sources from clustering during fine-tuning"}
    rows = tuple(Row(LABELS[a], f"{a}@task", {"table": "Table 7", "method": printed[a]} if a in printed else {})
                 for a in on_task(scale))
    return TableSpec("table-7", "Table 7. Sources found by clustering.", rows,
                     (Column("average of SST-2, CB, MultiRC", None, {"benchmark": "average of SST-2, CB, MultiRC"}),
                      Column(task, accuracy(f"glue:{task}", task))),
                     f"{_sizes(scale)} The number of the table is presumed. Here the mixture is that of the clusters.")


def figures(scale_name: str) -> tuple[FigureSpec, ...]:
    """Loss against steps, methods against controls, and the mixture of sources before and after selection."""
    shown = tuple(Line(a, LABELS[a]) for a in (*RANDOM, "mixture", "colm"))
    controls = ("mixture", "random-longer")
    b = get(scale_name).setting("colm.sizes")[0]
    measured = {"random": {**{part: at("random", part) for part in PARTS}, 1: "random", 2: "random-2x"},
                **{rule: {**{part: at(rule, part) for part in PARTS}, 1: rule} for rule in ("mixture", "colm")}}
    return (
        FigureSpec("methods-and-controls", "Held-out loss: CoLM and the controls of its claims", "dots",
                   (*(Line(a, LABELS[a], group="method") for a in ("colm",)),
                    *(Line(a, LABELS[a], group="baseline") for a in ("random-2x", "random-4x")),
                    *(Line(a, LABELS[a], group="control") for a in controls)),
                   measure=LOSS, level=Line("random", LABELS["random"]),
                   x="held-out loss minus that of random batches of b (nats, lower is better)"),
        FigureSpec("figure-3c", "Dev loss against steps", "curves", shown, y="dev loss (nats per answer token)", kind="dev_loss",
                   note="Shape of figure 3c; the paper shows accuracy."),
        FigureSpec("figure-3c-seconds", "Dev loss against seconds", "curves", shown, x="seconds of training, selection included",
                   y="dev loss (nats per answer token)", kind="dev_loss", per="second"),
        FigureSpec("figure-3b", "Variance of a batch's true gradient against its size", "scan",
                   tuple(Line("random", RULES[rule], part * b, measure=variance(name), method=rule)
                         for rule, of in measured.items() for part, name in of.items()),
                   x="examples in the batch", y="variance (% of random b's)",
                   note=f"After ordinary training; chosen out of pools of {2 * b}. Shape of figure 3b."),
        peaks.figure(),
        FigureSpec("sources", "Examples of small sources in the batch", "curves", shown, y="share of the batch",
                   kind="small_share", note="Random batches have the data's own mixture."),
    )
