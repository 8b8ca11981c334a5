"""A reliability diagram of one file's answers: accuracy against confidence with intervals, and how many each bin has."""
from __future__ import annotations

from pathlib import Path

import pandas as pd

from repro import canvas, plot_answers
from repro.answer_traces import of_bins


def draw(bins: pd.DataFrame, title: str, folder: Path, name: str = "reliability") -> list[Path]:
    """Writes the diagram of `suites.calibration.reliability`'s rows; returns the files."""
    points, heights = of_bins(bins, "answers of a bin, 90 % interval", int(bins["n"].sum()))
    width = 0.95 * float((bins["to"] - bins["from"]).iloc[0])
    files = canvas.files_of(folder, name)
    canvas.write(title, lambda: plot_answers.diagram([points], [heights], width), files)
    return list(files)
