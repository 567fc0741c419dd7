"""The command under torchrun: shares of files, the same bytes as one process, and one error for all."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support import launch

from meaniou.cli import demo, main
from meaniou.cli.workers import FAILED, StoppedError, Workers

OPTIONS = ["--num-classes", "9", "--ignore-index", "255"]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("masks")
    return demo.write(folder, 3)


def torchrun(processes: int, *words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--master-port", "0"]
    command += ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", launch.__file__, "-m", "meaniou"]
    return subprocess.run([*command, *map(str, words)], capture_output=True, text=True, check=False)


def alone(*words: object) -> Result:
    ran = CliRunner().invoke(main, [str(word) for word in words])
    assert ran.exit_code == 0, ran.output
    return ran


def outputs(folder: Path) -> list[object]:
    folder.mkdir()
    names = ("image-scores", "save", "html", "output")
    return [word for name in names for word in (f"--{name}", folder / name)] + ["--overlay", folder / "over"]


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])  # 2 and 1 files, and a process without one
def test_the_same_bytes_as_one_process(folders: tuple[Path, Path], tmp_path: Path, processes: int) -> None:
    asked = [*folders, *OPTIONS, "--ci", "--list-worst", 2, "--format", "json"]
    one = alone(*asked, *outputs(tmp_path / "one"))
    many = torchrun(processes, *asked, *outputs(tmp_path / "many"))
    assert many.returncode == 0, many.stderr
    assert many.stdout.endswith(one.stdout)  # torch 2.8 prints before it how the ranks are connected
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*"))
    assert sorted(path.relative_to(tmp_path / "many") for path in (tmp_path / "many").rglob("*")) == files
    for file in files:
        if (tmp_path / "one" / file).is_file():
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "many" / file).read_bytes(), file


@pytest.mark.slow
def test_two_commands_that_count_and_those_that_do_not(folders: tuple[Path, Path], tmp_path: Path) -> None:
    words = ["compare", folders[0], folders[1], folders[1], *OPTIONS]
    assert torchrun(2, *words).stdout.endswith(alone(*words).stdout)
    alone(*folders, *OPTIONS, "--save", tmp_path / "saved")
    for words in (["merge", tmp_path / "saved"], ["compare", tmp_path / "saved", tmp_path / "saved"]):
        ran = torchrun(2, *words)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout == alone(*words).stdout


@pytest.mark.slow
@pytest.mark.parametrize("bad", [0, 1, 2])
def test_a_bad_file_in_one_share_ends_all_with_its_error(folders: tuple[Path, Path], tmp_path: Path, bad: int) -> None:
    pred, target = demo.write(tmp_path / "masks", 3)
    np.save(pred / "x.npy", np.zeros(3))
    (pred / "x.npy").rename(sorted(pred.glob("*.png"))[bad])
    ran = torchrun(2, pred, target, *OPTIONS, "--output", tmp_path / "report")
    assert ran.returncode != 0
    assert ran.stderr.count(f"scene_00{bad}.png holds float64") == 1
    assert "Error: " in ran.stderr
    assert "exitcode  : 2" in ran.stderr
    assert "IoU" not in ran.stdout
    assert not (tmp_path / "report").exists()


@pytest.mark.slow
def test_a_bad_setting_is_said_once(folders: tuple[Path, Path]) -> None:
    ran = torchrun(2, *folders)
    assert ran.returncode != 0
    assert ran.stderr.count("The number of classes is not known") == 1


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
    class Store(dict[str, str]):
        set = dict.__setitem__

        def check(self, keys: list[str]) -> bool:
            return all(key in self for key in keys)

    store = Store()
    workers = Workers(0, 1, store)
    workers.stop_if_one_failed()
    store.set(FAILED, "1")
    with pytest.raises(StoppedError):
        workers.stop_if_one_failed()
