"""The first screen of the README, and the tables of the documents, which come from the code and from result files."""

import re

from support.documents import DOCUMENTS, README, ROOT, Document, guide, without_blocks
from support.results import result_of, results, time_of

from meaniou import protocols
from meaniou._util import tables

TEXT = Document(README)


def test_the_table_of_intervals_comes_from_the_results_file() -> None:
    text = guide("uncertainty").text
    rows = results("intervals.csv")
    assert len(rows) == 11
    for row in rows:
        cells = [row[name] or "-" for name in ("what", "over", "images", "covered", "mean_width", "lost")]
        assert "| " + " | ".join(cells) + " |" in text
        assert 0.9 <= float(row["covered"]) <= 0.97 or "unpaired" in row["what"]
    widths = [float(row["mean_width"]) for row in rows if row["what"].startswith("difference")]
    assert text.count(f" {widths[1] / widths[0]:.0f} times ") == 2


def test_the_table_of_processes_comes_from_the_results_file() -> None:
    rows = [row for row in results("processes.csv") if row["num_classes"] == "150" and row["processes"] != "1"]
    assert len(rows) == 9
    names = ("processes", "metric", "collectives", "put_in_bytes", "received_bytes", "sent_bytes", "ms")
    table = [f"| {' | '.join(row[name] for name in names)} |" for row in rows]
    assert "\n".join(table) in guide("distributed").text
    counts, stamp = 8 * 152**2, 24  # the updates, and what tells whether the ranks are in step
    for row in rows:
        if row["metric"] == "meaniou":
            assert (row["collectives"], row["put_in_bytes"]) == ("1", str(counts + stamp))
            assert int(row["sent_bytes"]) < 2 * 8 * 152**2
        if row["metric"] == "meaniou per_image":
            assert int(row["received_bytes"]) < 8 * (152**2 + 2000 * 601) * 1.01


def test_the_guide_to_protocols_has_the_table_of_the_code_and_an_example_of_each() -> None:
    document = guide("protocols")
    assert tables.markdown([protocols.table()]) + "\n\n" in document.text
    examples = "".join(block.text for block in document.scripts)
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
    screen = lines[: lines.index("## Install")]
    assert len(screen) <= 45
    assert sum(line.startswith("- **") for line in screen) == 9
    assert sum(line.startswith("![") for line in screen) == 1


def test_the_gain_of_the_extra_cpu_comes_from_the_results_file() -> None:
    gain = re.search(r"`cpu` \(Numba kernel, (\d+) times faster than the portable one in the chart above\)", TEXT.text)
    ours, portable = (float(time_of(result_of("uint8 scenes, C=19", name))) for name in ("meaniou", "portable kernel"))
    assert gain
    assert int(gain[1]) == round(portable / ours)


def test_the_readme_is_short() -> None:
    assert len(TEXT.text.splitlines()) <= 250


def test_the_contents_are_the_headings() -> None:
    contents = TEXT.text.split("**Contents:**")[1].split("\n## ")[0]
    assert re.findall(r"\[([^]]+)\]\(#", contents) == re.findall(r"^## (.+)$", without_blocks(TEXT.text), re.M)


def test_the_numbers_of_the_features_come_from_results_and_guides() -> None:
    features = TEXT.text.split("**Contents:**")[0]
    pixel = re.search(r"([\d.]+) ns per pixel where torchmetrics takes ([\d.]+) ", features)
    case = "uint8 scenes, C=19"
    times = [time_of(result_of(case, heading)) for heading in ("meaniou", "torchmetrics")]
    assert pixel
    assert pixel.groups() == (times[0], f"{float(times[1]):.1f}")
    parity = guide("parity").text
    total = re.search(r"about ([\d,]+) numbers", features)
    exact = re.search(r"([\d,]+) numbers", parity)
    assert total
    assert exact
    assert round(int(exact[1].replace(",", "")), -3) == int(total[1].replace(",", ""))
