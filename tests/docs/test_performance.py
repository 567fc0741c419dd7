"""Every number in a table of times or memory stands in the file that a benchmark wrote."""

from collections.abc import Callable, Iterator

import pytest
from support.documents import README, Document, guide
from support.results import Row, case_of, result_of, results, rows_of, time_of

GUIDE = guide("performance")
# Headings of the table of labels, and the contenders of labels.csv.
OF_LABELS = {
    "meaniou": "meaniou",
    "portable kernel": "meaniou, portable",
    "torchmetrics": "torchmetrics",
    "… unvalidated": "torchmetrics, unvalidated",
    "sums of masks": "sums of masks",
    "`bucketize` + `bincount`": "bucketize and bincount",
    "limit": "limit: read both",
}
# Headings of the tables of bands, the contenders of boundary.csv, and their threads.
OF_BANDS = {
    "meaniou": ("meaniou", "1"),
    "… 2 threads": ("meaniou", "2"),
    "portable kernel": ("meaniou, portable", "1"),
    "OpenCV erosions": ("OpenCV erosions", "1"),
    "OpenCV distances": ("OpenCV distances", "1"),
    "SciPy filters": ("SciPy filters", "1"),
    "SciPy distances": ("SciPy distances", "1"),
    "edt": ("edt", "1"),
    "`MeanIoU` alone": ("MeanIoU alone", "1"),
    "limit": ("limit: read both", "1"),
}


def memory_of(row: Row) -> str:
    """Bytes per pixel beyond the inputs."""
    return f"{int(row['peak_extra_bytes']) / int(row['pixels']):.1f}" if row.get("ns_per_pixel") else "-"


def mebibytes_of(row: Row) -> str:
    """MiB of an update beyond its inputs."""
    return f"{int(row['peak_extra_bytes']) / 2**20:.1f}" if row.get("ns_per_pixel") else "-"


def call_of(row: Row) -> str:
    """Microseconds per call."""
    return row.get("p50_us") or "-"


def wrong_cells(section: str, number_of: Callable[[Row], str] = time_of) -> Iterator[str]:
    """The cells of the table of a section that are not what cpu.csv has."""
    for row in rows_of(section):
        (_, label), *cells = row.items()
        for heading, cell in cells:
            expected = number_of(result_of(case_of(label), heading))
            if cell != expected:
                yield f"{label}, {heading}: {cell}, and {expected} in the file"


@pytest.mark.parametrize(
    ("document", "heading", "number_of"),
    [
        pytest.param(Document(README), "Performance", time_of, id="README"),
        pytest.param(GUIDE, "Time of an update on a CPU", time_of, id="time"),
        pytest.param(GUIDE, "Threads", time_of, id="threads"),
        pytest.param(GUIDE, "Small updates", call_of, id="small"),
        pytest.param(GUIDE, "Memory", memory_of, id="memory"),
    ],
)
def test_a_table_comes_from_the_results_file(document: Document, heading: str, number_of: Callable[[Row], str]) -> None:
    assert list(wrong_cells(document.section(heading), number_of)) == []


def wrong_label_cells(section: str) -> Iterator[str]:
    """The cells of the table of labels that are not what labels.csv has, for one thread."""
    for row in rows_of(section):
        (_, case), *cells = row.items()
        of_case = {r["contender"]: r for r in results("labels.csv") if (r["case"], r["threads"]) == (case, "1")}
        for heading, cell in cells:
            expected = time_of(of_case.get(OF_LABELS[heading], {}))
            if cell != expected:
                yield f"{case}, {heading}: {cell}, and {expected} in the file"


def test_the_table_of_labels_comes_from_the_results_file() -> None:
    section = GUIDE.section("Labels that overlap, and thresholds")
    assert list(wrong_label_cells(section)) == []
    assert [row["input"] for row in rows_of(section)] == list(dict.fromkeys(r["case"] for r in results("labels.csv")))
    cell = rows_of(section)[0]["meaniou"]
    assert len(list(wrong_label_cells(section.replace(f"| {cell} |", "| 0.001 |", 1)))) == 1


def wrong_band_cells(section: str, number_of: Callable[[Row], str] = time_of) -> Iterator[str]:
    """The cells of a table of bands that are not what boundary.csv has."""
    measured = {(r["case"], r["contender"], r["threads"]): r for r in results("boundary.csv")}
    for row in rows_of(section):
        (_, case), *cells = row.items()
        for heading, cell in cells:
            expected = number_of(measured.get((case, *OF_BANDS[heading]), {}))
            if cell != expected:
                yield f"{case}, {heading}: {cell}, and {expected} in the file"


def test_the_tables_of_bands_come_from_the_results_file() -> None:
    times, memory = GUIDE.section("Boundary IoU").split("### Memory")
    assert list(wrong_band_cells(times)) == []
    assert list(wrong_band_cells(memory, mebibytes_of)) == []
    assert [row["input"] for row in rows_of(times)] == list(dict.fromkeys(r["case"] for r in results("boundary.csv")))
    cell = rows_of(times)[0]["meaniou"]
    assert len(list(wrong_band_cells(times.replace(f"| {cell} |", "| 0.001 |", 1)))) == 1


def test_the_guide_has_all_cases() -> None:
    labels = [row["input"] for row in rows_of(GUIDE.section("Time of an update on a CPU"))]
    assert [case_of(label) for label in labels] == list(dict.fromkeys(row["case"] for row in results("cpu.csv")))


def test_the_table_of_growth_comes_from_the_results_file() -> None:
    rows = rows_of(GUIDE.section("Scaling with pixels, classes and images"))
    measured = [(r["grows"], f"{int(r['value']):,}", r["median_us"], r["ns_per_pixel"]) for r in results("scaling.csv")]
    assert len(rows) > 10
    assert [tuple(row.values()) for row in rows if tuple(row.values()) not in measured] == []


def test_a_wrong_cell_is_noticed() -> None:
    right = result_of("uint8 scenes, C=19", "meaniou")["ns_per_pixel"]
    table = f"| input | meaniou | limit |\n| --- | --- | --- |\n| uint8 maps, 19 classes | {right} | 0.075 |\n"
    assert list(wrong_cells(table)) == []
    other = result_of("uint8 scenes, C=2", "meaniou")["ns_per_pixel"]  # a number of the file, in another place
    assert len(list(wrong_cells(table.replace(right, other)))) == 1
    with pytest.raises(KeyError):
        list(wrong_cells(table.replace("limit", "of nobody")))
