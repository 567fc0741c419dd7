"""The masks of ``meaniou demo``: synthetic street scenes as PNG files."""

import errno
import io
import os
from pathlib import Path

from meaniou._util import write_all
from meaniou.synthetic import NAMES, scene

TEXT = "\n".join(NAMES) + "\n"  # the content of names.txt


def write(folder: Path, images: int, seed: int = 0) -> tuple[Path, Path]:
    """Writes PNG masks to ``folder/pred`` and ``folder/target``, and ``folder/names.txt``.

    Scenes of an earlier demo are replaced.

    Returns:
        The folders of predictions and of ground truth.

    Raises:
        FileExistsError: if the folder holds other files, one of which is its ``filename2``; they would be scored too.
        OSError: if a file cannot be written; then all files stay as they were.
    """
    from PIL import Image

    pred, target = folder / "pred", folder / "target"
    earlier = _earlier_scenes(folder)
    contents = {folder / "names.txt": TEXT.encode()}
    for i in range(images):
        for side, labels in zip((pred, target), scene(seed + i), strict=True):
            file = io.BytesIO()
            Image.fromarray(labels).save(file, "PNG")
            contents[side / f"scene_{i:03d}.png"] = file.getvalue()
    write_all(contents, (pred, target))
    for path in earlier - contents.keys():
        path.unlink()
    return pred, target


def _earlier_scenes(folder: Path) -> set[Path]:
    """The scenes of an earlier demo; raises ``FileExistsError`` if the folder holds anything else."""
    pred, target, names = folder / "pred", folder / "target", folder / "names.txt"
    scenes = [path for side in (pred, target) if side.is_dir() for path in side.iterdir()]
    others = [path for path in (folder.iterdir() if folder.is_dir() else ()) if path not in (pred, target, names)]
    others += [path for path in (pred, target, names, *scenes) if path.is_symlink()]
    others += [path for path in scenes if not path.match("scene_*.png")]
    # Scenes without names.txt beside them, and a names.txt of other content, are the user's own.
    if not others and (scenes or names.exists()):
        ours = names.is_file() and names.read_text(encoding="utf-8") == TEXT
        others = [] if ours else (scenes or [names])
    if others:
        message = os.strerror(errno.EEXIST)
        raise FileExistsError(errno.EEXIST, message, str(folder), None, str(others[0].relative_to(folder)))
    return {*scenes}
