"""Imports run one way: repro -> suites -> methods; inside methods a part imports the vocabulary, never another part."""
from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("methods", "suites", "repro")
SLOTS = ("scope", "estimator", "update", "selection", "objective", "ensemble")


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{a.name}" for a in node.names}
    return names


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_imports_only_what_lies_below_it(layer):
    above = LAYERS[LAYERS.index(layer) + 1:]
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    wrong = [(str(f.relative_to(ROOT)), name) for f in files for name in imports(f) if name.split(".")[0] in above]
    assert wrong == []


def test_a_part_imports_no_other_part():
    files = [f for slot in SLOTS for f in sorted((ROOT / "methods" / slot).glob("*.py"))]
    assert len(files) > len(SLOTS)
    wrong = [(str(f.relative_to(ROOT)), name) for f in files for name in imports(f)
             for slot in SLOTS if name.startswith(f"methods.{slot}")]
    assert wrong == []


def test_only_the_harness_touches_lm_eval():
    users = {str(f.relative_to(ROOT)) for layer in LAYERS for f in (ROOT / layer).rglob("*.py")
             if any(n.split(".")[0] == "lm_eval" for n in imports(f))}
    assert users <= {"suites/harness.py"}
