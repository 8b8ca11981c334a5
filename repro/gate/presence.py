"""What there is to compare: papers that were not planned, and runs that are missing, failed, new, or no longer planned."""
from __future__ import annotations

from collections.abc import Iterator

from repro.gate import words
from repro.gate.lineup import Pair
from repro.gate.words import Check


def absence(paper: str) -> Check:
    """A paper of the reference of which there is no fresh plan."""
    return Check(paper, "all arms", "run", "the whole paper", "worse",
                 "missing: the reference has this paper and it was not planned; --paper compares some papers alone")


def presence(pair: Pair) -> Iterator[Check]:
    """Runs that are missing, failed, new, or no longer planned."""
    paper, arm, seed = pair.key
    check = Check(paper, arm, "run", f"seed {seed}", "worse")
    was, is_ = pair.before, pair.now
    if is_ is not None and is_.status == "failed":
        yield _said(check, f"failed: {(is_.error or 'no reason was recorded').splitlines()[0]}")
    elif is_ is None and was is not None and pair.asked:
        yield _said(check, "missing: the reference has this run")
    elif is_ is None and was is not None:
        yield _said(check, "not run: an ablation" if pair.planned else "no longer planned", "skipped")
    elif is_ is not None and was is None:
        yield _said(check, "new: the reference has no such run", "skipped")
    elif is_ is not None and was is not None and was.status == "failed":
        yield _said(check, "the reference failed", "skipped")
    elif is_ is not None:
        yield _said(check, "", "same")


def _said(check: Check, why: str, outcome: words.Outcome = "worse") -> Check:
    return Check(check.paper, check.arm, check.kind, check.name, outcome, why)
