"""Two folders of masks -> pairs of label maps, as many in memory as are being read."""

import io
import itertools
import os
import re
import threading
import zipfile
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from meaniou.inputs import as_tensor

IMAGES, ARRAYS = (".png", ".tif", ".tiff"), (".npy", ".npz")
SUFFIXES = (*IMAGES, *ARRAYS)
# How Pillow names what a file stores -> the factor by which it spreads the stored values over 8 bits (2 and 4 bit);
# the index into a palette, 1, 8, 16 and 32 bit come as they are. Inverted values (";I") and colours are no labels.
STORED = {"1": 1, "L": 1, "L;2": 85, "L;4": 17} | dict.fromkeys(("P", "P;1", "P;2", "P;4"), 1)
STORED |= dict.fromkeys(("I;16", "I;16B", "I;16L", "I;16N", "I;16S", "I;16BS", "I;16NS", "I;12"), 1)
STORED |= dict.fromkeys(("I", "I;32", "I;32B", "I;32N", "I;32S", "I;32BS", "I;32NS"), 1)

Labels = NDArray[np.generic]
# NumPy has Python parse the header, which in 3.11.7 fails at times in two threads at once ("AST constructor recursion
# depth mismatch", cpython issue 106905).
ONE_HEADER = threading.Lock()


class MaskError(ValueError):
    """A folder or file that cannot be scored; the message names it."""


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
    alone = [
        f"{len(names)} of {len(found[kind])} {kind} masks have no {other} of the same name: "
        + ", ".join(str(found[kind][name]) for name in names)
        for kind, other in (("prediction", "truth"), ("truth", "prediction"))
        if (names := sorted(found[kind].keys() - found[other].keys()))
    ]
    if alone:
        ends = [{Path(name).name for name in found[kind]} for kind in found]
        cure = (
            "the names agree but the folders below do not, so put them into the same ones"
            if ends[0] == ends[1]
            else "add the partners, remove these, or name the ends that differ by --pred-suffix and --target-suffix"
        )
        raise MaskError(f"{'; '.join(alone)}; {cure}.")
    return [Pair(name, path, found["truth"][name]) for name, path in sorted(found["prediction"].items())]


def named(folder: Path, suffix: str = "", key: str = "", kinds: tuple[str, ...] = SUFFIXES) -> dict[str, Path]:
    """The files of a folder by the names of their images, as ``pairs`` has them; of other kinds than masks too.

    Raises:
        MaskError: if the folder is missing, cannot be listed, holds none of them, or one name twice.
    """
    what = "mask" if kinds is SUFFIXES else "image"
    _check(folder, what, kinds)
    found: dict[str, Path] = {}
    others: Counter[str] = Counter()
    for path in _files(folder):
        relative = path.relative_to(folder)
        stem = relative.with_suffix("").as_posix()
        ending = next((end for end in (path.suffix, "") if f"{stem}{end}".endswith(suffix)), None)
        if path.suffix.lower() not in kinds or ending is None:
            others[path.suffix or path.name] += 1
            continue
        name = f"{stem}{ending}".removesuffix(suffix) if suffix else stem
        if key and (image := re.search(key, path.name)):
            name = image[0]
        name = printable(name)
        if not path.is_file():
            raise MaskError(f"{path} is no file that can be read; expected one {what}, so remove it or mend the link.")
        if name in found:
            cures = (
                "name the end that counts by --pred-suffix or --target-suffix, or swap the folders, if the prediction "
                "does not come first"
                if what == "mask"
                else "or name the end that counts by --image-suffix"
            )
            raise MaskError(
                f"{found[name]} and {path} are of one image by their names; expected one {what} for each, so remove "
                f"one, {cures}."
            )
        found[name] = path
    if not found:
        held = ", ".join(f"{number} {kind}" for kind, number in others.most_common(3))
        state = f"holds no {what} but {held}" if held else "holds no file"
        wanted = f"files that end in {suffix}" if suffix else f"one {what} for each image ({', '.join(kinds)})"
        raise MaskError(
            f"{folder} {state}; expected {wanted}, so check the path and the {'suffix' if suffix else 'format'}."
        )
    return found


def printable(name: str) -> str:
    """A name that can be written as UTF-8, with an escape for each byte of a file's name that cannot."""
    return name.encode(errors="backslashreplace").decode()


def read_all(listed: Iterable[Pair], jobs: int) -> Iterator[tuple[Pair, Tensor, Tensor]]:
    """Reads pairs with so many threads (decoding leaves the interpreter free) and gives them in order.

    Raises:
        MaskError: as ``read``, for the first pair that cannot be read.
    """
    coming: deque[tuple[Pair, Future[tuple[Tensor, Tensor]]]] = deque()
    waiting = iter(listed)
    pool = ThreadPoolExecutor(jobs)
    try:
        coming.extend((pair, pool.submit(read, pair)) for pair in itertools.islice(waiting, jobs))
        while coming:
            pair, labels = coming.popleft()
            preds, target = labels.result()
            coming.extend((pair, pool.submit(read, pair)) for pair in itertools.islice(waiting, 1))
            yield pair, preds, target
    finally:
        pool.shutdown(cancel_futures=True)


def read(pair: Pair) -> tuple[Tensor, Tensor]:
    """The label maps of prediction and truth, in the dtype in which they are stored.

    Raises:
        MaskError: if a file cannot be read or holds no labels, or if the shapes differ.
    """
    pred, target = labels(pair.pred), labels(pair.target)
    if pred.shape != target.shape:
        cure = "resize the prediction to that of the truth, with nearest neighbours"
        if pred.squeeze().shape == target.squeeze().shape:
            cure = "save both without dimensions of size 1"
        elif pred.shape == target.shape[::-1]:
            cure = "turn one of them, if its axes are swapped, or resize it with nearest neighbours"
        raise MaskError(
            f"{pair.pred} is {_size(pred)} and {pair.target} is {_size(target)} (height x width); expected one size, "
            f"so {cure}."
        )
    return as_tensor(pred, str(pair.pred)), as_tensor(target, str(pair.target))


def labels(path: Path) -> Labels:
    """The label map in a file; raises ``MaskError`` if it cannot be read or holds no labels."""
    try:
        return _array(path) if path.suffix.lower() in ARRAYS else _image(path)
    except MaskError:
        raise
    except UnidentifiedImageError as error:
        raise MaskError(f"{path} is no image, or an empty one; expected a whole mask, so save it again.") from error
    except Image.DecompressionBombError as error:
        raise MaskError(
            f"{path} has too many pixels to be a mask that is meant ({error}); if it is, save it in tiles or as .npy."
        ) from error
    except Exception as error:  # decoders raise whatever a broken file leads them to, such as a tokenizer's error
        raise MaskError(f"{path} cannot be read ({error}); expected a whole mask, so save it again.") from error


def holds(folder: Path, suffix: str) -> bool:
    """Whether the names of files in a folder, or below it, end so; raises ``MaskError`` if it cannot be listed."""
    _check(folder)
    return any(path.name.endswith(suffix) for path in _files(folder))


def _check(folder: Path, what: str = "mask", kinds: tuple[str, ...] = SUFFIXES) -> None:
    if not folder.is_dir():
        state = "is a file" if folder.exists() else "does not exist"
        raise MaskError(f"{folder} {state}; expected a folder of {what}s ({', '.join(kinds)}), so check the path.")


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder, through links too, by name; a link that leads back ends with its name."""
    seen: dict[Path, str] = {}
    for root, folders, found in os.walk(folder, onerror=_refuse, followlinks=True):
        real = Path(root).resolve()
        if real in seen:
            raise MaskError(f"{root} and {seen[real]} are the same folder; expected each once, so remove the link.")
        seen[real] = root
        folders.sort()
        yield from (Path(root, name) for name in sorted(found))


def _refuse(error: OSError) -> None:
    raise MaskError(f"{error.filename} cannot be listed ({error.strerror}); expected a folder that can be read.")


def _image(path: Path) -> Labels:
    with Image.open(path, formats=("PNG", "TIFF")) as image:
        told = image.tile[0][3] if image.tile else None  # a plain tuple in older versions
        stored = str(told[0] if isinstance(told, tuple) else told)
        if stored not in STORED:
            raise MaskError(
                f"{path} is an image with the channels {', '.join(image.getbands())} (stored as {stored}); "
                "expected one channel that stores class ids (8-bit, palette, 1-bit or 16-bit), so save the ids, not "
                "their colours."
            )
        if (frames := getattr(image, "n_frames", 1)) != 1:
            raise MaskError(f"{path} holds {frames} images; expected one mask a file, so save them one by one.")
        found = np.asarray(image)
        return found if STORED[stored] == 1 else found // np.uint8(STORED[stored])


def _array(path: Path) -> Labels:
    content = path.read_bytes()
    if content.startswith((b"PK\3\4", b"PK\5\6")):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            held = archive.namelist()
            if len(held) != 1:
                listed = ", ".join(name.removesuffix(".npy") for name in held)
                raise MaskError(f"{path} holds {len(held)} arrays ({listed}); expected one, so save the labels alone.")
            content = archive.read(held[0])
    with ONE_HEADER:
        found = np.load(io.BytesIO(content), allow_pickle=False)
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "biu" or found.ndim == 0:
        raise MaskError(
            f"{path} holds {getattr(found, 'dtype', type(found).__name__)} {_size(np.asarray(found))}; expected a map "
            "of labels, so save integers, as by argmax."
        )
    return found


def _size(found: Labels) -> str:
    return " x ".join(map(str, found.shape))
