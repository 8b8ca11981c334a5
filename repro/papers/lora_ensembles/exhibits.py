"""LoRA ensembles' tables and figures. None of the paper's numbers could be read, so that ours stand alone."""
from __future__ import annotations

from repro.claims import Column, FigureSpec, Line, Row, TableSpec
from repro.memory.tables import table
from repro.papers.lora_ensembles import cost, peaks
from repro.papers.lora_ensembles.arms import LABELS, label_of, regularised
from repro.papers.lora_ensembles.measures import ECE, on
from repro.scales import Scale, get

WAYS = {"member": "mean member", "best": "best member on dev", "ensemble": "ensemble", "logits": "mean of logits",
        "vocabulary": "mean over the vocabulary", "tempered member": "mean member, temperature",
        "tempered ensemble": "ensemble, temperature", "early member": "mean member, stopped early",
        "early ensemble": "ensemble, members stopped early", "checkpoints": "its own later checkpoints",
        "averaged": "weights averaged", "laplace": "Laplace on the last block", "sampled": "MC dropout", "first": "one member"}
MAIN = ("zero-shot", "few-shot", "lora|member", "lora|first", "lora|best", "lora|ensemble", "long", "wide",
        "lora|tempered member", "lora|tempered ensemble", "long|tempered member", "lora|checkpoints", "lora|averaged",
        "lora|laplace", "dropout|first", "dropout|sampled", "head|member", "head|ensemble")
REGULARISERS = tuple(f"{arm}|{way}" for arm, ways in (
    ("lora", ("member", "ensemble", "early member", "early ensemble")),
    *((arm, ("member", "ensemble")) for arm in ("dropout", "kl", "decay", "lora-at-decays-rate", "reverse-kl",
                                                      "decay-on-a"))) for way in ways)
UNREAD = "The paper's numbers could not be read."


def label(name: str) -> str:
    """"lora|ensemble" -> "LoRA, ensemble"."""
    arm, _, way = name.partition("|")
    return f"{label_of(arm)}, {WAYS[way]}" if way else label_of(arm)


def _rows(*names: str) -> tuple[Row, ...]:
    return tuple(Row(label(name), name) for name in names)


def _columns(key: str, *scores: str) -> tuple[Column, ...]:
    return tuple(Column(on(key, score).label, on(key, score)) for score in scores)


def _setting(scale: Scale, key: str) -> str:
    value: str = scale.setting(f"ensembles.{key}")
    return value


def tables(scale_name: str) -> tuple[TableSpec, ...]:
    """Predictions, regularisers, combinations, sources of randomness, shift, bins, cost."""
    scale = get(scale_name)
    train, other, far = (_setting(scale, key) for key in ("train", "other", "far"))
    said = f"Trained and tested on {train}. {UNREAD}"
    return (
        TableSpec("predictions", "Members, their ensemble, and what it competes with.", _rows(*MAIN),
                  _columns(train, "accuracy", "nll", ECE, "ece if calibrated", "brier", "auroc", "aurc"),
                  f"{said} ECE if calibrated: what a perfectly calibrated model of the same confidences would show "
                  "at this n; there the second number counts drawn labellings."),
        TableSpec("regularisers", "Each regulariser alone and with an ensemble.", _rows(*REGULARISERS),
                  _columns(train, "accuracy", "nll", ECE, "brier"), said),
        TableSpec("coefficients", "Regularisers over their grids, each coefficient at its own best rate.",
                  _rows(*(f"{name}|{way}" for name in regularised(scale) for way in ("member", "ensemble"))),
                  _columns(train, "accuracy", "nll", ECE, "brier"), f"{said} The best on dev stands in the other tables."),
        TableSpec("combinations", "What is averaged.",
                  _rows("lora|member", *(f"lora|{way}" for way in ("ensemble", "logits", "vocabulary", "averaged"))),
                  _columns(train, "accuracy", "nll", ECE, "brier"), said),
        TableSpec("randomness", "Where members differ.", _rows("same", "same-init", "same-order", "lora"),
                  _columns(train, "disagreement", "gap"),
                  "Members that share all streams must not differ at all: this checks the harness."),
        TableSpec("bins", "ECE by other bins.", _rows("zero-shot", "lora|member", "lora|best", "lora|ensemble"),
                  _columns(train, ECE, "ece (10 bins)", "ece (15 equal-mass bins)", "overconfidence", "confidence when wrong"),
                  said),
        TableSpec("shift", f"Trained on {train}, tested elsewhere.",
                  _rows("zero-shot", "lora|member", "lora|best", "lora|ensemble", "head|ensemble"),
                  tuple(Column(f"{key}: {c.label}", c.measure) for key in (other, *far)
                        for c in _columns(key, "accuracy", "nll", ECE))
                  + tuple(Column(f"{m.label} ({key})", m) for key in (other, *far)
                          for m in (on(train, "ood auroc", key), on(train, "fpr95", key))),
                  "Entropies divided by the log of the number of options: a set of five options is not told by that alone."),
        TableSpec("cost", "What five members add, by arithmetic.", tuple(Row(name, None) for name in cost.SHAPES), (
            Column("weights of a member", exact=cost.weights), Column("memory over the base's", exact=cost.memory),
            Column("arithmetic of scoring over the base's", exact=cost.scoring))),
        table("table-peaks", "What members take in scoring.", peaks.every(),
              "128 tokens, bfloat16, members of rank 8 on query and value, all in one pass."),
    )


def figures(scale_name: str) -> tuple[FigureSpec, ...]:
    """Methods and controls, epochs, ensemble size, reliability, wrong answers, coverage, shift."""
    scale = get(scale_name)
    train, other, far = (_setting(scale, key) for key in ("train", "other", "far"))
    steps, points, most = (scale.setting(f"ensembles.{key}") for key in ("steps", "points", "members"))
    compared = ("zero-shot", "lora|first", "lora|ensemble", "kl|ensemble")
    named = tuple(Line(name, label(name)) for name in compared)
    nll = on(train, "nll")
    scans = [FigureSpec(f"epochs-{short}", f"{on(train, score).label} against the length of the training", "scan",
                        tuple(Line(f"{arm}|{way} at {i}", f"{LABELS[arm]}, {WAYS[way]}", round(i * steps / (points - 1)))
                              for arm in ("lora", "kl") for way in ("member", "ensemble") for i in range(points)),
                        measure=on(train, score), x="optimizer step", y=f"{on(train, score).label} ({on(train, score).unit})")
             for short, score in (("ece", ECE), ("nll", "nll"), ("accuracy", "accuracy"))]
    sizes = [FigureSpec(f"members-{short}", f"{on(train, score).label} against the number of members", "scan",
                        tuple(Line(f"{arm}|ensemble of {m}", LABELS[arm], m) for arm in ("lora", "kl", "head")
                              for m in range(1, most + 1)),
                        measure=on(train, score), x="members", y=f"{on(train, score).label} ({on(train, score).unit})",
                        note="Mean over the choices of so many out of all members.")
             for short, score in (("ece", ECE), ("nll", "nll"), ("accuracy", "accuracy"))]
    return (
        FigureSpec("methods-and-controls", "NLL: the ensemble and the controls of its claims", "dots",
                   (*(Line(n, label(n), group="method") for n in ("lora|ensemble", "head|ensemble")),
                    *(Line(n, label(n), group="control")
                      for n in ("lora|best", "lora|tempered member", "long", "lora|averaged"))),
                   measure=nll, level=Line("lora|member", label("lora|member")),
                   x="NLL minus that of the mean member (nats, lower is better)",
                   note="Against the mean member an average of probabilities cannot lose in NLL, by convexity."),
        *scans, *sizes,
        FigureSpec("reliability", "Reliability", "reliability", named, sets=(train,)),
        FigureSpec("wrong", "Confidence in wrong answers", "wrong", named, sets=(train,), x="confidence in the chosen option",
                   y="share of the wrong answers"),
        FigureSpec("coverage", "Risk against coverage", "coverage", named, sets=(train,), x="share of questions answered",
                   y="share wrong among them"),
        FigureSpec("shift", "ECE (%) by where it was trained and tested", "matrix",
                   tuple(Line(f"{arm}|{way}", of, group=WAYS[way]) for way in ("member", "ensemble")
                         for arm, of in (("lora", train), ("other", other))), sets=(train, other, *far), measure=on(train, ECE),
                   x="tested on", y="trained on"),
    )
