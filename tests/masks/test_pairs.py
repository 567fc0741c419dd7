"""Which files of two folders are paired, and the sentences about those that are not."""

import contextlib
import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from meaniou.masks import MaskError, find_masks, find_photos, has_files_ending_in, pair_masks


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((2, 2), np.uint8)).save(path)


def refused(pred: Path, target: Path) -> str:
    with pytest.raises(MaskError) as error:
        pair_masks(pred, target)
    sentence = str(error.value)
    assert sentence.endswith(".")
    assert len(sentence.splitlines()) == 1
    return sentence


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    touch(tmp_path / "pred/b/x.png", tmp_path / "target/b/x.png")
    return tmp_path / "pred", tmp_path / "target"


@pytest.mark.parametrize("side", [0, 1])
def test_what_is_hidden_is_passed_over(sides: tuple[Path, Path], side: int) -> None:
    folder = sides[side]
    touch(folder / "._x.png", folder / "b/._x.png", folder / ".ipynb_checkpoints/x-checkpoint.png", folder / ".b/x.png")
    (folder / ".DS_Store").write_bytes(b"\0")
    (folder / ".loop").symlink_to(folder)
    (folder / ".nothing.png").symlink_to(folder / "nothing")
    assert [pair.name for pair in pair_masks(*sides)] == ["b/x"]
    assert list(find_photos(folder)) == ["b/x"]
    assert not has_files_ending_in(folder, "-checkpoint.png")


def test_a_hidden_folder_that_is_named_is_read(tmp_path: Path) -> None:
    touch(tmp_path / ".cache/pred/x.png", tmp_path / "target/x.png")
    assert len(pair_masks(tmp_path / ".cache/pred", tmp_path / "target")) == 1
    touch(tmp_path / "pred/.x.png")
    with pytest.raises(MaskError, match="pred contains no masks"):
        find_masks(tmp_path / "pred")


def test_three_names_are_listed(sides: tuple[Path, Path]) -> None:
    for i in range(11):
        (sides[0] / f"{i:02d}.png").touch()
        (sides[1] / f"{'n' * 200}{i:02d}.png").touch()
    sentence = refused(*sides)
    assert sentence.count("11 of 12 ") == 2
    assert f"{sides[0] / '02.png'}, ..." in sentence
    assert str(sides[0] / "03.png") not in sentence
    assert len(sentence) < 2000


def test_suffixes_are_a_cure_where_few_names_match(tmp_path: Path) -> None:
    sides = tmp_path / "pred", tmp_path / "target"
    touch(*(sides[0] / f"{i}_p.png" for i in range(3)), *(sides[1] / f"{i}.png" for i in range(3)))
    assert "pass pred_suffix and target_suffix." in refused(*sides)
    with pytest.raises(MaskError, match=r"pass target_suffix\.") as error:
        pair_masks(*sides, pred_suffix=".png")
    assert "pass --target-suffix." in error.value.as_options
    with pytest.raises(MaskError) as error:
        pair_masks(*sides, ".png", ".png")
    assert "_suffix" not in str(error.value).replace(str(tmp_path), "")
    touch(*(sides[0] / f"{i}.png" for i in range(2)))
    assert "_suffix" not in refused(*sides).replace(str(tmp_path), "")
    with pytest.raises(MaskError, match=r"_q.png, only 5 .png files \(0.png, 0_p.png, 1.png, \.\.\.\)"):
        find_masks(sides[0], "_q.png")


def test_names_in_two_forms_of_unicode(sides: tuple[Path, Path]) -> None:
    names = [unicodedata.normalize(form, "Zürich") for form in ("NFC", "NFD")]
    for side, name in zip(sides, names, strict=True):
        (side / f"{name}.png").touch()
    assert "Unicode form (composed, NFC, or decomposed, NFD" in refused(*sides)
    (sides[1] / f"{names[1]}.png").unlink()
    assert "Unicode" not in refused(*sides)


def test_names_of_several_lines(sides: tuple[Path, Path]) -> None:
    with contextlib.suppress(OSError):  # where a name cannot be so
        (sides[0] / "a\n\x1b[31mb.png").touch()
        assert r"a\n\x1b[31mb.png" in refused(*sides)
        (sides[1] / "a\n\x1b[31mb.png").touch()
        assert [pair.name for pair in pair_masks(*sides)] == [r"a\n\x1b[31mb", "b/x"]


def test_links(sides: tuple[Path, Path], tmp_path: Path) -> None:
    (sides[0] / "c").symlink_to(sides[0] / "b")
    assert "the same folder" in refused(*sides)
    (sides[0] / "c").unlink()
    (sides[0] / "c.png").symlink_to(sides[0] / "c.png")
    assert "c.png is not a regular file, or is a broken link" in refused(*sides)
    (sides[0] / "c.png").unlink()
    (sides[0] / "c").symlink_to(sides[0] / "c")  # leads nowhere, and is no mask
    assert len(pair_masks(*sides)) == 1


DEPTH = 1100


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Path]:
    """A folder in a folder, and so on; longer than Python recurses."""
    here = os.open(tmp_path, os.O_RDONLY)
    os.mkdir("deep", dir_fd=here)
    place = os.open("deep", os.O_RDONLY, dir_fd=here)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=place)
        below = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = below
    os.close(os.open("x.png", os.O_CREAT | os.O_WRONLY, dir_fd=place))
    os.close(place)
    yield tmp_path / "deep"
    os.unlink("deep" + "/d" * DEPTH + "/x.png", dir_fd=here)
    for depth in range(DEPTH, -1, -1):
        os.rmdir("deep" + "/d" * depth, dir_fd=here)
    os.close(here)


@pytest.mark.skipif(os.open not in os.supports_dir_fd, reason="no path may be that long")
def test_folders_that_are_deep(deep: Path) -> None:
    assert [pair.name for pair in pair_masks(deep, deep)] == ["d/" * DEPTH + "x"]
