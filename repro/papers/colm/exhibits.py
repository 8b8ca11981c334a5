"""CoLM's tables and figures: which arm stands in which line, and which printed number beside it."""
from __future__ import annotations

from repro.claims import Column, FigureSpec, Line, OfCurve, Row, TableSpec
from repro.papers.colm.arms import LABELS, RANDOM, on_task, rules, variants
from repro.papers.colm.measures import LOSS, accuracy, error_gain, skill, variance_gain
from repro.reaching import mean_of
from repro.scales import Scale, get

NAMES = {"gsm8k": "GSM8K", "math": "MATH", "numglue": "NumGLUE", "svamp": "SVAMP", "deepmind": "DeepMind", "simuleq": "SimulEq",
         "world": "the world's mathematics"}
PRINTED = ("In-domain average", "Out-of-domain average", "overall average")
SECOND_HAND = "Printed numbers were read second hand, by an independent audit of v4; those of table 1 could not be verified."
MIXED = OfCurve("small share", "examples of small sources in the batch", "%", True, mean_of("small_share"), 100)


def tables(scale_name: str) -> tuple[TableSpec, ...]:
    """Tables 1, 2, 5 and 7 of the paper, other rules of selection, and how well batches stand for the data."""
    scale = get(scale_name)
    return _table_1(scale), _table_2(scale), _table_5(scale), _rules(scale), _gradients(), _table_7(scale)


def _scores(scale: Scale) -> tuple[Column, ...]:
    """Ours by data set; the paper's averages beside them."""
    named = tuple(call.partition(":")[2] for call in scale.setting("colm.suites"))
    sets = tuple(NAMES)[:-1] if "" in named else named
    paper = tuple(Column(name, None, {"benchmark": name}) for name in PRINTED)
    return (*(Column(NAMES[s], accuracy(f"math:{s}", NAMES[s])) for s in sets), *paper)


def _table_1(scale: Scale) -> TableSpec:
    printed = {"random": "FT bs64", "random-2x": "FT bs128", "random-4x": "FT bs256", "colm": "CoLM bs64 from 128"}
    arms = ("vanilla", *RANDOM, "random-longer", "mixture", "colm")
    rows = tuple(Row(LABELS[a], a, {"table": "Table 1", "method": printed.get(a, "-")}) for a in arms)
    return TableSpec("table-1", "Table 1. A batch chosen out of a pool twice its size, against random batches.", rows,
                     (Column("held-out loss", LOSS), *_scores(scale), Column(MIXED.label, MIXED)),
                     f"Our random-longer and mixture are controls. {SECOND_HAND}")


def _table_2(scale: Scale) -> TableSpec:
    gains = {"colm-no-small": "keep all examples of small sources", "colm-no-adam": "Adam normalisation of gradients",
             "colm-one-group": "select per large source", "colm-clusters": "uniform instead of cluster-size weights"}
    rows = [Row(LABELS["colm"], "colm"), Row(LABELS["mixture"], "mixture")]
    rows += [Row(variants(scale)[a][0], a, {"table": "Table 2", "method": method}) for a, method in gains.items()]
    return TableSpec("table-2", "Table 2. CoLM with one part changed.", tuple(rows),
                     (Column("held-out loss", LOSS), *_scores(scale)[:-3],
                      Column("gain of the part (points)", None, {"benchmark": "overall average"})), SECOND_HAND)


def _table_5(scale: Scale) -> TableSpec:
    printed = {"colm": "sparsified zeroth-order (CoLM)", "colm-gradient": "sparsified actual gradient"}
    others = ("colm-fresh", "colm-many", "colm-gradient", "colm-all-coordinates", "colm-l2", "colm-cosine")
    rows = [Row(LABELS["colm"], "colm", {"table": "Table 5", "method": printed["colm"]})]
    rows += [Row(variants(scale)[a][0], a, {"table": "Table 5", "method": printed.get(a, "-")}) for a in others]
    return TableSpec("table-5", "Table 5. Gradients, coordinates and distances that medoids are looked for with.", tuple(rows),
                     (Column("held-out loss", LOSS), *_scores(scale)), SECOND_HAND)


def _rules(scale: Scale) -> TableSpec:
    arms = ("random", *rules(), "mixture", "colm")
    return TableSpec("selections", "Rules of selection, the same pool and batch.", tuple(Row(LABELS[a], a) for a in arms),
                     (Column("held-out loss", LOSS), *_scores(scale)[:-3], Column(MIXED.label, MIXED)),
                     "The paper's own list of baselines could not be read.")


def _gradients() -> TableSpec:
    rows = (Row("before training", "vanilla"), Row("after ordinary training", "random"))
    columns = [Column(m.label, m) for rule in ("colm", "many", "oracle", "mixture", "random-2x")
               for m in (variance_gain(rule), error_gain(rule))]
    columns += [Column(skill(rule).label, skill(rule)) for rule in ("colm", "many")]
    return TableSpec("gradients", "How well batches stand for the data, on true gradients of the last value projection.", rows,
                     tuple(columns), "Shape of figure 3b; 0 is a random batch of the same size, 100 no variance (or distance) at "
                     "all. oracle: the same rule with true gradients.")


def _table_7(scale: Scale) -> TableSpec:
    task = accuracy("glue:sst2", "SST-2")
    printed = {"random": "FT bs64", "random-2x": "FT bs128", "colm": "CoLM, sources from clustering during fine-tuning"}
    rows = tuple(Row(LABELS[a], f"{a}@task", {"table": "Table 7", "method": printed[a]}) for a in on_task(scale))
    return TableSpec("table-7", "Table 7. Sources found by clustering.", rows,
                     (Column("SST-2", task, {"benchmark": "average of SST-2, CB, MultiRC"}),), SECOND_HAND)


def figures(scale_name: str) -> tuple[FigureSpec, ...]:
    """Loss against steps, methods against controls, and the mixture of sources before and after selection."""
    shown = tuple(Line(a, LABELS[a]) for a in (*RANDOM, "mixture", "colm"))
    controls = ("mixture", "random-longer", "random-2x", "random-4x")
    return (
        FigureSpec("methods-and-controls", "Held-out loss: CoLM and the controls of its claims", "dots",
                   (Line("colm", LABELS["colm"], group="method"), *(Line(a, LABELS[a], group="control") for a in controls)),
                   measure=LOSS, level=Line("random", LABELS["random"]),
                   x="held-out loss minus that of random batches of b (nats, lower is better)"),
        FigureSpec("figure-3c", "Dev loss against steps", "curves", shown, y="dev loss (nats per answer token)", kind="dev_loss",
                   note="Shape of figure 3c; the paper shows accuracy."),
        FigureSpec("sources", "Examples of small sources in the batch", "curves", shown, y="share of the batch",
                   kind="small_share", note="Random batches have the data's own mixture."),
    )
