"""The README and the guides as lists of blocks, and a runner for their examples."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

from meaniou.cli.commands import main
from support import launch

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
GUIDES = sorted((ROOT / "src" / "meaniou" / "guides").glob("*.md"))
DOCUMENTS = [README, *GUIDES]

# Runs lists of blocks of code, each list in a namespace of its own, and prints as JSON what each block printed.
RUNNER = """
import contextlib, io, json, sys, traceback

outputs = []
for blocks in json.load(sys.stdin):
    names = {"__name__": "__main__"}
    for code in blocks:
        printed, error = io.StringIO(), ""
        with contextlib.redirect_stdout(printed):
            try:
                exec(compile(code, "example", "exec"), names)
            except BaseException:
                error = traceback.format_exc()
        outputs.append([printed.getvalue(), error])
print(json.dumps(outputs))
"""
MEANIOU = re.compile(r"(\.venv/bin/python -m )?meaniou ")
TORCHRUN = re.compile(r"# torchrun --nproc-per-node (\d+) ")


@dataclass
class Block:
    """A fenced block of a document.

    Attributes:
        language: the first word after the fence; ``note`` has the others.
        line: the line of the fence, from 1.
        output: the text block right after it, which holds what it prints; ``None`` where there is none.
    """

    language: str
    note: str
    text: str
    line: int
    output: str | None = None

    @property
    def processes(self) -> int | None:
        """The number of processes that the first line asks for, as in ``# torchrun --nproc-per-node 2 example.py``."""
        match = TORCHRUN.match(self.text)
        return int(match[1]) if match and self.language == "python" else None

    @property
    def commands(self) -> list[str]:
        """The commands of a bash block, lines that end with a backslash joined."""
        lines = self.text.replace("\\\n", " ").splitlines() if self.language == "bash" else []
        return [line for line in lines if line.strip() and not line.startswith("#")]


@dataclass
class Document:
    """A Markdown file: its text, and its fenced blocks."""

    path: Path
    text: str = field(init=False)
    blocks: list[Block] = field(init=False)

    def __post_init__(self) -> None:
        self.text = self.path.read_text(encoding="utf-8")
        self.blocks = blocks(self.text)

    @property
    def scripts(self) -> list[Block]:
        """The blocks of Python that run in one process, in order."""
        return [b for b in self.blocks if b.language == "python" and not b.note and b.processes is None]

    def section(self, heading: str) -> str:
        """The text under a heading of the second level."""
        return self.text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def guide(name: str) -> Document:
    """The guide of this name."""
    return Document(README.parent / "src" / "meaniou" / "guides" / f"{name}.md")


def without_blocks(text: str) -> str:
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```\n", "", text, flags=re.M | re.S)


def blocks(text: str) -> list[Block]:
    """The fenced blocks of a Markdown text; a ``text`` block right after another is the output of that one."""
    result: list[Block] = []
    before = -1  # where the block ends that may have an output
    for match in re.finditer(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```\n", text, re.M | re.S):
        language, note, body = match[1], match[2] or "", match[3]
        if language == "text" and before >= 0 and not text[before : match.start()].strip():
            result[-1].output = body
            before = -1
        else:
            result.append(Block(language, note, body, text.count("\n", 0, match.start()) + 1))
            before = match.end() if language in ("python", "bash") else -1
    return result


def run(command: list[str], folder: Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Runs a command in a folder, without threads that would fight for the cores, a screen or a network.

    Libraries that keep files in the home folder keep them in ``folder`` / ``.home`` instead.
    """
    environment = os.environ | {
        "OMP_NUM_THREADS": "1",
        "PYTHONWARNINGS": "default",
        "MPLBACKEND": "agg",
        "DO_NOT_TRACK": "true",  # mlflow
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(folder / ".home"),
        "WANDB_CACHE_DIR": str(folder / ".home"),
        "WANDB_CONFIG_DIR": str(folder / ".home"),
        "WANDB_DATA_DIR": str(folder / ".home"),
    }
    return subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, timeout=600, check=False
    )


def run_scripts(namespaces: list[list[str]], folder: Path) -> list[tuple[str, str]]:
    """What each block of code prints, and its traceback if it fails; the blocks of one list share their names."""
    ended = run([sys.executable, "-c", RUNNER], folder, json.dumps(namespaces))
    assert ended.returncode == 0, ended.stderr
    return [(printed, error) for printed, error in json.loads(ended.stdout.splitlines()[-1])]


def run_on_processes(block: Block, folder: Path) -> str:
    """What a block prints that asks for several processes."""
    script = folder / "example.py"
    script.write_text(block.text, encoding="utf-8")
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(block.processes)]
    ended = run([*torchrun, launch.__file__, str(script)], folder)
    assert ended.returncode == 0, ended.stderr
    # torch 2.8 prints how gloo connects its ranks.
    return re.sub(r"^.*(\[Gloo\] Rank|connected to \d+ peer ranks).*\n", "", ended.stdout, flags=re.M)


def run_command(command: str) -> tuple[int, str]:
    """The exit status of a ``meaniou`` command, and what it prints on both streams, in the working directory."""
    ended = CliRunner().invoke(main, shlex.split(MEANIOU.sub("", command, count=1)))
    return ended.exit_code, ended.output
