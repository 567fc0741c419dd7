"""Checks of the paths of inputs and outputs, before any mask is read."""

import errno
import os
import re
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from meaniou._util import check_file, check_folder, is_stream, real_path, stat_of
from meaniou.masks import MaskError

PICTURE = re.compile(r"\d{3,}_.*\.png")
CURES = {
    errno.ENOENT: "Create its folder, or choose another path.",
    errno.ENOTDIR: "A file stands where a folder is needed; choose another path.",
    errno.EISDIR: "Pass the path of a file.",
    errno.ENOSPC: "Free some space, or choose another path.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


@dataclass(frozen=True)
class Source:
    """An input folder.

    Attributes:
        folder: its path.
        kinds: the suffixes of the files that are read in it.
        suffix: the ending of their names.
    """

    folder: Path
    kinds: tuple[str, ...]
    suffix: str = ""

    def reads(self, name: str) -> bool:
        """Whether a file of this name would be read."""
        path = Path(name)
        return path.suffix.lower() in self.kinds and (name.endswith(self.suffix) or path.stem.endswith(self.suffix))


@dataclass(frozen=True)
class Outputs:
    """The outputs of a command.

    Attributes:
        files: paths of files.
        plots: names of PNG files, by the folder that they are written to.
        pictures: a folder for PNG files whose names begin with a number.
    """

    files: tuple[Path, ...] = ()
    plots: Mapping[Path, Sequence[str]] = field(default_factory=dict)
    pictures: Path | None = None

    @property
    def folders(self) -> list[Path]:
        """Folders that are created."""
        return [*self.plots, *([self.pictures] if self.pictures else [])]

    @property
    def paths(self) -> list[Path]:
        """All output files whose names do not depend on the masks."""
        return [*self.files, *(folder / name for folder, names in self.plots.items() for name in names)]

    def check(self, inputs: Iterable[Path] = (), sources: Iterable[Source] = ()) -> None:
        """Checks the paths of outputs against each other, against input files, and against input folders.

        Raises:
            MaskError: if an output cannot be written.
            ValueError: if two outputs are one file, or an output would replace an input or be one of the next run.
        """
        made = {part for folder in map(real_path, self.folders) for part in (folder, *folder.parents)}
        self._check_apart(made)
        try:
            for folder in self.folders:
                check_folder(folder)
            for path in self.paths:
                if path.exists() or real_path(path).parent not in made:
                    check_file(path)
        except OSError as error:
            raise unwritable(error) from error
        self.check_inputs(inputs)
        for source in sources:
            self._check_beside(source)

    def check_inputs(self, inputs: Iterable[Path]) -> None:
        """Raises ``ValueError`` if an output would replace an input file, also through links or another path."""
        pictures = self.pictures.iterdir() if self.pictures and self.pictures.is_dir() else ()
        outputs = [*self.paths, *(path for path in pictures if PICTURE.fullmatch(path.name))]
        files = {_identity(path): path for path in outputs if _identity(path)}
        for path in inputs if files else ():
            if (identity := _identity(path)) in files:
                raise _is_read(files[identity])

    def _check_apart(self, made: set[Path]) -> None:
        taken: set[Path] = set()
        for path in self.paths:
            real = real_path(path)
            twice = real in taken and not is_stream(path)  # a device may be named more than once
            picture = self.pictures and real.parent == real_path(self.pictures) and PICTURE.fullmatch(path.name)
            if twice or picture or (real in made and not os.path.lexists(real)):
                raise ValueError(f"Two outputs share the path {path}. Choose a different path for each.")
            taken.add(real)

    def _check_beside(self, source: Source) -> None:
        new = [path for path in self.paths if source.reads(path.name) or source.reads(real_path(path).name)]
        if self.pictures and source.reads("001_.png"):
            new.append(self.pictures / "001_.png")
        inside = _real_folders(source.folder) if new else set()
        for path in new:
            if not inside.isdisjoint(real_path(path).parents):
                if path.is_file():
                    raise _is_read(path)
                shown = path.parent if path.parent == self.pictures else path
                relation = "is" if real_path(shown) == real_path(source.folder) else "is inside"
                raise ValueError(
                    f"The output {shown} {relation} the input folder {source.folder}, and the next run would read it "
                    "as input. Choose a path outside of the input folders."
                )


def unwritable(error: OSError) -> MaskError:
    """The error about a file or folder that cannot be written."""
    cure = CURES.get(error.errno or 0, "Choose another path.")
    return MaskError(f"Cannot write {error.filename}: {error.strerror}.", cure)


def _is_read(path: Path) -> ValueError:
    return ValueError(f"{path} is both an input and an output. Choose another output path.")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file, which are the same for all links to it; ``None`` for devices and missing files."""
    with suppress(OSError):
        if (status := stat_of(path)) and stat.S_ISREG(status.st_mode):
            return status.st_dev, status.st_ino
    return None


def _real_folders(folder: Path) -> set[Path]:
    """The real paths of a folder and of all folders below it, through links too."""
    folders: set[Path] = set()
    pending = [real_path(folder)]
    while pending:
        path = pending.pop()
        if path not in folders:
            folders.add(path)
            with suppress(OSError), os.scandir(path) as entries:  # listing the masks raises an error for it
                pending += [real_path(Path(entry.path)) for entry in entries if entry.is_dir()]
    return folders
