"""The result files of the benchmarks, and the tables of documents that show them."""

import csv
import re

from support.documents import ROOT

RESULTS = ROOT / "benchmarks" / "results"

# Headings of columns, and the contenders of cpu.csv; of several the first that has a row for the case.
CONTENDERS = {
    "meaniou": ["meaniou"],
    "portable kernel": ["meaniou, portable"],
    "torchmetrics": ["torchmetrics"],
    "… unvalidated": ["torchmetrics, unvalidated"],
    "torcheval": ["torcheval"],
    "scikit-learn": ["scikit-learn"],
    "kornia": ["kornia"],
    "ignite": ["ignite"],
    "`np.bincount` recipe": ["numpy bincount"],
    "`argmax(1)` alone": ["argmax(1) alone"],
    "limit": ["limit: read both", "limit: amax(1)"],
}
Row = dict[str, str]


def results(name: str) -> list[Row]:
    """The rows of a results file."""
    lines = (RESULTS / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def rows_of(section: str) -> list[Row]:
    """The rows of the first table of a section, by the headings of its columns."""
    lines = re.search(r"(?:^\|.*\n)+", section + "\n", re.M)
    assert lines, "there is no table"
    header, _, *rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines[0].splitlines()]
    return [dict(zip(header, row, strict=True)) for row in rows]


def case_of(label: str) -> str:
    """The name of a case in cpu.csv: "uint8 maps, 19 classes" is "uint8 scenes, C=19" there."""
    label = re.sub(r", (\d+) classes$", r", C=\1", label)
    return re.sub(r"\bmaps of one class\b", "one class", label).replace(" maps,", " scenes,")


def result_of(case: str, heading: str) -> Row:
    """The row of cpu.csv for a column, on one thread, or on as many as the heading says."""
    name, _, threads = heading.partition(", ")
    for contender in CONTENDERS[name]:
        for row in results("cpu.csv"):
            if (row["case"], row["contender"], row["threads"]) == (case, contender, threads[:1] or "1"):
                return row
    return {}


def time_of(row: Row) -> str:
    """Nanoseconds per pixel, or a dash where nothing was measured."""
    return row.get("ns_per_pixel") or "-"
