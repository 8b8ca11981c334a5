"""A reliability diagram as a figure: accuracy against confidence with intervals, and how many answers each bin has."""
from __future__ import annotations

from pathlib import Path

import pandas as pd

from methods import atomic
from repro.plot import STYLE

ENDS = ("png", "svg")


def draw(bins: pd.DataFrame, title: str, folder: Path, name: str = "reliability") -> list[Path]:
    """Writes the diagram of `suites.calibration.reliability`'s rows; returns the files."""
    import io

    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    with plt.rc_context(STYLE):
        figure, (above, below) = plt.subplots(2, 1, figsize=(4.6, 5.2), sharex=True, height_ratios=(3, 1), layout="constrained")
        above.plot([0, 1], [0, 1], color="0.5", linestyle="--", linewidth=1, label="as right as it is sure")
        errors = [bins["accuracy"] - bins["low"], bins["high"] - bins["accuracy"]]
        above.errorbar(bins["confidence"], bins["accuracy"], yerr=errors, fmt="o", capsize=3,
                       label="answers of a bin, 90 % interval")
        above.set(ylabel="share right", xlim=(0, 1), ylim=(0, 1), title=title)
        above.legend(loc="lower right", frameon=False)
        below.bar(bins["from"], bins["n"], width=bins["to"] - bins["from"], align="edge", edgecolor="white")
        below.set(xlabel="confidence in the chosen option", ylabel="answers")
        for end in ENDS:
            made = io.BytesIO()
            figure.savefig(made, format=end, dpi=150)
            files.append(folder / f"{name}.{end}")
            atomic.write_bytes(files[-1], made.getvalue())
        plt.close(figure)
    return files
