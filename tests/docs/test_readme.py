"""The first screen of the README, and the tables of the documents, which come from the code and from result files."""

import csv
import re

from support.documents import DOCUMENTS, README, ROOT, Document

from meaniou import protocols
from meaniou._util import tables

TEXT = Document(README)


def test_the_table_of_intervals_comes_from_the_results_file() -> None:
    guide = Document(ROOT / "src" / "meaniou" / "guides" / "uncertainty.md").text
    lines = (ROOT / "benchmarks" / "results" / "intervals.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(rows) == 11
    for row in rows:
        cells = [row[name] or "-" for name in ("what", "over", "images", "covered", "mean_width", "lost")]
        assert "| " + " | ".join(cells) + " |" in guide
        assert 0.9 <= float(row["covered"]) <= 0.97 or "unpaired" in row["what"]
    widths = [float(row["mean_width"]) for row in rows if row["what"].startswith("difference")]
    assert guide.count(f" {widths[1] / widths[0]:.0f} times ") == 2


def test_the_table_of_processes_comes_from_the_results_file() -> None:
    lines = (ROOT / "benchmarks" / "results" / "processes.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    rows = [row for row in rows if row["num_classes"] == "150" and row["processes"] != "1"]
    assert len(rows) == 9
    names = ("processes", "metric", "collectives", "put_in_bytes", "received_bytes", "sent_bytes", "ms")
    table = [f"| {' | '.join(row[name] for name in names)} |" for row in rows]
    assert "\n".join(table) in TEXT.text
    counts, stamp = 8 * 152**2, 24  # the updates, and what tells whether the ranks are in step
    for row in rows:
        if row["metric"] == "meaniou":
            assert (row["collectives"], row["put_in_bytes"]) == ("1", str(counts + stamp))
            assert int(row["sent_bytes"]) < 2 * 8 * 152**2
        if row["metric"] == "meaniou per_image":
            assert int(row["received_bytes"]) < 8 * (152**2 + 2000 * 601) * 1.01


def test_the_guide_to_protocols_has_the_table_of_the_code_and_an_example_of_each() -> None:
    guide = Document(ROOT / "src" / "meaniou" / "guides" / "protocols.md")
    assert tables.markdown([protocols.table()]) + "\n\n" in guide.text
    examples = "".join(block.text for block in guide.scripts)
    assert [name for name in protocols.names() if f'protocol="{name}"' not in examples] == []


def test_each_number_of_protocols_is_that_of_the_code() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
    assert set(re.findall(r"\| rules of named benchmarks \| (\d+) \|", texts)) <= {str(len(protocols.names()))}


def test_the_workflow_runs_each_python_that_the_package_names() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"Python :: (3\.\d+)\"", project))
    assert set(re.findall(r"\"(3\.\d+)\"", " ".join(re.findall(r"python(?:-version)?: .*", workflow)))) == named


def test_first_screen() -> None:
    lines = TEXT.text.splitlines()
    assert lines[4] == "```python"
    assert lines.index("```", 5) - 5 == 8
