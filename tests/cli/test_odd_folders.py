"""Odd things in a folder of masks, and Ctrl-C while it is read."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.command import invoke

MAP = np.arange(35, dtype=np.uint8).reshape(5, 7)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of one mask each."""
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        Image.fromarray(MAP).save(tmp_path / side / "a.png")
    return tmp_path / "pred", tmp_path / "target"


def a_folder_in_itself(pred: Path, _: Path) -> None:
    (pred / "below").symlink_to(pred)


def a_link_to_itself(pred: Path, _: Path) -> None:
    (pred / "b.png").symlink_to(pred / "b.png")


def a_file_that_may_not_be_read(pred: Path, target: Path) -> None:
    for side in (pred, target):
        (side / "b.png").write_bytes((side / "a.png").read_bytes())
    (pred / "b.png").chmod(0)
    if os.access(pred / "b.png", os.R_OK):
        pytest.skip("this user may read everything")


def assert_refused(status: int, stdout: str, stderr: str) -> None:
    assert (status, stdout) == (2, "")
    assert stderr.startswith("Error: ")
    assert len(stderr.splitlines()) == 1
    assert "Traceback" not in stderr


@pytest.mark.parametrize("add", [a_folder_in_itself, a_link_to_itself, a_file_that_may_not_be_read])
def test_odd_things_in_a_folder_are_refused(sides: tuple[Path, Path], add: object) -> None:
    add(*sides)
    ran = invoke(*sides, "--num-classes", 35)
    assert_refused(ran.exit_code, ran.stdout, ran.stderr)


def test_a_folder_by_the_name_of_a_mask_is_nothing(sides: tuple[Path, Path]) -> None:
    (sides[0] / "b.png").mkdir()
    assert invoke(*sides, "--num-classes", 35).exit_code == 0


@pytest.mark.slow
def test_a_pipe_is_not_waited_for(sides: tuple[Path, Path]) -> None:
    """A process of its own, which can be ended where it waits."""
    os.mkfifo(sides[0] / "b.png")
    words = [sys.executable, "-m", "meaniou", *map(str, sides), "--num-classes", "35"]
    ran = subprocess.run(words, capture_output=True, text=True, check=False, timeout=600)
    assert_refused(ran.returncode, ran.stdout, ran.stderr)


INTERRUPTED = """
import os, signal, sys
from meaniou.__main__ import main

def interrupt(event, args, done=[]):
    if event == "open" and str(args[0]).endswith("60.png") and not done:
        done.append(True)
        os.kill(os.getpid(), signal.SIGINT)

sys.addaudithook(interrupt)
main()
"""


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """A real signal to a real process, while it reads."""
    some = np.random.default_rng(0).integers(0, 9, (20, 20), dtype=np.uint8)
    for side in ("pred", "target"):
        (tmp_path / side).mkdir()
        Image.fromarray(some).save(tmp_path / side / "0.png")
        for i in range(1, 120):
            (tmp_path / side / f"{i}.png").symlink_to(tmp_path / side / "0.png")
    words = [str(tmp_path / "pred"), str(tmp_path / "target"), "--num-classes", "9", "--output", str(tmp_path / "out")]
    words += ["--html", str(tmp_path / "page"), "--overlay", str(tmp_path / "over"), "--jobs", "1"]
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell ignores it in what it starts by &
    )
    out, printed = process.communicate(timeout=600)
    assert (process.returncode, out) == (130, "")
    assert printed == "Interrupted; nothing was written.\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pred", "target"]
