"""Folders of masks or images -> the files of each image, paired by their names."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from meaniou._util import listed, visible
from meaniou.masks.errors import MaskError, reason
from meaniou.masks.formats import SUFFIXES


@dataclass(frozen=True)
class Pair:
    """The two files of one image, and the name that they share: the path below the folder, without the suffix."""

    name: str
    pred: Path
    target: Path


def pairs(pred: Path, target: Path, pred_suffix: str = "", target_suffix: str = "", key: str = "") -> list[Pair]:
    """Pairs the masks of two folders by relative path and stem, in the order of their names.

    A suffix is the end of the file names that count, such as ``"_gtFine_labelIds.png"`` or ``"_pred"``; it is no part
    of the name, and other files are left out. A ``key`` is a pattern for the part of a file name that names the image,
    whatever its folder; a name without it is taken whole.

    Raises:
        MaskError: if a folder is missing, cannot be listed, holds no masks, holds a name twice, or holds a mask without
            a partner.
    """
    found = {"prediction": named(pred, pred_suffix, key), "truth": named(target, target_suffix, key)}
    other = {"prediction": "truth", "truth": "prediction"}
    alone = {kind: sorted(found[kind].keys() - found[other[kind]].keys()) for kind in found}
    if any(alone.values()):
        facts = [
            f"{len(names)} of {len(found[kind])} {kind} masks have no {other[kind]} of the same name: "
            + listed(found[kind][name] for name in names)
            for kind, names in alone.items()
            if names
        ]
        raise MaskError(f"{'; '.join(facts)}; {_cure(found['prediction'], found['truth'], alone)}.")
    return [Pair(name, path, found["truth"][name]) for name, path in sorted(found["prediction"].items())]


def _cure(pred: Iterable[str], target: Iterable[str], alone: Mapping[str, list[str]]) -> str:
    """What to do about names that are in one folder alone."""
    if {Path(name).name for name in pred} == {Path(name).name for name in target}:
        return "the file names agree but their subfolders do not, so put both into the same subfolders"
    forms = [{unicodedata.normalize("NFC", name) for name in names} for names in alone.values()]
    if forms[0] & forms[1]:
        return (
            "names that look alike are in different Unicode forms (composed, NFC, and decomposed, NFD, as macOS writes "
            "them), so rename those of one folder"
        )
    return "add the partners, remove these, or name the ends that differ by --pred-suffix and --target-suffix"


def named(folder: Path, suffix: str = "", key: str = "", kinds: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """The files of a folder by the names of their images, as ``pairs`` has them; of other kinds than masks too.

    Raises:
        MaskError: if the folder is missing, cannot be listed, holds none of them, or one name twice.
    """
    what = "mask" if kinds is SUFFIXES else "image"
    _check(folder, what, kinds)
    found: dict[str, Path] = {}
    others: Counter[str] = Counter()
    for relative, entry in _files(folder):
        path = Path(entry.path)
        stem = PurePosixPath(relative).with_suffix("").as_posix()
        ending = next((end for end in (path.suffix, "") if f"{stem}{end}".endswith(suffix)), None)
        if path.suffix.lower() not in kinds or ending is None:
            others[path.suffix or path.name] += 1
            continue
        name = f"{stem}{ending}".removesuffix(suffix) if suffix else stem
        if key and (image := re.search(key, path.name)):
            name = image[0]
        name = visible(name)
        if not _is(entry.is_file):
            raise MaskError(f"{path} is no file that can be read; expected one {what}, so remove it or fix the link.")
        if name in found:
            cures = (
                "name the end that counts by --pred-suffix or --target-suffix, or swap the folders, if the prediction "
                "does not come first"
                if what == "mask"
                else "or name the end that counts by --photo-suffix"
            )
            raise MaskError(
                f"{found[name]} and {path} are of one image by their names; expected one {what} for each, so remove "
                f"one, {cures}."
            )
        found[name] = path
    if not found:
        held = listed(f"{number} {kind}" for kind, number in others.most_common(3))
        state = f"holds no {what} but {held}" if held else "holds no file"
        wanted = f"files that end in {suffix}" if suffix else f"one {what} for each image ({', '.join(kinds)})"
        raise MaskError(
            f"{folder} {state}; expected {wanted}, so check the path and the {'suffix' if suffix else 'format'}."
        )
    return found


def holds(folder: Path, suffix: str) -> bool:
    """Whether the names of files in a folder, or below it, end so; raises ``MaskError`` if it cannot be listed."""
    _check(folder)
    return any(relative.endswith(suffix) for relative, _ in _files(folder))


def _check(folder: Path, what: str = "mask", kinds: tuple[str, ...] = SUFFIXES) -> None:
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise MaskError(f"{folder} {state}; expected a folder of {what}s ({', '.join(kinds)}), so check the path.")


def _files(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below a folder, with their paths in it, through links too, by name, but for what is hidden.

    Raises:
        MaskError: if a folder cannot be listed, or a link leads back.
    """
    seen: dict[tuple[int, int], str] = {}
    waiting = [""]
    while waiting:
        below = waiting.pop()
        path = os.path.join(folder, below)  # noqa: PTH118, whose parts would be taken apart once for each level
        try:
            status = os.stat(path)  # noqa: PTH116
            with os.scandir(path) as listing:
                entries = sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            raise MaskError(
                f"{path} cannot be listed ({reason(error)}); expected a folder that can be read."
            ) from error
        if (real := (status.st_dev, status.st_ino)) in seen:
            raise MaskError(f"{path} and {seen[real]} are the same folder; expected each once, so remove the link.")
        seen[real] = path
        folders = []
        for entry in entries:
            if _is(entry.is_dir):
                folders.append(f"{below}{entry.name}/")
            else:
                yield f"{below}{entry.name}", entry
        waiting += reversed(folders)


def _is(kind: Callable[[], bool]) -> bool:
    """Whether an entry of a folder is of a kind; not if it is a link in a circle."""
    try:
        return kind()
    except OSError:
        return False
