"""`python -m repro.readme` renews the README's verdict table and figure from the reference records."""
from __future__ import annotations

from methods import atomic
from repro.papers import PAPERS
from repro.report import readme_block, with_block
from repro.scales import HOUSE, get
from repro.store import Store

FIGURES = "results/reference/figures"


def main() -> None:
    block = readme_block(PAPERS.values(), get("tiny"), Store(HOUSE / "results" / "reference"), HOUSE / FIGURES, FIGURES)
    readme = HOUSE / "README.md"
    atomic.write_text(readme, with_block(readme.read_text(), block))


if __name__ == "__main__":
    main()
