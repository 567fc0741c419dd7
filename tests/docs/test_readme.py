"""Every Python block of the README runs, and prints what the README says that it prints."""

import csv
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import launch

from meaniou import protocols
from meaniou._util import tables
from meaniou.cli.commands import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S)
EXAMPLES = [
    (code, BLOCKS[i + 1][1] if BLOCKS[i + 1][0] == "text" else None)
    for i, (language, code) in enumerate(BLOCKS)
    if language == "python"
]


PLAIN = [i for i, (code, _) in enumerate(EXAMPLES) if "init_process_group" not in code and "Accelerator" not in code]
LAUNCHED = [i for i in range(len(EXAMPLES)) if i not in PLAIN]

# Runs blocks of code one after the other, each with names of its own, as scripts that share an interpreter.
RUNNER = """
import contextlib, io, json, sys, traceback

ran = []
for code in json.load(sys.stdin):
    printed, error = io.StringIO(), ""
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(code, "example", "exec"), {"__name__": "__main__"})
        except BaseException:
            error = traceback.format_exc()
    ran.append([printed.getvalue(), error])
print(json.dumps(ran))
"""


def run(command: list[str], folder: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "default"}
    return subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def plain_examples(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[str, str]]:
    """What each block that needs no other process prints, and its traceback if it fails."""
    codes = json.dumps([EXAMPLES[i][0] for i in PLAIN])
    ran = run([sys.executable, "-c", RUNNER], tmp_path_factory.mktemp("examples"), codes)
    assert ran.returncode == 0, ran.stderr
    return {i: (printed, error) for i, (printed, error) in zip(PLAIN, json.loads(ran.stdout), strict=True)}


@pytest.mark.parametrize("example", PLAIN)
def test_example_prints_what_the_readme_says(plain_examples: dict[int, tuple[str, str]], example: int) -> None:
    printed, error = plain_examples[example]
    assert not error
    assert printed == EXAMPLES[example][1]


@pytest.mark.slow
@pytest.mark.parametrize("example", LAUNCHED)
def test_example_of_two_processes_prints_what_the_readme_says(example: int, tmp_path: Path) -> None:
    code, output = EXAMPLES[example]
    script = tmp_path / "example.py"
    script.write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", launch.__file__]
    ran = run([*command, str(script)], tmp_path)
    assert ran.returncode == 0, ran.stderr
    # torch 2.8 prints how gloo connects its ranks.
    assert re.sub(r"^.*(\[Gloo\] Rank|connected to \d+ peer ranks).*\n", "", ran.stdout, flags=re.M) == output


def test_there_are_examples_of_every_kind() -> None:
    codes = [code for code, _ in EXAMPLES]
    assert len(codes) == 10
    for word in ("init_process_group", "import lightning", "Accelerator(", ".report(", "protocol=", "compare("):
        assert any(word in code for code in codes), word


def test_the_table_of_intervals_comes_from_the_results_file() -> None:
    section = README.split("## How sure is the number")[1].split("\n## ")[0]
    lines = (ROOT / "benchmarks" / "results" / "intervals.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    assert len(rows) == 11
    for row in rows:
        cells = [row[name] or "-" for name in ("what", "over", "images", "covered", "mean_width", "lost")]
        assert "| " + " | ".join(cells) + " |" in section
        assert 0.9 <= float(row["covered"]) <= 0.97 or "unpaired" in row["what"]
    widths = [float(row["mean_width"]) for row in rows if row["what"].startswith("difference")]
    assert widths[1] > 10 * widths[0]


def test_the_table_of_processes_comes_from_the_results_file() -> None:
    lines = (ROOT / "benchmarks" / "results" / "processes.csv").read_text(encoding="utf-8").splitlines()
    rows = list(csv.DictReader(line for line in lines if not line.startswith("#")))
    rows = [row for row in rows if row["num_classes"] == "150" and row["processes"] != "1"]
    assert len(rows) == 9
    names = ("processes", "metric", "collectives", "put_in_bytes", "received_bytes", "sent_bytes", "ms")
    table = [f"| {' | '.join(row[name] for name in names)} |" for row in rows]
    assert "\n".join(table) in README
    counts, stamp = 8 * 152**2, 24  # the updates, and what tells whether the ranks are in step
    for row in rows:
        if row["metric"] == "meaniou":
            assert (row["collectives"], row["put_in_bytes"]) == ("1", str(counts + stamp))
            assert int(row["sent_bytes"]) < 2 * 8 * 152**2
        if row["metric"] == "meaniou per_image":
            assert int(row["received_bytes"]) < 8 * (152**2 + 2000 * 601) * 1.01


def test_the_table_of_protocols_is_that_of_the_code() -> None:
    assert tables.markdown([protocols.table()]) in README
    assert f"| rules of named benchmarks | {len(protocols.names())} |" in README


def test_the_workflow_runs_each_python_that_the_package_names() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"Python :: (3\.\d+)\"", project))
    assert set(re.findall(r"\"(3\.\d+)\"", " ".join(re.findall(r"python(?:-version)?: .*", workflow)))) == named


def test_first_screen() -> None:
    lines = README.splitlines()
    assert lines[4] == "```python"
    assert lines.index("```", 5) - 5 == 8


def test_demo_command_draws_scores_and_can_be_run_again(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["demo", str(tmp_path / "sample")])
    assert ran.exit_code == 0, ran.stderr
    command, table = ran.stdout.split("\n\n", 1)
    words = shlex.split(command.removeprefix("$ "))
    assert words[:3] == [sys.executable, "-m", "meaniou"]
    assert CliRunner().invoke(main, words[3:]).stdout == table
    assert "mIoU" in table


def test_commands_on_the_folders_of_the_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert CliRunner().invoke(main, ["demo", "sample"]).exit_code == 0
    lines = [line for language, block in BLOCKS if language == "bash" for line in block.splitlines()]
    commands = [line for line in lines if line.startswith(".venv/bin/python -m meaniou")]
    assert len(commands) == 9
    for command in commands:
        ran = CliRunner().invoke(main, shlex.split(command)[3:])
        assert (ran.exit_code, ran.stderr) == (0, "")
        assert "IoU" in ran.stdout
        assert (len(ran.stdout.splitlines()) == 1) == ("--output" in command)
    assert json.loads((tmp_path / "report.json").read_text())["classes"][0]["name"] == "road"


def test_sentences_of_refusals_are_those_of_the_code() -> None:
    section = README.split("## When it refuses")[1].split("\n## ")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", section, re.M)
    code = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    code = re.sub(r'"\s+f?"', "", code)  # joins the parts of a sentence that stands in several lines
    assert len(quoted) > 10
    assert [words for words in quoted if words not in code] == []


def test_speed_table_comes_from_the_results_file() -> None:
    section = README.split("## Speed")[1].split("\n## ")[0]
    results = (ROOT / "benchmarks" / "results" / "cpu.csv").read_text(encoding="utf-8")
    numbers = re.findall(r"(?<=\| )\d+\.\d+(?= )", section)
    assert len(numbers) > 10
    assert all(re.search(rf"\b{re.escape(number)}\b", results) for number in numbers)
