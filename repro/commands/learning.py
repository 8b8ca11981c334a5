"""Train one's own model; pretrain the embedded base model."""
from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress

from repro.commands.measuring import Model, Revision
from repro.commands.options import HOUSE, Json

if TYPE_CHECKING:
    from repro.own import Order, Outcome, Task
    from suites.suite import Score

Folder = Annotated[Path, typer.Option("--out", help="A new folder, or that of the same training cut short.")]


def train(
    recipe: Annotated[str, typer.Option("--recipe", help="`python -m repro list recipes` shows them.")],
    model: Model,
    data: Annotated[str, typer.Option("--data", help="A Hub id (ID:CONFIG for one of its configurations), or a JSONL, CSV "
                                      "or Parquet file or a folder of them. Sets that suite glue has prompts for, e.g. "
                                      "nyu-mll/glue:sst2, are read with these.")],
    out: Folder,
    steps: Annotated[int, typer.Option("--steps", min=1)] = 100,
    lr: Annotated[float | None, typer.Option("--lr", help="Learning rate. The default is a common one, not "
                                             "tuned.")] = None,
    batch_size: Annotated[int, typer.Option("--batch-size", min=1)] = 16,
    micro_batch: Annotated[int | None, typer.Option("--micro-batch", min=1, help="Examples at a time, to save "
                                                    "memory.")] = None,
    max_length: Annotated[int, typer.Option("--max-length", min=2, help="Tokens of an example.")] = 512,
    seed: Annotated[int, typer.Option("--seed")] = 0,
    schedule: Annotated[str, typer.Option("--schedule", help="constant, linear or cosine.")] = "linear",
    precision: Annotated[str, typer.Option("--precision", help="fp32, bf16 or bf16-mixed.")] = "fp32",
    gamma: Annotated[int | None, typer.Option("--gamma", help="LISA: blocks that move at a time.")] = None,
    interval: Annotated[int | None, typer.Option("--interval", help="LISA: steps between draws (K).")] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Any field of the recipe's parts, as field=value; may be "
                                                   "repeated.")] = None,
    prompt: Annotated[list[str] | None, typer.Option("--prompt", help="A field of the prompt; may be repeated. Default: "
                                                     "recognised by name.")] = None,
    answer: Annotated[str | None, typer.Option("--answer", help="The field that is learnt. Default: recognised by "
                                               "name.")] = None,
    config: Annotated[str | None, typer.Option("--config", help="The data set's configuration on the Hub.")] = None,
    split: Annotated[str, typer.Option("--split", help="The split to train on.")] = "train",
    k: Annotated[int | None, typer.Option("--k", min=1, help="Prompted tasks: rows of each class. Default: 1,000 rows.")] = None,
    held_out: Annotated[float, typer.Option("--held-out", min=0.001, max=0.9, help="Share of the data that is not trained "
                                            "on.")] = 0.1,
    dev_examples: Annotated[int, typer.Option("--dev-examples", min=2, help="Held-out examples that the loss is measured "
                                              "on, at most.")] = 200,
    revision: Revision = None,
    machine: Json = False,
) -> None:
    """Train a model on data and report its held-out loss before and after."""
    from dataclasses import replace

    from methods.gradients import Dense
    from methods.refusals import check
    from methods.training import Training
    from repro.commands.recipes import recipe_of, settings_of
    from repro.commands.studying import one_of
    from repro.own import Order, finished

    short = {"gamma": gamma, "K": interval}
    settings = {k: v for k, v in short.items() if v is not None} | settings_of(set_ or ())
    one_of("--schedule", schedule, ("constant", "linear", "cosine"))
    one_of("--precision", precision, ("fp32", "bf16", "bf16-mixed"))
    length = Training(steps=steps, batch_size=batch_size, micro_batch=micro_batch, schedule=schedule,  # type: ignore[arg-type]
                      precision=precision, clip_norm=1.0)  # type: ignore[arg-type]
    if config is None and not Path(data).exists():
        data, _, config = data.partition(":")
    source = {"id": data, "config": config or None, "prompt": list(prompt or ()), "answer": answer, "split": split, "k": k}
    chosen = recipe_of(recipe, lr, settings)
    check(chosen)
    if chosen.estimator.gives is not Dense:  # the norm of a gradient along random directions tells nothing
        length = replace(length, clip_norm=None)
    order = Order(model, revision, source, chosen, length, seed, max_length, held_out, dev_examples)
    members = order.recipe.ensemble.members
    places = [out] if members == 1 else [out / f"member-{m}" for m in range(members)]
    done = [finished(order, place) for place in places]
    if lr is None and None in done:
        print(f"No --lr given: {order.recipe.to_json()['update']['lr']:g} is a starting point, not tuned for this model.",
              file=sys.stderr)
    outcomes = [before or run(order, place, m) for m, (before, place) in enumerate(zip(done, places, strict=True))]
    if machine:
        found = [outcome_values(outcome) for outcome in outcomes]
        print(json.dumps(found if members > 1 else found[0], indent=1))
        return
    for outcome, place in zip(outcomes, places, strict=True):
        print(words(outcome, order, place))
    if members > 1:
        adapters = " ".join(f"--adapter {place}" for place in places)
        print(f"Measure the ensemble: python -m repro eval --model {model} {adapters} --suite ...")


def run(order: Order, out: Path, member: int = 0) -> Outcome:
    """Loads, checks, trains, with a bar on a terminal."""
    from suites import models

    task = load(order, out)
    task.member = member
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        line = bars.add_task("training", total=order.training.steps)
        return task.go(models.save, lambda step, of, loss: bars.update(
            line, completed=step, description=f"training, loss {loss:.3f}" if step else "training"))


def load(order: Order, out: Path) -> Task:
    """Everything the order names, loaded and checked; nothing is written."""
    from methods import anatomy
    from methods.refusals import check
    from repro import devices
    from repro.measure import pad_of
    from repro.own import Task
    from repro.training import merged
    from suites import data, models

    model, tokenizer = models.load(order.model, revision=order.revision)
    model = merged(model).to(devices.torch_device("auto"), order.training.weight_dtype)
    check(order.recipe, anatomy.read(model))
    prompted = task_examples(order, model, tokenizer)
    if prompted is not None:
        return Task(order, out, model, tokenizer, prompted[0], prompted[1][:order.dev_examples], pad_of(tokenizer))
    split = order.data["split"]
    ref = data.DataSet(order.data["id"], order.data["answer"], tuple(order.data["prompt"]), config=order.data["config"],
                       train=split, test=split, held_out=order.held_out)  # test: not cut off, so dev gets the whole share
    train_, dev = (data.load_examples(ref, tokenizer, part, max_length=order.max_length) for part in ("train", "dev"))
    return Task(order, out, model, tokenizer, train_, dev[:order.dev_examples], pad_of(tokenizer))


def task_examples(order: Order, model: Any, tokenizer: Any) -> tuple[list[Any], list[Any]] | None:
    """Train and dev examples of a set that suite glue has a prompt for; None for any other, and where fields are named."""
    from suites.glue import coding, rows, tasks, training

    source = order.data
    if source["answer"] or source["prompt"]:
        return None
    reader = coding.reader_of(model, tokenizer)
    form = tasks.form_of(reader.mask is not None, None)
    found = [t for (_, f), t in tasks.TASKS.items() if f == form and (t.data, t.config) == (source["id"], source["config"])]
    if not found:
        return None
    split = rows.split(found[0], None, seed=order.seed, k=source["k"])
    train_, dev = (training.examples(found[0], part, reader) for part in (split.train, split.dev))
    return train_, dev


def words(outcome: Outcome, order: Order, out: Path) -> str:
    """The result in three lines."""
    def one(loss: Score) -> str:
        return f"{loss.value:.4f} ± {loss.stderr:.4f}"

    return (f"{order.recipe}: {outcome.steps} steps, {outcome.tokens} tokens, {outcome.train_s:.1f} s\n"
            f"Held-out loss (nats per answer token, n = {outcome.before.n} examples, ± standard error): "
            f"{one(outcome.before)} before, {one(outcome.after)} after, change {one(outcome.change)}.\n"
            f"The result is in {out}.")


def outcome_values(outcome: Outcome) -> dict[str, Any]:
    from repro.own import outcome_json

    return outcome_json(outcome)


def pretrain(
    out: Annotated[Path, typer.Option("--out", help="The folder of the base model; it is replaced as a whole.")] =
        HOUSE / "suites" / "world" / "base",
    tokens: Annotated[int | None, typer.Option("--tokens", min=1, help="Default: as many as the committed weights saw.")] = None,
    threads: Annotated[int, typer.Option("--threads", min=1)] = 2,
    seed: Annotated[int, typer.Option("--seed")] = 0,
) -> None:
    """Remake the embedded base model from nothing: tokenizer, weights, folder."""
    from suites.world.pretrain import TOKENS
    from suites.world.pretrain import pretrain as make

    tokens = tokens or TOKENS
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bars:
        line = bars.add_task("pretraining", total=tokens)
        place = make(out, tokens=tokens, threads=threads, seed=seed,
                     watch=lambda now, model, tokenizer: bars.update(line, completed=now.tokens,
                                                                     description=f"pretraining, loss {now.loss:.3f}"))
    console.print(f"Wrote {escape(str(place))}.", soft_wrap=True)
