"""Two folders of masks -> pairs of label maps, one pair in memory at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

SUFFIXES = (".png",)
# Pillow's modes whose stored values are labels: 1 bit, 8 bit, palette (the index, not its colour), 16 and 32 bit.
MODES = ("1", "L", "P", "I;16", "I;16B", "I;16L", "I;16N", "I")


class MaskError(ValueError):
    """A folder or file that cannot be scored; the message names it."""


@dataclass(frozen=True)
class Pair:
    """The two files of one image, and the name that they share: the path below the folder, without the suffix."""

    name: str
    pred: Path
    target: Path


def pairs(pred: Path, target: Path) -> list[Pair]:
    """Pairs the masks of two folders by relative path and stem, in the order of their names.

    Raises:
        MaskError: if a folder is missing, holds no masks, holds a name twice, or holds a mask without a partner.
    """
    found = {"prediction": _masks(pred), "truth": _masks(target)}
    for kind, other in (("prediction", "truth"), ("truth", "prediction")):
        if alone := sorted(found[kind].keys() - found[other].keys()):
            listed = ", ".join(str(found[kind][name]) for name in alone)
            raise MaskError(
                f"{len(alone)} of {len(found[kind])} {kind} masks have no {other} of the same name; add or "
                f"remove: {listed}"
            )
    return [Pair(name, path, found["truth"][name]) for name, path in sorted(found["prediction"].items())]


def read(pair: Pair) -> tuple[torch.Tensor, torch.Tensor]:
    """The label maps ``[H, W]`` of prediction and truth, in the dtype in which they are stored.

    Raises:
        MaskError: if a file cannot be read or holds no labels, or if the sizes differ.
    """
    pred, target = _labels(pair.pred), _labels(pair.target)
    if pred.shape != target.shape:
        raise MaskError(
            f"{pair.pred} is {_size(pred)} and {pair.target} is {_size(target)} (height x width); expected one size, "
            "so resize the prediction to that of the truth, with nearest neighbours."
        )
    return torch.from_numpy(pred), torch.from_numpy(target)


def names(path: Path) -> list[str]:
    """The class names in a text file, one a line; raises ``MaskError`` if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MaskError(f"{path} cannot be read ({error}); expected a text file with one class name a line.") from error


def _masks(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise MaskError(
            f"{folder} is no folder; expected a folder of masks ({', '.join(SUFFIXES)}), so check the path."
        )
    found: dict[str, Path] = {}
    for path in _files(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise MaskError(
                f"{found[name]} and {path} have the same name; expected one mask for each image, so remove or "
                "rename one."
            )
        found[name] = path
    if not found:
        raise MaskError(
            f"{folder} holds no mask ({', '.join(SUFFIXES)}); expected one for each image, so check the path."
        )
    return found


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.suffix.lower() in SUFFIXES and path.is_file())


def _labels(path: Path) -> NDArray[np.generic]:
    try:
        with Image.open(path) as image:
            if image.mode not in MODES:
                raise MaskError(
                    f"{path} is an image with the channels {', '.join(image.getbands())}; expected one channel that "
                    "stores class ids (8-bit, palette, 1-bit or 16-bit), so save the ids, not their colours."
                )
            return np.array(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, MaskError):
            raise
        raise MaskError(
            f"{path} cannot be read as an image ({error}); expected a whole mask, so save it again."
        ) from error


def _size(labels: NDArray[np.generic]) -> str:
    return " x ".join(map(str, labels.shape))
