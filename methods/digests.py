"""Digests of source code by its meaning: syntax trees without docstrings and comments, so explaining better changes nothing."""
from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path


def of_files(files: Iterable[Path], house: Path) -> str:
    """One digest of the syntax trees of all files, by their place in the house."""
    hasher = hashlib.blake2b(digest_size=10)
    for path in files:
        hasher.update(f"{path.relative_to(house).as_posix()}\0{meaning(path.read_text(encoding='utf-8'))}\0".encode())
    return hasher.hexdigest()


def meaning(source: str) -> str:
    """The syntax tree as text, without docstrings."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [s for s in node.body if not _is_text(s)]
    return ast.dump(tree)


def _is_text(statement: ast.stmt) -> bool:
    return (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            and isinstance(statement.value.value, str))
