"""LISA's tables and figures: which arm stands in which line, and which printed number beside it."""
from __future__ import annotations

from dataclasses import replace

from repro import called
from repro.claims import Column, FigureSpec, Line, OfItems, Row, TableSpec
from repro.papers.lisa import memory_table
from repro.papers.lisa.arms import CHATTING, DRAWS, LABELS, OWN_RATE, VARIANTS, suffix
from repro.papers.lisa.measures import AGIEVAL, CHAT, CHAT_ALL, GSM8K, LOSS, MMLU, PUBMEDQA, WINOGRANDE, chat
from repro.scales import Scale, get

MODELS = {"tinyllama": "TinyLlama", "mistral-7b": "Mistral-7B", "llama-2-7b": "LLaMA-2-7B"}
METHODS = {"vanilla": "Vanilla", "full": "FT", "lora": "LoRA", "galore": "GaLore", "lisa": "LISA"}
CONTROLS = ("embeddings-and-head", "lisa-fixed", "lisa-reweighted", "lora-embeddings")
CATEGORIES = ("Writing", "Roleplay", "Reasoning", "Math", "Extraction", "STEM", "Humanities")
SUITES = (MMLU, AGIEVAL, WINOGRANDE, GSM8K, PUBMEDQA)
STAND_IN = "Shape of the paper's table: it prints MT-Bench scores (a judge's points of 10, higher is better)"
NOT_YET = f"{STAND_IN}; ours are held-out loss (lower is better) and suites, because a judge that reads cannot be called here."
SCALED = "Numbers of blocks and steps are the scale's: they stand in the row's place, not for its value."


def tables(scale_name: str) -> tuple[TableSpec, ...]:
    """Tables 1-4, 6-8, 10-12 of the paper, and one of the choices that it leaves open."""
    scale = get(scale_name)
    paper = (memory_table.table_1(), _table_2(scale), _table_3(scale), _table_4(scale), _table_6(scale), _table_7(),
             _table_8(scale), _table_10(), _table_11(scale), _table_12())
    return (*paper, _choices(), *([_chat()] if scale.setting("lisa.chat") else ()))


def _ours(*measures: OfItems) -> tuple[Column, ...]:
    return tuple(Column(m.label, m) for m in measures)


def _beside(table: str, *measures: OfItems) -> tuple[Column, ...]:
    return tuple(Column(m.label, m, {"table": table, "benchmark": m.label}) for m in measures)


def _grid(scale: Scale, bases: tuple[str, ...]) -> tuple[Row, ...]:
    """Every method on every base model; models that the scale does not run have the paper's numbers alone."""
    rows = []
    for base in bases:
        for arm, method in METHODS.items():
            ours = arm + suffix(base, scale) if base in scale.bases else None
            model = MODELS[base] + (called.ours(scale.name, base) if ours else "")
            rows.append(Row(f"{model}, {LABELS[arm]}", ours, {"model": MODELS[base], "method": method}))
    return tuple(rows)


def _table_2(scale: Scale) -> TableSpec:
    controls = tuple(Row(f"control: {LABELS[c]}", c) for c in CONTROLS)
    columns = (*_beside("Table 2", MMLU, AGIEVAL, WINOGRANDE), *_ours(GSM8K, PUBMEDQA, LOSS))
    return TableSpec("table-2", "Table 2. Accuracy after instruction tuning.", (*_grid(scale, scale.bases), *controls), columns,
                     "GSM8K, PubMedQA, held-out loss and the controls are not in the paper's table.")


def _table_3(scale: Scale) -> TableSpec:
    paper = Column("MT-Bench", None, {"table": "Table 3"})
    return TableSpec("table-3", "Table 3. Instruction following.", _grid(scale, tuple(MODELS)), (paper, *_ours(LOSS)),
                     f"{NOT_YET} The paper's are of its early version (seven categories).")


def _chat() -> TableSpec:
    rows = tuple(Row(LABELS[a], a) for a in CHATTING)
    return TableSpec("two-turns", "Two-turn questions of the tiny world, judged by rule.", rows,
                     (Column(CHAT_ALL.label, CHAT_ALL), *(Column(c, chat(c)) for c in CHAT)),
                     "MT-Bench's form and categories; 10 for a right answer, 1 for another. Not to be compared with a judge's "
                     "points, GPT-4's least of all.")


def _table_4(scale: Scale) -> TableSpec:
    main = scale.setting("lisa.math_main")
    arms = (("not tuned", "math-vanilla", "Vanilla"), (f"LISA, γ = {main}", f"math-lisa-{main}-pretrained", "LISA"),
            ("full tuning", "math-full-pretrained", "FT"))
    name = f"TinyLlama{called.ours(scale.name, 'tinyllama')}"
    rows = [Row(f"{name}, {label}", arm, {"model": "TinyLlama", "method": method}) for label, arm, method in arms]
    rows += [Row(f"without pre-training: {label}", arm) for label, arm in (("full tuning", "math-full"),
                                                                         (f"LISA, γ = {main}", f"math-lisa-{main}"))]
    return TableSpec("table-4", "Table 4. Word problems after continual pre-training on web mathematics.", tuple(rows),
                     _beside("Table 4", GSM8K), "Memory comes with the cost suite.")


def _table_6(scale: Scale) -> TableSpec:
    places = (("lisa-many-short", "many", "K_short", "gamma=8, K=1"), ("lisa-many-same-rate", "many", "K", "gamma=8, K=5"),
              ("lisa", "gamma", "K", "gamma=2, K=5"), ("lisa-long", "gamma", "K_long", "gamma=2, K=25"),
              ("lisa-once", "gamma", None, "gamma=2, K=122"))
    rows = []
    for arm, gamma, k, setting in places:
        steps = scale.setting(f"lisa.{k}") if k else "T"
        printed = setting.replace("gamma", "γ").replace("=", " = ")
        rows.append(Row(f"γ = {scale.setting(f'lisa.{gamma}')}, K = {steps} (paper: {printed})", arm, {"setting": setting}))
    columns = (*(Column(f"MT-Bench {m}", None, {"table": "Table 6", "model": m}) for m in ("TinyLlama", "LLaMA-2-7B")),
               *_ours(LOSS, MMLU))
    return TableSpec("table-6", "Table 6. Number of blocks and steps between draws, one learning rate.", tuple(rows), columns,
                     f"{NOT_YET} {SCALED}")


def _table_7() -> TableSpec:
    rows = tuple(Row(f"layer seed {i}", arm) for i, arm in enumerate(DRAWS, 1))
    return TableSpec("table-7", "Table 7. Three draws of layers over the same order of examples.", rows, _ours(LOSS, MMLU),
                     f"{NOT_YET} The paper's text gives a largest gap of 0.13 points; its cells could not be verified.")


def _table_8(scale: Scale) -> TableSpec:
    paper = (Column(c, None, {"table": "Table 8", "benchmark": f"MT-Bench {c}"}) for c in CATEGORIES)
    return TableSpec("table-8", "Table 8. By category.", _grid(scale, tuple(MODELS)), (*paper, *_ours(*SUITES)),
                     f"{NOT_YET} The paper's are of its early version.")


def _table_10() -> TableSpec:
    rows = tuple(Row(LABELS[a], a, {"table": "Table 10", "setting": s}) for a, s in (
        ("lisa", "re-drawn"), ("embeddings-and-head", "E+H only (gamma=0)")))
    return TableSpec("table-10", "Table 10. Without the drawn layers.", rows, (Column("score", None, {}), *_ours(LOSS, *SUITES)),
                     "The paper's metric could not be read.")


def _table_11(scale: Scale) -> TableSpec:
    rows = []
    for g in scale.setting("lisa.math_gammas"):
        for end, label in (("-slow", "a third of its rate"), ("", "its tuned rate"), ("-fast", "three times its rate")):
            rows.append(Row(f"γ = {g}, {label}", f"math-lisa-{g}{end}", {"method": "LISA", "setting": f"gamma={g}"}))
    return TableSpec("table-11", "Table 11. Number of blocks and learning rate, trained on word problems.", tuple(rows),
                     _beside("Table 11", GSM8K), SCALED)


def _table_12() -> TableSpec:
    rows = (Row("drawn anew", "lisa", {"method": "LISA"}),
            Row("one draw, its own rate, same restarts", "lisa-fixed", {"method": "LISA, one draw"}),
            Row("one draw, LISA's rate, no restarts (K = T)", "lisa-once"))
    return TableSpec("table-12", "Table 12. Layers drawn anew or once.", rows,
                     (Column("MT-Bench", None, {"table": "Table 12"}), *_ours(LOSS, MMLU)), NOT_YET)


def _choices() -> TableSpec:
    rows = (Row(LABELS["lisa"], "lisa"), *(Row(f"LISA, {label}", arm) for arm, (label, _) in VARIANTS.items()),
            *(Row(LABELS[a], a) for a in OWN_RATE),
            Row("full tuning at a third of its rate", "full-slow"))
    return TableSpec("choices", "Choices that the paper leaves open, or makes without a comparison.", rows,
                     _ours(LOSS, MMLU, WINOGRANDE), "Not a table of the paper. At LISA's learning rate unless it says otherwise.")


def figures(scale_name: str) -> tuple[FigureSpec, ...]:
    """Figures 1/6, 2, 7-11 of the paper, and one of methods against controls."""
    scale = get(scale_name)
    many, few = (scale.setting(f"lisa.{n}") for n in ("many", "few"))
    gamma, k, long = (scale.setting(f"lisa.{n}") for n in ("gamma", "K", "K_long"))
    main = tuple(Line(a, LABELS[a]) for a in ("full", "lora", "galore", "lisa"))
    loss = FigureSpec("", "", "curves", (), y="training loss (nats per answer token)")
    return (
        FigureSpec("methods-and-controls", "Held-out loss: methods and the controls of their claims", "dots",
                   (Line("lisa", LABELS["lisa"], group="method"),
                    *(Line(a, LABELS[a], group="baseline") for a in ("galore", "lora")),
                    *(Line(a, LABELS[a], group="control") for a in CONTROLS)), measure=LOSS,
                   level=Line("full", LABELS["full"]), x="held-out loss minus full tuning's (nats, lower is better)"),
        *([FigureSpec("radar", "Two-turn questions by category, judged by rule", "radar",
                      tuple(Line(a, LABELS[a]) for a in CHATTING), measure=chat(CHAT[0]), sets=CHAT,
                      note="10 for a right answer, 1 for another.")] if scale.setting("lisa.chat") else []),
        *memory_table.figures(),
        replace(loss, id="figure-1", title="Figures 1 and 6. Training loss", lines=main),
        FigureSpec("figure-2", "Figure 2. Norms by layer, with step 0 and the norm of the change", "norms", (
            Line("lora-embeddings", "LoRA"), Line("lora-embeddings-gaussian", "LoRA, Gaussian init"),
            Line("lora-embeddings-other-r", "LoRA, another r"), Line("full", "full tuning")), x="layer"),
        FigureSpec("figure-7", "Figure 7. Word problems after continual pre-training, by number of blocks", "scan", tuple(
            Line(f"math-lisa-{g}-pretrained", "LISA", float(g), method="lisa") for g in scale.setting("lisa.math_gammas")),
            measure=GSM8K,
            x="blocks that move at a time (γ)", y=f"{called.world(scale.name)}GSM8K accuracy (%)",
            level=Line("math-full-pretrained", "full tuning", method="full")),
        replace(loss, id="figure-8", title="Figure 8. Training loss by number of blocks", lines=(
            Line("lisa-few-same-rate", f"γ = {few}"), Line("lisa", f"γ = {gamma}"), Line("lisa-many-same-rate", f"γ = {many}"))),
        replace(loss, id="figure-9", title="Figure 9. Training loss by steps between draws", lines=(
            Line("lisa", f"K = {k}"), Line("lisa-long", f"K = {long}"), Line("lisa-once", "K = T"))),
        replace(loss, id="figure-10", title="Figure 10. Training loss of three layer seeds", lines=tuple(
            Line(a, f"layer seed {i}") for i, a in enumerate(DRAWS, 1))),
        replace(loss, id="figure-11", title="Figure 11. Dev loss in training", lines=main, kind="dev_loss",
                y="dev loss (nats per answer token)"),
    )
