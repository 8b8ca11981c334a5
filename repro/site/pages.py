"""From values to a page: one environment that escapes everything, and the style sheet and script that all pages share."""
from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from repro import table, words
from repro.site.files import write_changed, write_text

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
SHARED = ("site.css", "site.js")
POLICY = ("default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; base-uri 'none'; form-action 'none'")
"""A page loads its own figures, style sheet and script, and nothing else."""


def write(template: str, root: Path, page: Path, **values: Any) -> None:
    """Renders a template as the page at `page` under the site's folder `root`; links are relative to the page."""
    up = "../" * (len(page.relative_to(root).parts) - 1)
    text = environment().get_template(f"{template}.html.jinja").render(up=up, policy=POLICY, **values)
    write_text(page, text)


def write_shared(root: Path) -> None:
    """The style sheet and the script."""
    for name in SHARED:
        write_changed(root / name, (TEMPLATES / name).read_bytes())


@functools.cache
def environment() -> jinja2.Environment:
    made = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    made.filters.update(text=table.text, tested=words.tested, counted=words.counted, number=number, kind=kind,
                        sentence=sentence, plain=plain, corrected=words.corrected, code=code)
    return made


def code(words_: str) -> markupsafe.Markup:
    """Escaped, and what stands between backticks as code."""
    pieces = (markupsafe.Markup("<code>{}</code>" if is_code else "{}").format(piece)
              for piece, is_code in table.code_spans(words_))
    return markupsafe.Markup("").join(pieces)


def sentence(words_: str) -> str:
    """With a full stop, unless there is one."""
    return words_ if words_.rstrip().endswith((".", "!", "?", ":")) else f"{words_.rstrip()}."


def plain(part: str) -> str:
    """A part without fields by its name alone."""
    return part.removesuffix("()")


def kind(word: str, stands: bool) -> str:
    """The class by which a verdict is coloured beside its word."""
    if word in ("supported", "direction only"):
        return "stands" if stands else "partly"
    return {"refuted": "refuted", "inconclusive": "open"}.get(word, "none")


def number(value: float | int | None) -> str:
    """A number for reading: whole ones in full, others with four digits."""
    if value is None or not math.isfinite(value):
        return "not a number"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace("-", "−")
    return f"{value:,.1f}".replace("-", "−") if abs(value) >= 1000 else f"{value:.4g}".replace("-", "−")
