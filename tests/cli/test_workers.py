"""The command under torchrun: shares of files, the same bytes as one process, and one error for all.

Real processes are started twice. All else runs in this process, one rank after the other.
"""

import itertools
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch.distributed as dist
from click.testing import Result
from support import launch
from support.command import invoke

from meaniou import IoUCurve, MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU
from meaniou.cli import workers
from meaniou.cli.commands import demo
from meaniou.cli.workers import FAILED, StoppedError, Workers, default_reader_threads

OPTIONS = ["--num-classes", "9", "--ignore-index", "255"]
IMAGES = 3


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return demo.write(tmp_path_factory.mktemp("masks"), IMAGES)


def torchrun(processes: int, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", "0"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", launch.__file__, "-m", "meaniou"]
    return subprocess.run([*command, *map(str, words)], capture_output=True, text=True, check=False)


def alone(*words: object) -> Result:
    ran = invoke(*words)
    assert ran.exit_code == 0, ran.output
    return ran


class Ranks:
    """Runs a command as each of several ranks in turn; what they would exchange is kept for those that come later."""

    def __init__(self, patch: pytest.MonkeyPatch, size: int, words: Iterable[object]) -> None:
        self.patch, self.size, self.words = patch, size, list(words)
        self.store = dist.HashStore()
        self.gathered: defaultdict[int, list[Any]] = defaultdict(lambda: [None] * size)
        self.metrics: defaultdict[int, list[MeanIoU]] = defaultdict(list)
        self.connected: list[int] = []

    def run(self, rank: int) -> Result:
        gathers, syncs = itertools.count(), itertools.count()

        def all_gather_object(objects: list[Any], own: object) -> None:
            values = self.gathered[next(gathers)]
            values[rank] = own
            objects[:] = values

        def sync(metric: MeanIoU, **of_compute: object) -> None:
            if of_compute:  # as it does where the metric is synced already
                return
            others = self.metrics[next(syncs)]
            if rank:
                others.append(metric)
            else:
                for other in others:
                    metric.merge_state(other)

        with self.patch.context() as patched:
            for name, value in (("RANK", rank), ("WORLD_SIZE", self.size), ("LOCAL_WORLD_SIZE", self.size)):
                patched.setenv(name, str(value))
            patched.setattr(dist, "is_torchelastic_launched", lambda: True)
            patched.setattr(workers, "rendezvous", lambda _: iter([(self.store, rank, self.size)]))
            patched.setattr(dist, "init_process_group", lambda *_, rank, **__: self.connected.append(rank))
            patched.setattr(dist, "destroy_process_group", self.connected.pop)
            patched.setattr(dist, "all_gather_object", all_gather_object)
            for kind in (MeanIoU, MultilabelMeanIoU, IoUCurve, MeanBoundaryIoU):
                patched.setattr(kind, "sync", sync)
            ran = invoke(*self.words)
        assert self.connected == []
        return ran


def as_ranks(patch: pytest.MonkeyPatch, size: int, *words: object) -> Result:
    """What the first of several ranks says, after the others, which say nothing."""
    ranks = Ranks(patch, size, words)
    for rank in range(size - 1, 0, -1):
        ran = ranks.run(rank)
        assert (ran.exit_code, ran.output) == (0, ""), ran.output
    return ranks.run(0)


def outputs(folder: Path) -> list[object]:
    folder.mkdir()
    names = ("image-scores", "save", "html", "output")
    return [word for name in names for word in (f"--{name}", folder / name)] + ["--overlay", folder / "over"]


def assert_same_files(a: Path, b: Path) -> None:
    files = sorted(path.relative_to(a) for path in a.rglob("*"))
    assert sorted(path.relative_to(b) for path in b.rglob("*")) == files
    assert len(files) > IMAGES
    for file in files:
        if (a / file).is_file():
            assert (a / file).read_bytes() == (b / file).read_bytes(), file


def spoil(folder: Path, number: int) -> tuple[Path, Path]:
    """Folders of masks in which one prediction holds fractions."""
    pred, target = demo.write(folder, IMAGES)
    np.save(pred / "x.npy", np.zeros(3))
    (pred / "x.npy").rename(sorted(pred.glob("*.png"))[number])
    return pred, target


@pytest.mark.slow
def test_torchrun_writes_the_same_bytes_as_one_process(folders: tuple[Path, Path], tmp_path: Path) -> None:
    words = [*folders, *OPTIONS, "--ci", "--list-worst", 2, "--format", "json"]
    one = alone(*words, *outputs(tmp_path / "one"))
    many = torchrun(2, *words, *outputs(tmp_path / "many"))
    assert many.returncode == 0, many.stderr
    assert many.stdout.endswith(one.stdout)  # torch 2.8 prints before it how the ranks are connected
    assert_same_files(tmp_path / "one", tmp_path / "many")


@pytest.mark.slow
def test_torchrun_scores_labels_that_overlap(folders: tuple[Path, Path], tmp_path: Path) -> None:
    labels = folders[0].parent / "labels"
    words = [labels / "pred", labels / "target", "--multilabel", "--ignore-index", 255, "--format", "json"]
    for more in (["--ci"], ["--curve"]):
        one = alone(*words, *more, "--save", tmp_path / "one")
        many = torchrun(2, *words, *more, "--save", tmp_path / "many")
        assert many.returncode == 0, many.stderr
        assert many.stdout.endswith(one.stdout)
        assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()


@pytest.mark.slow
def test_torchrun_counts_bands(folders: tuple[Path, Path], tmp_path: Path) -> None:
    words = [*folders, *OPTIONS, "--boundary", "0.02", "--boundary", 2, "--format", "json"]
    one = alone(*words, "--save-boundary", tmp_path / "one")
    many = torchrun(2, *words, "--save-boundary", tmp_path / "many")
    assert many.returncode == 0, many.stderr
    assert many.stdout.endswith(one.stdout)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "many").read_bytes()


@pytest.mark.slow
def test_torchrun_ends_with_the_error_of_one_process(tmp_path: Path) -> None:
    """Only the second process has the bad file."""
    ran = torchrun(2, *spoil(tmp_path / "masks", 1), *OPTIONS, "--output", tmp_path / "report")
    assert ran.returncode != 0
    assert ran.stderr.count("scene_001.png holds an array") == 1
    assert "Error: " in ran.stderr
    assert "exitcode  : 2" in ran.stderr
    assert "IoU" not in ran.stdout
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize("size", [2, 4])  # 2 and 1 files, and a process without one
def test_the_same_bytes_as_one_process(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    words = [*folders, *OPTIONS, "--ci", "--list-worst", 2, "--format", "json"]
    one = alone(*words, *outputs(tmp_path / "one"))
    many = as_ranks(monkeypatch, size, *words, *outputs(tmp_path / "many"))
    assert (many.exit_code, many.stdout) == (0, one.stdout), many.output
    assert_same_files(tmp_path / "one", tmp_path / "many")


@pytest.mark.parametrize("words", [["--ci", "--list-worst", 2], ["--curve"], ["--class-names", "NAMES"]])
@pytest.mark.parametrize("size", [2, 4])
def test_labels_that_overlap_as_in_one_process(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, words: list[object]
) -> None:
    labels = folders[0].parent / "labels"
    words = [labels / "names.txt" if word == "NAMES" else word for word in words]
    words = [labels / "pred", labels / "target", "--multilabel", "--ignore-index", 255, *words]
    one = alone(*words, "--save", tmp_path / "save1", "--output", tmp_path / "output1")
    files = ["--save", tmp_path / f"save{size}", "--output", tmp_path / f"output{size}"]
    many = as_ranks(monkeypatch, size, *words, *files)
    assert (many.exit_code, many.stdout) == (0, one.stdout), many.output
    for name in ("save", "output"):
        assert (tmp_path / f"{name}1").read_bytes() == (tmp_path / f"{name}{size}").read_bytes()


@pytest.mark.parametrize("size", [2, 4])
def test_bands_as_in_one_process(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    words: list[object] = [*folders, *OPTIONS, "--boundary", "0.02", "--boundary", 2, "--format", "json"]
    one = alone(*words, "--save-boundary", tmp_path / "bands1")
    many = as_ranks(monkeypatch, size, *words, "--save-boundary", tmp_path / "bands")
    assert (many.exit_code, many.stdout) == (0, one.stdout), many.output
    assert (tmp_path / "bands").read_bytes() == (tmp_path / "bands1").read_bytes()
    words = ["compare", folders[0], *folders, *OPTIONS, "--boundary", 2]
    assert as_ranks(monkeypatch, size, *words).stdout == alone(*words).stdout


def test_warnings_of_all_processes_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    demo.write(tmp_path, IMAGES)
    labels = tmp_path / "labels"
    for path in sorted((labels / "pred").iterdir())[1:]:  # the first process has the first file and the third
        np.save(path, 8 * np.load(path) - 4)
    words = [labels / "pred", labels / "target", "--multilabel", "--ignore-index", 255]
    many = as_ranks(monkeypatch, 2, *words)
    assert many.stderr == alone(*words).stderr
    assert many.stderr.startswith(f"Warning: {labels / 'pred' / 'scene_001.npy'} holds scores from -4")
    assert many.stderr.endswith(" 1 more file has such a warning.\n")
    assert len(many.stderr.splitlines()) == 1


@pytest.mark.parametrize("bad", [0, 1])
def test_a_bad_stack_in_one_share_ends_all_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    demo.write(tmp_path, IMAGES)
    labels = tmp_path / "labels"
    path = labels / "target" / f"scene_00{bad}.npy"
    np.save(path, np.full_like(np.load(path), 7))
    words = [labels / "pred", labels / "target", "--multilabel", "--save", tmp_path / "saved"]
    ranks = Ranks(monkeypatch, 2, words)
    ends = {rank: ranks.run(rank) for rank in (bad, 1 - bad)}
    assert [ran.exit_code for ran in ends.values()] == [2, 2]
    assert ends[1].output == ""
    assert ends[0].stderr.count(f"Error: {path} holds 8,192 pixels of label 0") == 1
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("size", [2, 4])
def test_two_commands_that_count_and_those_that_do_not(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    alone(*folders, *OPTIONS, "--save", tmp_path / "saved")
    for words in (
        ["compare", folders[0], folders[1], folders[1], *OPTIONS],
        ["merge", tmp_path / "saved"],
        ["compare", tmp_path / "saved", tmp_path / "saved"],
    ):
        ran = as_ranks(monkeypatch, size, *words)
        assert (ran.exit_code, ran.stdout) == (0, alone(*words).stdout), ran.output


@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_bad_file_in_one_share_ends_all_with_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: int
) -> None:
    """The rank that has it comes first, so that the other can hear of it."""
    ranks = Ranks(monkeypatch, 2, [*spoil(tmp_path / "masks", bad), *OPTIONS, "--output", tmp_path / "report"])
    ends = {rank: ranks.run(rank) for rank in (bad % 2, 1 - bad % 2)}
    assert [ran.exit_code for ran in ends.values()] == [2, 2]
    assert ends[1].output == ""
    assert ends[0].stdout == ""
    assert ends[0].stderr.startswith("Error: ")
    assert ends[0].stderr.count(f"scene_00{bad}.png holds an array") == 1
    assert len(ends[0].stderr.splitlines()) == 1
    assert not (tmp_path / "report").exists()


def test_a_bad_setting_is_said_once(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = Ranks(monkeypatch, 2, folders)
    ends = [ranks.run(rank) for rank in (1, 0)]
    assert [ran.exit_code for ran in ends] == [2, 2]
    assert ends[0].output == ""
    assert ends[1].stderr.count("The number of classes is missing") == 1


def test_a_bad_option_is_said_once(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    ranks = Ranks(monkeypatch, 2, [*folders, "--num-clases", 9])
    ends = [ranks.run(rank) for rank in (1, 0)]
    assert [ran.exit_code for ran in ends] == [2, 2]
    assert ends[0].output == ""
    assert "'--num-classes'" in ends[1].stderr


def test_reader_threads_share_the_cores_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 12)
    assert default_reader_threads() == 8
    monkeypatch.setattr(dist, "is_torchelastic_launched", lambda: True)
    for processes, threads in (("2", 6), ("5", 2), ("24", 1)):
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
        assert default_reader_threads() == threads


def test_shares_hold_every_item_once() -> None:
    items = list(range(11))
    for size in (1, 2, 5, 20):
        shares = [Workers(rank, size).share(items) for rank in range(size)]
        assert sorted(item for share in shares for item in share) == items
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_a_process_alone_raises_its_own_error() -> None:
    def bad() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        Workers().run_on_all_or_fail(bad)
    assert Workers().run_on_all_or_fail(lambda: 3) == 3
    Workers().stop_if_one_failed()


def test_others_stop_once_one_has_failed() -> None:
    store = dist.HashStore()
    worker = Workers(0, 1, store)
    worker.stop_if_one_failed()
    store.set(FAILED, "1")
    with pytest.raises(StoppedError):
        worker.stop_if_one_failed()
