"""The masks of ``meaniou demo``: synthetic scenes as PNG files."""

import errno
import io
from pathlib import Path

from meaniou._util import write_all
from meaniou.synthetic import NAMES, scene

TEXT = "\n".join(NAMES) + "\n"  # of names.txt


def write(folder: Path, images: int, seed: int = 0) -> tuple[Path, Path]:
    """Writes PNG masks to ``folder/pred`` and ``folder/target``, the two it returns, and ``folder/names.txt``.

    Raises:
        FileExistsError: if something else lies there, which would be scored too; scenes of before are replaced.
        OSError: if it cannot be written; then all is as it was before.
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
    # Without our names beside them, scenes are someone else's, and so are names with another content.
    if not others and (scenes or names.exists()):
        ours = names.is_file() and names.read_text(encoding="utf-8") == TEXT
        others = [] if ours else (scenes or [names])
    if others:
        raise FileExistsError(errno.EEXIST, f"{others[0]} is there", str(folder))
    return {*scenes}
