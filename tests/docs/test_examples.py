"""Every block of the README and the guides runs and prints what the text says; every link leads somewhere."""

import json
import re
import shlex
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.documents import (
    DOCUMENTS,
    GUIDES,
    MEANIOU,
    README,
    ROOT,
    Block,
    Document,
    blocks,
    run_command,
    run_on_processes,
    run_scripts,
    without_blocks,
)
from support.stand_ins import write_stand_ins

from meaniou.cli.commands import main

TEXTS = {path.stem: Document(path) for path in DOCUMENTS}

# Documents whose libraries take seconds to import, and those that only the extra ``guides`` installs.
SLOW: dict[str, tuple[str, ...]] = {
    "distributed": (),
    "huggingface": ("transformers",),
    "lightning": (),
    "logging": ("mlflow", "tensorboard", "wandb"),
    "migrating": ("monai", "mmseg"),
}

# Documents with a tool that imports modules which it does not need; their folder has empty ones.
NEED_STAND_INS = {"migrating"}

# Blocks of Python that no test runs, by their note after the fence, with the reason.
NOT_RUN = {
    "needs-network": "the tool downloads a script at each call",
    "needs-torchvision": "the tool imports torchvision, which must be of the same build as PyTorch",
    "not-on-pypi": "the tool that it shows is not on PyPI",
}
# Commands that other tests or the gate run, by how they begin.
ELSEWHERE = ("python3 -m venv .venv && ", "pip install ", "python benchmarks/", "python -W error .ci/pages.py ")
# Languages of blocks that show a file or a formula.
SHOWN = {"text", "json", "yaml", "toml", "csv", "markdown"}


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """The marks of the examples of a document; the gate installs all libraries and allows no skip."""
    missing = [library for library in SLOW.get(name, ()) if find_spec(library) is None]
    skip = pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} not installed; see the extra 'guides'")
    return [pytest.mark.slow, skip] if name in SLOW else []


def scripts_of(names: Iterable[str]) -> list[Any]:
    """Parameters of tests: each example of the documents, by name and number."""
    return [
        pytest.param(name, i, marks=marks_of(name), id=f"{name}-{block.line}")
        for name in names
        for i, block in enumerate(TEXTS[name].scripts)
    ]


FAST = [name for name in TEXTS if name not in SLOW]
LAUNCHED = [
    pytest.param(block, id=f"{name}-{block.line}")
    for name, document in TEXTS.items()
    for block in document.blocks
    if block.processes
]
SHELL = [name for name, document in TEXTS.items() if any(block.commands for block in document.blocks)]


Outputs = dict[tuple[str, int], tuple[str, str]]


def run_documents(names: list[str], folder: Path) -> Outputs:
    """What each example of some documents prints, and its traceback, by document and number, in one interpreter."""
    if NEED_STAND_INS & set(names):
        write_stand_ins(folder)
    namespaces = []
    for name in names:
        codes = [block.text for block in TEXTS[name].scripts]
        # A block of the README stands for itself; those of a guide are read in order.
        namespaces += [[code] for code in codes] if name == "README" else [codes]
    keys = [(name, i) for name in names for i in range(len(TEXTS[name].scripts))]
    return dict(zip(keys, run_scripts(namespaces, folder), strict=True))


@pytest.fixture(scope="module")
def fast_outputs(tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    """Of all documents that need no slow library."""
    return run_documents(FAST, tmp_path_factory.mktemp("fast"))


@pytest.fixture(scope="module")
def slow_outputs() -> Outputs:
    """Of the others; the first test of a document fills it in."""
    return {}


@pytest.mark.parametrize(("name", "i"), scripts_of(FAST))
def test_example_prints_what_the_text_says(name: str, i: int, fast_outputs: Outputs) -> None:
    printed, error = fast_outputs[name, i]
    assert not error
    assert printed == (TEXTS[name].scripts[i].output or "")


@pytest.mark.parametrize(("name", "i"), scripts_of(SLOW))
def test_slow_example_prints_what_the_text_says(name: str, i: int, slow_outputs: Outputs, tmp_path: Path) -> None:
    if (name, i) not in slow_outputs:
        slow_outputs.update(run_documents([name], tmp_path))
    printed, error = slow_outputs[name, i]
    assert not error
    assert printed == (TEXTS[name].scripts[i].output or "")


@pytest.mark.slow
@pytest.mark.parametrize("block", LAUNCHED)
def test_example_on_several_processes_prints_what_the_text_says(block: Block, tmp_path: Path) -> None:
    assert run_on_processes(block, tmp_path) == block.output


@pytest.mark.parametrize("name", SHELL)
def test_commands_on_the_folders_of_the_demo(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    assert CliRunner().invoke(main, ["demo", "sample"]).exit_code == 0
    for block in filter(lambda block: block.commands, TEXTS[name].blocks):
        commands = [command for command in block.commands if MEANIOU.match(command)]
        ended = [run_command(command) for command in commands]
        if block.output is not None:
            assert "".join(printed for _, printed in ended) == block.output
        fails = block.output is not None and "Error: " in block.output
        assert [status for status, _ in ended] == [2 if fails else 0] * len(ended), ended


def test_every_block_is_run_or_named() -> None:
    for name, document in TEXTS.items():
        fences = re.findall(r"^[ \t>]*(?:```|~~~)", document.text, re.M)
        assert len(fences) == 2 * sum(1 + (block.output is not None) for block in document.blocks), name
        for block in document.blocks:
            where = f"{name}, line {block.line}"
            assert block.language in SHOWN | {"python", "bash"}, where
            assert block.language != "python" or not block.note or block.note in NOT_RUN, where
            assert block.language != "bash" or block.commands, where
            for command in block.commands:
                assert MEANIOU.match(command) or command.startswith(ELSEWHERE), f"{where}: {command}"
            if block.language == "json":
                json.loads(block.text)


# The target of a link: in brackets, perhaps with a title, in a definition such as "[name]: file.md", or in HTML.
LINK = re.compile(r"(?:\]\(\s*<?|^\[[^]]+\]:\s*<?|\b(?:href|src)=\")([^)\s>\"]+)", re.M)


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).lower()).replace(" ", "-")


def dead_links(path: Path, text: str) -> list[str]:
    """The relative links of a text that lead to no file, or to no heading of it."""
    dead = []
    for link in LINK.findall(without_blocks(text)):
        if re.match(r"\w+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists():
            dead.append(link)
        elif anchor:
            linked = text if target == path else target.read_text(encoding="utf-8")
            if anchor not in map(slug, re.findall(r"^#+ (.+)$", without_blocks(linked), re.M)):
                dead.append(link)
    return dead


@pytest.mark.parametrize("path", [*DOCUMENTS, ROOT / ".github" / "CONTRIBUTING.md"], ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    assert dead_links(path, path.read_text(encoding="utf-8")) == []


def test_a_dead_link_is_noticed() -> None:
    text = "# A b\n[x](nowhere.md) [y](#a-b) [z](#b) [w](https://example.com)\n```text\n# B\n```\n"
    assert dead_links(README, text) == ["nowhere.md", "#b"]
    text = '# A\n[a](b.md "title") ![c](<d.png>) [e](\nf.md\n) [g][h] <a href="i.md">j</a>\n\n[h]: k.md\n'
    assert dead_links(README, text) == ["b.md", "d.png", "f.md", "i.md", "k.md"]


def test_blocks_are_read_as_they_stand() -> None:
    text = (
        "```python\na\n```\n\n```text\nb\n```\n\n```text\nc\n```\nx\n```python x y\n# d\n```\nwords\n```text\ne\n```\n"
    )
    read = blocks(text)
    assert [(b.language, b.note, b.output) for b in read] == [
        ("python", "", "b\n"),
        ("text", "", None),
        ("python", "x y", None),
        ("text", "", None),
    ]


def test_a_wrong_example_is_noticed(tmp_path: Path) -> None:
    printed = run_scripts([["x = 1\nprint(x)", "print(x)", "1 / 0"], ["x"]], tmp_path)
    assert [output for output, _ in printed] == ["1\n", "1\n", "", ""]
    assert "ZeroDivisionError" in printed[2][1]
    assert "NameError" in printed[3][1]


def test_the_readme_links_every_guide() -> None:
    linked = set(re.findall(r"\]\(src/meaniou/guides/([\w-]+\.md)", TEXTS["README"].text))
    assert linked == {path.name for path in GUIDES}


def test_demo_command_scores_and_can_be_run_again(tmp_path: Path) -> None:
    ran = CliRunner().invoke(main, ["demo", str(tmp_path / "sample")])
    assert ran.exit_code == 0, ran.stderr
    command, table = ran.stdout.split("\n\n", 1)
    words = shlex.split(command.removeprefix("$ "))
    assert words[1:3] == ["-m", "meaniou"]
    assert CliRunner().invoke(main, words[3:]).stdout == table
    assert "mIoU" in table


def test_every_quoted_message_is_in_the_code() -> None:
    quoted = re.findall(r"^\| `([^`]+)` \|", TEXTS["errors"].text, re.M)
    code = " ".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    code = re.sub(r'"\s+f?"', "", code)  # joins the parts of a sentence that stands in several lines
    assert len(quoted) > 10
    assert [words for words in quoted if words not in code] == []
