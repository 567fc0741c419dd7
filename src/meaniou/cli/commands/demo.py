"""The masks of ``meaniou demo``: synthetic street scenes as PNG files, and labels that overlap as arrays."""

import errno
import io
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from meaniou._util import write_all
from meaniou.synthetic import NAMES, OVERLAPPING, scene, stack

SIDES = ("pred", "target")
LABELS = "labels"  # folder of the labels that overlap
# The file of names of each kind of labels: its content, and the file names of the scenes in the folders beside it.
TEXTS = {"names.txt": "\n".join(NAMES) + "\n", f"{LABELS}/names.txt": "\n".join(OVERLAPPING) + "\n"}
SCENES = {"names.txt": "scene_*.png", f"{LABELS}/names.txt": "scene_*.npy"}


def write(folder: Path, images: int, seed: int = 0) -> tuple[Path, Path]:
    """Writes PNG masks to ``folder/pred`` and ``folder/target``, and ``folder/names.txt``.

    ``folder/labels`` gets the same for labels that overlap: scores and ground truth ``[L, H, W]`` as ``.npy`` files.
    Scenes of an earlier demo are replaced.

    Returns:
        The folders of predictions and of ground truth.

    Raises:
        FileExistsError: if the folder holds other files, one of which is its ``filename2``; they would be scored too.
        OSError: if a file cannot be written; then all files stay as they were.
    """
    from PIL import Image

    earlier = _earlier_scenes(folder)
    contents: dict[Path, bytes] = {folder / name: text.encode() for name, text in TEXTS.items()}
    for i in range(images):
        stacks: tuple[NDArray[np.generic], ...] = stack(seed + i)
        for side, labels, maps in zip(SIDES, scene(seed + i), stacks, strict=True):
            picture, array = io.BytesIO(), io.BytesIO()
            Image.fromarray(labels).save(picture, "PNG")
            np.save(array, maps)
            contents[folder / side / f"scene_{i:03d}.png"] = picture.getvalue()
            contents[folder / LABELS / side / f"scene_{i:03d}.npy"] = array.getvalue()
    write_all(contents, [folder / below / side for below in ("", LABELS) for side in SIDES])
    for path in earlier - contents.keys():
        path.unlink()
    return folder / "pred", folder / "target"


def _earlier_scenes(folder: Path) -> set[Path]:
    """The scenes of an earlier demo; raises ``FileExistsError`` if the folder holds anything else."""
    scenes: list[Path] = []
    others: list[Path] = []
    for name, text in TEXTS.items():
        names = folder / name
        sides = [names.parent / side for side in SIDES]
        expected = [names, *sides, folder / LABELS]
        here = [path for side in sides if side.is_dir() for path in side.iterdir()]
        beside = list(names.parent.iterdir()) if names.parent.is_dir() else []
        others += [path for path in beside if path not in expected]
        others += [path for path in (*expected, *here) if path.is_symlink()]
        others += [path for path in here if not path.match(SCENES[name])]
        # Scenes without names.txt beside them, and a names.txt of other content, are the user's own.
        if (here or names.exists()) and not (names.is_file() and names.read_text(encoding="utf-8") == text):
            others += here or [names]
        scenes += here
    if others:
        message = os.strerror(errno.EEXIST)
        raise FileExistsError(errno.EEXIST, message, str(folder), None, str(others[0].relative_to(folder)))
    return {*scenes}
