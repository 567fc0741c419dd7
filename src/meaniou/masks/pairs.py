"""The masks and photos in folders, and the pairs of masks that belong to one image by their names."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from meaniou._util import join_names, printable
from meaniou.masks.errors import MaskError, reason
from meaniou.masks.formats import SUFFIXES
from meaniou.masks.photos import PHOTOS


@dataclass(frozen=True)
class Pair:
    """The two files of one image, and the name that they share: the path below the folder, without the suffix."""

    name: str
    pred: Path
    target: Path


@dataclass(frozen=True)
class Kind:
    """A kind of file that is searched for: the word for it in errors, the suffixes of its files, and a cure."""

    word: str
    suffixes: tuple[str, ...]
    cure: str  # where two files have the name of one image


MASKS = Kind(
    "mask",
    SUFFIXES,
    "name the end that counts by --pred-suffix or --target-suffix, or swap the folders, if the prediction does not "
    "come first",
)
IMAGES = Kind("image", PHOTOS, "or name the end that counts by --photo-suffix")


def pair_masks(pred: Path, target: Path, pred_suffix: str = "", target_suffix: str = "", key: str = "") -> list[Pair]:
    """Pairs the masks of two folders by relative path and stem, in the order of their names.

    A suffix is the end of the file names that count, such as ``"_gtFine_labelIds.png"`` or ``"_pred"``; it is no part
    of the name, and other files are left out. A ``key`` is a pattern for the part of a file name that names the image,
    whatever its folder; a name without it is taken whole.

    Raises:
        MaskError: if a folder is missing, cannot be listed, holds no masks, holds a name twice, or holds a mask without
            a partner.
    """
    masks = {"prediction": find_masks(pred, pred_suffix, key), "truth": find_masks(target, target_suffix, key)}
    preds, targets = masks.values()
    unpaired = {"prediction": sorted(preds.keys() - targets.keys()), "truth": sorted(targets.keys() - preds.keys())}
    facts = [
        f"{len(names)} of {len(masks[kind])} {kind} masks have no {other} of the same name: "
        + join_names(masks[kind][name] for name in names)
        for (kind, names), other in zip(unpaired.items(), reversed(masks), strict=True)
        if names
    ]
    if facts:
        raise MaskError(f"{'; '.join(facts)}; {_cure(preds, targets, unpaired.values())}.")
    return [Pair(name, path, targets[name]) for name, path in sorted(preds.items())]


def _cure(preds: Iterable[str], targets: Iterable[str], unpaired: Iterable[Iterable[str]]) -> str:
    """What to do about names that are in one folder alone."""
    if {Path(name).name for name in preds} == {Path(name).name for name in targets}:
        return "the file names agree but their subfolders do not, so put both into the same subfolders"
    of_preds, of_targets = ({unicodedata.normalize("NFC", name) for name in names} for names in unpaired)
    if of_preds & of_targets:
        return (
            "names that look alike are in different Unicode forms (composed, NFC, and decomposed, NFD, as macOS writes "
            "them), so rename those of one folder"
        )
    return "add the partners, remove these, or name the ends that differ by --pred-suffix and --target-suffix"


def find_masks(folder: Path, suffix: str = "", key: str = "") -> dict[str, Path]:
    """The masks in a folder by the names of their images; ``suffix`` and ``key`` as for ``pair_masks``.

    Raises:
        MaskError: if the folder is missing, cannot be listed, holds no masks, or one name twice.
    """
    return _find(folder, suffix, key, MASKS)


def find_photos(folder: Path, suffix: str = "", key: str = "") -> dict[str, Path]:
    """The photos in a folder by the same names as the masks of ``find_masks``, which says what it raises."""
    return _find(folder, suffix, key, IMAGES)


def _find(folder: Path, suffix: str, key: str, kind: Kind) -> dict[str, Path]:
    _check_folder(folder, kind)
    paths: dict[str, Path] = {}
    skipped: Counter[str] = Counter()
    for relative, entry in _files(folder):
        path = Path(entry.path)
        name = image_name(relative, suffix, key) if path.suffix.lower() in kind.suffixes else None
        if name is None:
            skipped[path.suffix or path.name] += 1
            continue
        if not _is(entry.is_file):
            raise MaskError(
                f"{path} is no file that can be read; expected one {kind.word}, so remove it or fix the link."
            )
        if name in paths:
            raise MaskError(
                f"{paths[name]} and {path} are of one image by their names; expected one {kind.word} for each, so "
                f"remove one, {kind.cure}."
            )
        paths[name] = path
    if not paths:
        raise MaskError(_why_none(folder, suffix, kind, skipped))
    return paths


def image_name(relative: str, suffix: str = "", key: str = "") -> str | None:
    """The name of the image that a file belongs to, by its path in the folder; ``None`` if it ends otherwise.

    >>> image_name("bonn/b_1_pred.png")
    'bonn/b_1_pred'
    >>> image_name("bonn/b_1_pred.png", "_pred.png"), image_name("bonn/b_1_pred.png", "_pred")
    ('bonn/b_1', 'bonn/b_1')
    >>> image_name("bonn/b_1_color.png", "_pred")
    >>> image_name("bonn/b_1_pred.png", key=r"b_\\d")
    'b_1'
    """
    path = PurePosixPath(relative)
    stem = path.with_suffix("").as_posix()
    if not suffix:
        name = stem
    elif relative.endswith(suffix):
        name = relative.removesuffix(suffix)
    elif stem.endswith(suffix):
        name = stem.removesuffix(suffix)
    else:
        return None
    if key and (match := re.search(key, path.name)):
        name = match[0]
    return printable(name)


def _why_none(folder: Path, suffix: str, kind: Kind, skipped: Counter[str]) -> str:
    """The sentence about a folder that holds nothing of a kind."""
    others = join_names(f"{number} {ending}" for ending, number in skipped.most_common(3))
    state = f"holds no {kind.word} but {others}" if others else "holds no file"
    if suffix:
        return f"{folder} {state}; expected files that end in {suffix}, so check the path and the suffix."
    return (
        f"{folder} {state}; expected one {kind.word} for each image ({', '.join(kind.suffixes)}), so check the path "
        "and the format."
    )


def has_files_ending_in(folder: Path, suffix: str) -> bool:
    """Whether the names of files in a folder, or below it, end so; raises ``MaskError`` if it cannot be listed."""
    _check_folder(folder, MASKS)
    return any(relative.endswith(suffix) for relative, _ in _files(folder))


def _check_folder(folder: Path, kind: Kind) -> None:
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise MaskError(
            f"{folder} {state}; expected a folder of {kind.word}s ({', '.join(kind.suffixes)}), so check the path."
        )


def _files(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below a folder except hidden ones, sorted, with their paths in it; links are followed.

    Raises:
        MaskError: if a folder cannot be listed, or a link leads back.
    """
    seen: dict[tuple[int, int], str] = {}
    pending = [""]
    while pending:
        below = pending.pop()
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
        pending += reversed(folders)


def _is(kind: Callable[[], bool]) -> bool:
    """Whether an entry of a folder is of a kind; not if it is a link in a circle."""
    try:
        return kind()
    except OSError:
        return False
