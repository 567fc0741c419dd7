"""The masks of ``meaniou demo``: synthetic scenes as PNG files."""

import errno
import io
from pathlib import Path

from meaniou._util import write_all
from meaniou.synthetic import NAMES, scene


def write(folder: Path, images: int, seed: int = 0) -> tuple[Path, Path]:
    """Writes PNG masks to ``folder/pred`` and ``folder/target``, the two it returns, and ``folder/names.txt``.

    Raises:
        FileExistsError: if something else lies there, which would be scored too; scenes of before are replaced.
        OSError: if it cannot be written; then all is as it was before.
    """
    from PIL import Image

    pred, target, names = folder / "pred", folder / "target", folder / "names.txt"
    text = "\n".join(NAMES) + "\n"
    before = [path for part in (pred, target) if part.is_dir() for path in part.iterdir()]
    others = [path for path in (folder.iterdir() if folder.is_dir() else ()) if path not in (pred, target, names)]
    others += [path for path in (pred, target, names, *before) if path.is_symlink()]
    if others := others + [path for path in before if not path.match("scene_*.png")]:
        raise FileExistsError(errno.EEXIST, f"{others[0]} is there", str(folder))
    if (names.exists() or before) and not (names.is_file() and names.read_text(encoding="utf-8") == text):
        raise FileExistsError(errno.EEXIST, f"{(before or [names])[0]} is there", str(folder))
    contents = {names: text.encode()}
    for i in range(images):
        for part, labels in zip((pred, target), scene(seed + i), strict=True):
            file = io.BytesIO()
            Image.fromarray(labels).save(file, "PNG")
            contents[part / f"scene_{i:03d}.png"] = file.getvalue()
    write_all(contents, (pred, target))
    for path in {*before} - contents.keys():
        path.unlink()
    return pred, target
