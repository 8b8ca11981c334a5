"""Stock task definitions over data from a folder: each is included by a small one that overrides its data alone.

`index` is lm-eval's: name -> entry with `kind` (TASK, GROUP, TAG), `cfg` (the definition), `yaml_path`, `tags`.
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suites.suite import Suite


def members(index: Mapping[str, Any], suite: Suite, name: str) -> list[str]:
    """The names that a group or a tag holds, in lm-eval's order; none for a task."""
    entry = index[name]
    if entry.kind.name == "TAG":
        return sorted(entry.tags)
    held = entry.cfg["task"] if entry.kind.name == "GROUP" else []
    return [m for m in held if isinstance(m, str) and m not in suite.without]


def leaves(index: Mapping[str, Any], suite: Suite, name: str) -> list[str]:
    """The tasks below a group, or the task itself."""
    held = members(index, suite, name)
    return [leaf for m in held for leaf in leaves(index, suite, m)] if held else [name]


def definitions(index: Mapping[str, Any], suite: Suite, name: str, source: Path | None, cache: Path) -> dict[str, str]:
    """Name -> YAML for every task that has data and every group that has such tasks. `source` None: the Hub.

    `cache` is an empty folder to read a folder's data through: the cache of the datasets library would give the rows of
    any other folder of the same name that it has seen before.
    """
    entry, held = index[name], members(index, suite, name)
    if not held:
        return _task(entry, suite, source, cache)
    made: dict[str, str] = {}
    for member in held:
        made |= definitions(index, suite, member, source, cache)
    tasks = [t for m in held for t in (members(index, suite, m) if index[m].kind.name == "TAG" else [m]) if t in made]
    if tasks and entry.kind.name == "GROUP":
        made[name] = f"include: {entry.yaml_path}\ntask: {json.dumps(tasks)}\n"
    return made


def _task(entry: Any, suite: Suite, source: Path | None, cache: Path) -> dict[str, str]:
    """One task; nothing where the folder lacks its data."""
    text = f"include: {entry.yaml_path}\n"
    if source is not None:
        folder = source / entry.cfg["dataset_path"]
        if not (folder / (entry.cfg.get("dataset_name") or "default")).is_dir():
            return {}
        how = {**(entry.cfg.get("dataset_kwargs") or {}), "cache_dir": str(cache), "keep_in_memory": True}
        text += f"dataset_path: {json.dumps(str(folder.resolve()))}\ndataset_kwargs: {json.dumps(how)}\n"
        if suite.most_tokens is not None:
            longest = {**entry.cfg["generation_kwargs"], "max_gen_toks": suite.most_tokens}
            text += f"generation_kwargs: {json.dumps(longest)}\n"
    return {entry.name: text}
