"""Finds the masks and photos in folders, and pairs the masks of one image by their names."""

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from meaniou._util import join_names, printable
from meaniou.masks.errors import MaskError, NamesError, reason
from meaniou.masks.formats import SUFFIXES
from meaniou.masks.photos import PHOTOS

SHOWN = 3  # files that an error lists


@dataclass(frozen=True)
class Pair:
    """The two masks of one image.

    Attributes:
        name: the name that they share: the path in the folder, without the suffix.
        pred: file of the prediction.
        target: file of the ground truth.
    """

    name: str
    pred: Path
    target: Path


@dataclass(frozen=True)
class Kind:
    """A kind of file to search for.

    Attributes:
        word: the noun for such a file in errors.
        suffixes: the endings of such files.
        cure: what else to do where two files have the name of one image.
    """

    word: str
    suffixes: tuple[str, ...]
    cure: str


MASKS = Kind(
    "mask",
    SUFFIXES,
    "or select the files by {pred_suffix:} or {target_suffix:}. If the folders are swapped, pass the predictions first",
)
IMAGES = Kind("photo", PHOTOS, "or select the files by {photo_suffix:}")


def pair_masks(pred: Path, target: Path, pred_suffix: str = "", target_suffix: str = "", key: str = "") -> list[Pair]:
    """Pairs the masks of two folders by relative path and name, in the order of their names.

    Args:
        pred: folder of predictions, searched recursively; hidden files and folders are skipped.
        target: folder of ground truth.
        pred_suffix: ending of the names of predictions, such as ``"_pred.png"`` or ``"_pred"``. It is removed from the
            name; files with other endings are skipped.
        target_suffix: the same for the ground truth, such as ``"_gtFine_labelIds.png"``.
        key: a regular expression for the part of a file name that names the image; the folder does not matter then. A
            file name that it does not match is taken whole, with its folder.

    Raises:
        MaskError: if a folder is missing, cannot be listed, holds no masks, two masks of one name, or a mask without a
            partner.
    """
    preds, targets = find_masks(pred, pred_suffix, key), find_masks(target, target_suffix, key)
    unpaired = [sorted(preds.keys() - targets.keys()), sorted(targets.keys() - preds.keys())]
    facts = [
        f"No {missing} for {len(names)} of {len(others)} {kind}: {join_names((others[name] for name in names), SHOWN)}."
        for missing, kind, names, others in (
            ("ground truth", "predictions", unpaired[0], preds),
            ("prediction", "ground-truth masks", unpaired[1], targets),
        )
        if names
    ]
    if facts:
        few = 2 * len(preds.keys() & targets.keys()) < min(len(preds), len(targets))
        settings = {"{pred_suffix:}": pred_suffix, "{target_suffix:}": target_suffix}
        suffixes = [name for name, suffix in settings.items() if few and not suffix]
        raise (NamesError if few else MaskError)(" ".join(facts), _cure(preds, targets, unpaired, suffixes))
    return [Pair(name, path, targets[name]) for name, path in sorted(preds.items())]


def _cure(preds: Iterable[str], targets: Iterable[str], unpaired: list[list[str]], suffixes: list[str]) -> str:
    """What to do about names that are in one folder only; ``suffixes`` are settings that may help."""
    if {Path(name).name for name in preds} == {Path(name).name for name in targets}:
        return "The file names match but their subfolders differ: use the same subfolders in both folders."
    of_preds, of_targets = ({unicodedata.normalize("NFC", name) for name in names} for names in unpaired)
    if of_preds & of_targets:
        return (
            "Names that look alike differ in their Unicode form (composed, NFC, or decomposed, NFD, as macOS writes "
            "them): rename those of one folder."
        )
    cure = "Add the missing files or remove the others."
    return f"{cure} If the names only end differently, pass {' and '.join(suffixes)}." if suffixes else cure


def find_masks(folder: Path, suffix: str = "", key: str = "") -> dict[str, Path]:
    """The masks in a folder by the names of their images; ``suffix`` and ``key`` as for ``pair_masks``.

    Raises:
        MaskError: if the folder is missing, cannot be listed, holds no masks, or two masks of one name.
    """
    return _find(folder, suffix, key, MASKS)


def find_photos(folder: Path, suffix: str = "", key: str = "") -> dict[str, Path]:
    """The photos in a folder by the names of their images; raises ``MaskError`` as ``find_masks``."""
    return _find(folder, suffix, key, IMAGES)


def _find(folder: Path, suffix: str, key: str, kind: Kind) -> dict[str, Path]:
    _check_folder(folder, kind)
    paths: dict[str, Path] = {}
    skipped: Counter[str] = Counter()
    others: list[str] = []
    for relative, entry in _files(folder):
        path = Path(entry.path)
        name = image_name(relative, suffix, key) if path.suffix.lower() in kind.suffixes else None
        if name is None:
            skipped[path.suffix or "other"] += 1
            if path.suffix.lower() in kind.suffixes:
                others.append(path.name)
            continue
        if not _is(entry.is_file):
            raise MaskError(f"{path} is not a regular file, or is a broken link. Remove it or fix the link.")
        if name in paths:
            raise MaskError(
                f"{paths[name]} and {path} both have the name of the image {name}; expected one {kind.word} per image.",
                f"Remove one of them, {kind.cure}.",
            )
        paths[name] = path
    if not paths:
        sentence = _why_none(folder, suffix, kind, skipped, others)
        raise NamesError(sentence) if suffix else MaskError(sentence)
    return paths


def image_name(relative: str, suffix: str = "", key: str = "") -> str | None:
    """The name of the image that a file belongs to, by its path in the folder; ``None`` if it has another ending.

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


def _why_none(folder: Path, suffix: str, kind: Kind, skipped: Counter[str], names: list[str]) -> str:
    """The error about a folder that holds nothing of a kind; ``names`` are files of the kind with other endings."""
    files = join_names(f"{n} {ending} file{'s' * (n > 1)}" for ending, n in skipped.most_common(3))
    others = f", only {files}" if files else " and no other files"
    if names:
        others += f" ({join_names(names, SHOWN)})"
    if suffix:
        return f"{folder} contains no {kind.word}s whose names end in {suffix}{others}. Check the path and the suffix."
    jpeg = kind is MASKS and any(ending.lower() in (".jpg", ".jpeg") for ending in skipped)
    cure = "JPEG changes labels: save the masks as PNG." if jpeg else "Check the path and the format."
    return f"{folder} contains no {kind.word}s ({', '.join(kind.suffixes)}){others}. {cure}"


def has_files_ending_in(folder: Path, suffix: str) -> bool:
    """Whether any file in a folder, or below it, has this ending; raises ``MaskError`` if it cannot be listed."""
    _check_folder(folder, MASKS)
    return any(relative.endswith(suffix) for relative, _ in _files(folder))


def _check_folder(folder: Path, kind: Kind) -> None:
    if not folder.is_dir():
        if folder.exists():
            raise MaskError(f"{folder} is a file. Pass the folder that contains the {kind.word}s.")
        raise MaskError(f"The folder {folder} does not exist. Check the path.")


def _files(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """All files below a folder except hidden ones, sorted, with their paths in it; links are followed.

    Raises:
        MaskError: if a folder cannot be listed, or is reached twice through a link.
    """
    seen: dict[tuple[int, int], str] = {}
    pending = [""]
    while pending:
        below = pending.pop()
        path = os.path.join(folder, below)  # noqa: PTH118, since pathlib would parse a deep path once for each level
        try:
            status = os.stat(path)  # noqa: PTH116
            with os.scandir(path) as listing:
                entries = sorted((e for e in listing if not e.name.startswith(".")), key=lambda e: e.name)
        except OSError as error:
            raise MaskError(f"Cannot list the folder {path}: {reason(error)}.") from error
        if (real := (status.st_dev, status.st_ino)) in seen:
            raise MaskError(f"{path} and {seen[real]} are the same folder, reached through a link. Remove the link.")
        seen[real] = path
        folders = []
        for entry in entries:
            if _is(entry.is_dir):
                folders.append(f"{below}{entry.name}/")
            else:
                yield f"{below}{entry.name}", entry
        pending += reversed(folders)


def _is(kind: Callable[[], bool]) -> bool:
    """Whether an entry of a folder is of a kind; ``False`` for a link to itself."""
    try:
        return kind()
    except OSError:
        return False
