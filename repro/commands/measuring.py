"""Measure any model on the suites, and the suite's own speed."""
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from repro.commands.options import Json
from repro.commands.screen import wide

if TYPE_CHECKING:
    from suites.suite import Evaluation

Model = Annotated[str, typer.Option("--model", help="A Hub id, or a folder that transformers or peft loads.")]
Revision = Annotated[str | None, typer.Option("--revision", help="A commit, tag or branch of the Hub id.")]


def evaluate(
    model: Model,
    suite: Annotated[str, typer.Option("--suite", help="Suites or lm-eval tasks, with commas between.")],
    tasks: Annotated[str, typer.Option("--tasks", help="What the suite calibration is measured on, as --suite.")] = "",
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Items of each task. Default: all.")] = None,
    shots: Annotated[int | None, typer.Option("--shots", min=0, help="Default: the suite's own number.")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1)] = 16,
    source: Annotated[str, typer.Option("--source", help="hub, or world (the tiny world), or a folder like the "
                                        "Hub; for math also a folder with the test sets' files.")] = "hub",
    adapter: Annotated[list[str] | None, typer.Option("--adapter", help="A folder of a LoRA adapter in PEFT's format, on top of "
                                                      "--model; several are the members of an ensemble.")] = None,
    combine: Annotated[str, typer.Option("--combine", help="What members' mean is of: options (probabilities of the options), "
                                         "vocabulary (of the whole vocabulary) or logits.")] = "options",
    questions: Annotated[Path | None, typer.Option("--questions", help="mt_bench: the file of questions, in FastChat's "
                                                   "format.")] = None,
    template: Annotated[str | None, typer.Option("--template", help="mt_bench: tokenizer, or fastchat:NAME of a template of "
                                                 "fastchat.conversation. Default: the tokenizer's own, else "
                                                 "fastchat:zero_shot.")] = None,
    max_new_tokens: Annotated[int, typer.Option("--max-new-tokens", min=1, help="mt_bench: of an answer.")] = 1024,
    answers: Annotated[Path | None, typer.Option("--answers", help="mt_bench: write the answers there, in FastChat's format, for "
                                                 "`repro judge`.")] = None,
    revision: Revision = None,
    samples: Annotated[Path | None, typer.Option("--samples", help="Write a row per item there, as Parquet.")] = None,
    machine: Json = False,
) -> None:
    """Measure a model on suites; every number comes with n and its standard error."""
    from repro import devices
    from repro.commands.studying import one_of
    from suites import models
    from suites.evaluate import evaluate as measured

    calls = [(name, shots, limit) for name in named(suite, tasks)]
    folder = source_folder(source)
    one_of("--combine", combine, ("options", "vocabulary", "logits"))
    _fits(suite, {"--questions": questions, "--template": template, "--answers": answers}, {
        "--tasks": tasks, "--shots": shots, "--samples": samples})
    if suite == "mt_bench":
        from repro.commands.answering import answer

        answer(model, revision, adapter or (), folder, questions, limit, template, batch_size, max_new_tokens, answers, machine)
        return
    loaded, tokenizer = models.load(model, revision=revision)
    device = devices.torch_device("auto")
    if adapter:
        from methods.adapters import Adapters
        from methods.ensemble.average import Average
        from suites import members

        read = [Adapters.read(place, loaded) for place in adapter]
        found = members.evaluate(loaded, tokenizer, calls, read, Average(len(read), of=combine),  # type: ignore[arg-type]
                                 source=folder, batch_size=batch_size, device=device)
    else:
        found = measured(loaded, tokenizer, calls, source=folder, batch_size=batch_size, device=device)
    if samples is not None:
        from methods import atomic
        from repro.store import parquet, spoken

        with spoken(samples.parent):
            atomic.write_bytes(samples, parquet(found.samples))
    show_scores(found, machine)


def _fits(suite: str, of_mt_bench: dict[str, Any], of_others: dict[str, Any]) -> None:
    """Raises Refused for an option that the suite would leave unread."""
    from methods.parts import Refused

    for option, value in (of_others if suite == "mt_bench" else of_mt_bench).items():
        if value is not None and value != "":
            other = "the other suites" if suite == "mt_bench" else "mt_bench, alone"
            raise Refused(f"cannot use {option} with --suite {suite}; because it is of {other}; leave it out")


def named(suite: str, tasks: str) -> list[str]:
    """The suites asked for; calibration once for each of its tasks. Refused where tasks are named for nothing."""
    from methods.parts import Refused

    suites, of = ([part.strip() for part in text.split(",") if part.strip()] for text in (suite, tasks))
    if of and "calibration" not in suites:
        raise Refused(f"cannot use --tasks {tasks}; because they are those of the suite calibration; name it with --suite, "
                      "or name the tasks as suites")
    return [name for s in suites for name in ([f"{s}:{task}" for task in of] if s == "calibration" and of else [s])]


def source_folder(source: str) -> Path | None:
    """None for the Hub. Refused when a folder is named that is not there."""
    from methods.parts import Refused

    if source == "hub":
        return None
    if source == "world":
        from repro.scales import get

        return get("tiny").source()
    if not Path(source).is_dir():
        raise Refused(f"cannot use --source {source}; because there is no such folder; use hub, world, or a folder that "
                      "holds data sets under their Hub ids")
    return Path(source)


def show_scores(found: Evaluation, machine: bool) -> None:
    from repro.store import plain

    if machine:
        metrics = {s: {k: vars(m) for k, m in of.items()} for s, of in found.metrics.items()}
        print(json.dumps(plain({"metrics": metrics, "truncated": found.truncated, "versions": dict(found.versions)}),
                         indent=1))
        return
    table = Table("suite", "metric", "value", "stderr", "n")
    for name, metrics_ in found.metrics.items():
        for key, score in metrics_.items():
            table.add_row(escape(name), escape(key), f"{score.value:.4f}", f"{score.stderr:.4f}", str(score.n))
    console = Console()
    console.print(table)
    if found.truncated:
        console.print(f"{found.truncated} prompts were longer than the model's context and were cut on the left.")


def bench(what: Annotated[str, typer.Argument(help="fit: the training loop against bare PyTorch loops. spsa: the "
                                            "zeroth-order step against two forward passes. selection: facility location "
                                            "against two libraries, and a CoLM step by phase. ensemble: five LoRA members in one "
                                            "pass against PEFT's two ways. opt-1.3b, phi-2, lisa (its Table 1): seconds and "
                                            "peak bytes of a step at these shapes; llama-2-7b, llama-2-13b: of 1, 5 and 10 "
                                            "LoRA members, scoring and decoding (GPU).")] = "fit",
          rounds: Annotated[int, typer.Option("--rounds", min=2)] = 12, machine: Json = False) -> None:
    """Measure speed, all contenders side by side in one run. Status 1: weights differ that should not, or a limit is missed."""
    from repro.bench import bench_fit
    from repro.bench_ensemble import bench_ensemble
    from repro.bench_members import bench_7b, bench_13b
    from repro.bench_selection import bench_selection
    from repro.bench_shapes import bench_lisa, bench_opt, bench_phi
    from repro.bench_spsa import bench_spsa
    from repro.commands.studying import one_of

    benches = {"fit": bench_fit, "spsa": bench_spsa, "selection": bench_selection, "ensemble": bench_ensemble,
               "opt-1.3b": bench_opt, "phi-2": bench_phi, "lisa": bench_lisa, "llama-2-7b": bench_7b, "llama-2-13b": bench_13b}
    found = benches[one_of("WHAT", what, tuple(benches))](rounds)
    if machine:
        print(json.dumps(found, indent=1))
    else:
        (show_bench if "equal" in found else show_shapes)(found)
    if not all(found.get("equal", {}).values()) or not all(limit["holds"] for limit in found.get("limits", ())):
        raise typer.Exit(1)


def show_bench(found: dict[str, Any]) -> None:
    """Rows have one ratio to a common level, named by its key."""
    level = next(k.removeprefix("ratio_to_") for row in found["rows"] for k in row if k.startswith("ratio_to_"))
    table = Table("contender", "ms a step", "against", "ratio (quartiles)", f"to {level.replace('_', ' ')}", "FLOP bound",
                  "state bytes", title=escape(found["setting"]))
    for row in found["rows"]:
        if "missing" in row:
            table.add_row(row["name"], row["missing"])
            continue
        low, high = row["ratio_quartiles"]
        to, bound = (next(v for k, v in row.items() if k.startswith(start)) for start in ("ratio_to_", "flop_bound_to_"))
        table.add_row(row["name"], f"{row['step_ms']:.1f}", row["against"], f"{row['ratio']:.2f} ({low:.2f}-{high:.2f})",
                      f"{to:.2f}", f"{bound:.2f}", f"{row['state_bytes']:,}")
    console = Console()
    console.print(table)
    for phase in found.get("phases", ()):
        console.print(phase, soft_wrap=True)
    for pair, equal in found["equal"].items():
        console.print(f"{pair}: {'equal' if equal else 'NOT EQUAL'}", soft_wrap=True)
    for limit in found.get("limits", ()):
        held, unit = "holds" if limit["holds"] else "MISSED", limit.get("unit", "x")
        console.print(f"{limit['at']}: {limit['what']} {limit['limit']:g}{unit}: {limit['ratio']:.2f}{unit}, {held}; bound by "
                      f"{limit['bound by']}", soft_wrap=True)


def show_shapes(found: dict[str, Any]) -> None:
    table = Table("method", "precision", "batch", "micro-batch", "s a step", "times its products", "choosing", "peak GB",
                  "weights GB", "state GB", title=escape(found["setting"]))
    for row in found["rows"]:
        named = (escape(row["name"]), row["precision"], str(row["batch"]), str(row["micro_batch"] or row["batch"]))
        if "missing" in row:
            table.add_row(*named, row["missing"])
            continue
        bytes_ = (row["peak_bytes"], row["weight_bytes"], row["state_bytes"])
        table.add_row(*named, f"{row['step_s']:.3f}", f"{row['step_over_bound']:.1f}" if "step_over_bound" in row else "–",
                      f"{row['selecting_s'] / row['step_s']:.0%}", *("–" if b is None else f"{b / 1e9:.2f}" for b in bytes_))
    wide().print(table)
    for precision, rate in found.get("matrix_rates", {}).items():
        Console().print(f"Products of large matrices in {precision}: {rate / 1e12:.3g} Tera-operations a second; \"times its "
                        "products\" is a step against its own at that rate.", soft_wrap=True)
