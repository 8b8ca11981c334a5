"""Tables: one value, three formats, nothing lost and everything escaped."""
from __future__ import annotations

import csv
import io

from repro.claims import Column, Row, TableSpec
from repro.evidence import Evidence
from repro.papers.numbers import ABSENT, Printed
from repro.table import COUNTED, LEGEND, Exact, Mean, Table, fill, latex, markdown, tex, text, to_csv
from tests.fake_study import Memory

TABLE = Table("t-1", "100 % of it", ("", "paper", "ours_x (%)"), (
    ("a|b & <i>c</i>", Printed(5.42, "5.42", "verified"), Mean(51.234, 1.26, 3, 200, 1)),
    ("γ_2", ABSENT, "not run"),
    ("base", Printed(2.0, "≈ 2", "approximate reading"), Mean(0.5, 0.1, 0, 20, 3)),
), (LEGEND,))


def test_a_mean_shows_its_error_and_sizes() -> None:
    assert text(TABLE.rows[0][2]) == "51.2 ± 1.3 (3 × 200)"
    assert text(TABLE.rows[2][2]) == "0.500 ± 0.100 (20 items)"


def test_markdown_keeps_its_columns_whatever_a_cell_holds() -> None:
    lines = [line for line in markdown(TABLE).splitlines() if line.startswith("|")]
    assert len(lines) == 5
    assert all(line.replace("\\|", "").count("|") == 4 for line in lines)
    assert "\\<i\\>" in lines[2]
    assert "not available" in lines[3]


def test_csv_has_numbers_in_full() -> None:
    rows = list(csv.reader(io.StringIO(to_csv(TABLE))))
    assert rows[0] == ["", "paper", "paper status", "ours_x (%)", "ours_x (%) stderr", "ours_x (%) seeds", "ours_x (%) items"]
    assert rows[1] == ["a|b & <i>c</i>", "5.42", "verified", "51.234", "1.26", "3", "200"]
    assert rows[2] == ["γ_2", "not available", "not available", "not run", "", "", ""]
    assert {len(r) for r in rows} == {7}


def test_latex_escapes_each_character_once() -> None:
    assert tex("50 % of a_b & {c} \\ ~^#$") == (
        r"50 \% of a\_b \& \{c\} \textbackslash{} \textasciitilde{}\textasciicircum{}\#\$")
    made = latex(TABLE)
    assert r"a\textbar{}b \& \textless{}i\textgreater{}c" in made
    assert r"51.2 $\pm$ 1.3 (3 $\times$ 200)" in made
    assert made.count(r"\\") == 4
    assert made.isascii()


def test_a_counted_number_is_shown_in_full_without_an_error() -> None:
    spec = TableSpec("t", "T", (Row("aa", None), Row("bbb", None)), (Column("bytes", exact=lambda row: 10 ** (3 * len(row))),
                                                                   Column("share", exact=lambda row: 1 / len(row))))
    table = fill(spec, Evidence(Memory(), "lisa", "tiny", ()))
    assert table.header == ("", "bytes, ours", "share, ours")
    assert table.rows[1] == ("bbb", Exact(10**9), Exact(1 / 3))
    assert table.notes == (COUNTED,)
    assert "| bbb | 1,000,000,000 | 0.333 |" in markdown(table)
    assert to_csv(table).splitlines()[2] == f"bbb,1000000000,{1 / 3!r}"
    assert "1,000,000,000 & 0.333" in latex(table)
