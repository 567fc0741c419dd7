"""Draws the results of run.py: python benchmarks/plot.py benchmarks/results/cpu.csv FIGURE.svg [--case CASE]..."""

import argparse
import csv
from pathlib import Path

import matplotlib

matplotlib.use("svg")
from matplotlib import pyplot

CASES = ("uint8 scenes, C=19", "int64 scenes, C=150", "float32 scores, C=19")
OURS, OTHERS, LIMITS = "#0072b2", "#b0b0b0", "#e69f00"  # colour-blind safe


def main() -> None:
    """Draws a bar for each contender of each case, one thread, on a logarithmic axis."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path)
    parser.add_argument("figure", type=Path)
    parser.add_argument("--case", action="append", help="draw only this case; may be repeated")
    options = parser.parse_args()
    cases = options.case or CASES
    with options.results.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    matplotlib.rcParams["svg.hashsalt"] = "meaniou"  # the same bytes for the same results
    figure, axes = pyplot.subplots(
        1, len(cases), figsize=(12, 3.6) if len(cases) > 1 else (8, 3), layout="constrained", squeeze=False
    )
    for ax, case in zip(axes[0], cases, strict=True):
        measured = [row for row in rows if row["case"] == case and row["threads"] == "1" and row["ns_per_pixel"]]
        measured.sort(key=lambda row: float(row["ns_per_pixel"]), reverse=True)
        names = [row["contender"] for row in measured]
        times = [float(row["ns_per_pixel"]) for row in measured]
        colours = [OURS if n.startswith("meaniou") else LIMITS if n.startswith("limit") else OTHERS for n in names]
        bars = ax.barh(names, times, color=colours)
        labels = [f"{time:,.0f}" if time >= 1000 else f"{time:.3g}" for time in times]
        ax.bar_label(bars, labels, padding=2, fontsize=8)
        ax.set_xscale("log")
        ax.set_xlim(min(times) / 2, max(times) * 4)
        kind, classes = case.replace("scenes", "label maps").split(", C=")
        ax.set_title(f"{kind}, {classes} classes", fontsize=10)
        ax.set_xlabel("ns per pixel, one thread, logarithmic")
        ax.tick_params(labelsize=8)
        ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(options.figure, metadata={"Date": None})


if __name__ == "__main__":
    main()
