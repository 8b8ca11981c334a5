"""Writing a world: folders in the Hub's shape that datasets.load_dataset reads like the real ids."""

import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from suites.world import (
    agieval,
    glue,
    gsm8k,
    instructions,
    math_instructions,
    mmlu,
    pubmedqa,
    two_turn,
    web_math,
    winogrande,
)
from suites.world.noise import noisy
from suites.world.world import World

NO_DATA = frozenset({"card.py", "circuits.py", "corpus.py", "pretrain.py", "score.py", "tokenizer.py"})
"""Files of this folder that make the base model, not the data."""
Row = dict[str, object]
Tables = Mapping[str, Mapping[str, Sequence[Row]]]


def every_table(world: World) -> dict[str, Tables]:
    """Hub id -> config -> split -> rows, with the world's share of wrong train labels."""
    sets: dict[str, Tables] = {
        "cais/mmlu": mmlu.tables(world),
        "openai/gsm8k": gsm8k.tables(world),
        **agieval.tables(world),
        "allenai/winogrande": winogrande.tables(world),
        "bigbio/pubmed_qa": pubmedqa.tables(world),
        "nyu-mll/glue": glue.tables(world),
        "world/instructions": instructions.tables(world),
        "world/two-turn": two_turn.tables(world),
        "world/math-instructions": math_instructions.tables(world),
        "world/web-math": web_math.tables(world),
    }
    return {hub_id: noisy(world, hub_id, tables) for hub_id, tables in sets.items()}


def write(world: World, root: Path) -> Path:
    """Writes ``<root>/<name>/<hub id>/<config>/<split>.jsonl`` once and returns ``<root>/<name>``; atomic.

    Several may do so at the same time: the first one's stays. The name is the world's digest and that of the generator's code, so
    that data never outlive what made them.
    """
    from methods import atomic

    place = root / f"{world.digest()}-{generator()}"
    if not place.exists():
        with atomic.folder(place, once=True) as fresh:
            for hub_id, tables in every_table(world).items():
                _write_set(fresh / hub_id, hub_id, tables)
    return place


@functools.cache
def generator() -> str:
    """A digest of the code that writes the data."""
    from methods.digests import of_files

    here = Path(__file__).resolve().parent
    return of_files(sorted(p for p in here.glob("*.py") if p.name not in NO_DATA), here)


def _write_set(folder: Path, hub_id: str, tables: Tables) -> None:
    for config, splits in tables.items():
        for split, rows in splits.items():
            path = folder / config / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (folder / "README.md").write_text(_readme(hub_id, tables), encoding="utf-8")


def _readme(hub_id: str, tables: Tables) -> str:
    lines = ["---", "configs:"]
    for config, splits in tables.items():
        lines.append(f"- config_name: {config}")
        if len(tables) == 1:
            lines.append("  default: true")
        lines.append("  data_files:")
        for split in splits:
            lines += [f"  - split: {split}", f"    path: {config}/{split}.jsonl"]
    about = f"# {hub_id}\n\nThe tiny world's data in this data set's format; `fact` names what an item hangs on."
    return "\n".join([*lines, "---", about, ""])
