"""A metric that has counted -> what a command was asked to write of it: files, all or none, and text."""

import contextlib
import io
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from operator import methodcaller
from pathlib import Path
from typing import Any

import click

from meaniou import page, plot, texts
from meaniou.files import MaskError
from meaniou.gallery import Gallery
from meaniou.metric import MeanIoU
from meaniou.outputs import write_all
from meaniou.report import Report
from meaniou.words import Doubt, as_options

FORMS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "markdown": methodcaller("to_markdown"),
    "latex": methodcaller("to_latex"),
    "csv": methodcaller("to_csv"),
    "json": methodcaller("to_json"),
}
FORMS_BY_SUFFIX = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
WORST = 10  # pictures, unless told
DRAWN = {"confusion.png": plot.confusion, "classes.png": plot.classes}


@dataclass(frozen=True)
class Wanted:
    """The options that say what is written; each is described where it is an option."""

    group: tuple[str, ...] = ()
    ci: bool = False
    group_images: str | None = None
    worst: int | None = None
    per_image: Path | None = None
    save: Path | None = None
    plot: Path | None = None
    html: Path | None = None
    overlay: Path | None = None
    form: str | None = None
    output: Path | None = None

    @property
    def of_images(self) -> bool:
        """Whether rows of images are needed."""
        return bool(self.ci or self.worst or self.per_image or self.save or self.html or self.overlay)

    def check(self, read: Sequence[Path] = ()) -> None:
        """Raises ``ValueError`` for what would fail only after the last file, or be written over what is read."""
        texts.check_pattern(self.group_images, self.ci)
        for option, module, extra in (("plot", "matplotlib", "plot"), ("html", "jinja2", "cli")):
            if getattr(self, option) and find_spec(module) is None:
                raise ValueError(f"--{option} needs {module}, which is not there; install the extra {extra!r}.")
        drawn = [self.plot / name for name in DRAWN] if self.plot else []
        given = [p.resolve() for p in (self.per_image, self.save, self.html, self.output, *drawn) if p is not None]
        if twice := [path for path in given if given.count(path) > 1 and (path.is_file() or not path.exists())]:
            raise ValueError(f"{twice[0]} is named for two outputs; expected a file for each, so name another.")
        if lost := [path for path in given if path in [source.resolve() for source in read]]:
            raise ValueError(f"{lost[0]} is read, and named for an output; expected another file, so name one.")


def tell(metric: MeanIoU, wanted: Wanted, gallery: Gallery | None = None, title: str = "") -> None:
    """Writes all that is wanted; with bad luck there, none of the files.

    Raises:
        MaskError: if a file cannot be written, or a picture not be drawn.
    """
    with said():
        bootstrap = {"groups": texts.grouping(metric.image_names, wanted.group_images)} if wanted.ci else False
        report = metric.report(groups=texts.groups_of(wanted.group), bootstrap=bootstrap)
        table = metric.images() if wanted.of_images else None
    contents: dict[Path, bytes] = {}
    text = in_form(report, wanted.form, wanted.output)
    if wanted.output:
        contents[wanted.output] = (text + "\n").encode()
    if wanted.per_image and table:
        contents[wanted.per_image] = (table.to_csv() + "\n").encode()
    if wanted.save:
        contents[wanted.save] = metric.packed()
    if wanted.plot:
        contents |= {wanted.plot / name: content for name, content in plots(report).items()}
    names = [str(name) for name in table.images[: wanted.worst or WORST]] if table and gallery else []
    if wanted.overlay and gallery:
        for i, name in enumerate(names, 1):
            end = name.replace("/", "__").encode()[-200:].decode(errors="ignore")  # a file's name has 255 bytes
            contents[wanted.overlay / f"{i:03d}_{end}.png"] = gallery.overlay(name)
    if wanted.html:
        values = table.mean_iou if table else ()
        worst = [(name, value, gallery.embedded(name)) for name, value in zip(names, values, strict=False) if gallery]
        contents[wanted.html] = page.html(report, title=title, space=metric.space, worst=worst).encode()
    save(contents, [folder for folder in (wanted.plot, wanted.overlay) if folder])
    if not wanted.output:
        echo(text)
    if wanted.worst and table:  # beside what a program is to read, on the standard error
        echo("\n" + table.to_text(wanted.worst), err=not wanted.output and wanted.form in ("csv", "json"))


@contextmanager
def said() -> Iterator[None]:
    """Warnings as lines on the standard error."""
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        yield
    for sentence in dict.fromkeys(_sentence(doubt.message) for doubt in doubts):
        click.echo(f"Warning: {sentence}", err=True)


def _sentence(warning: Warning | str) -> str:
    return as_options(warning.sentence) if isinstance(warning, Doubt) else str(warning)


def in_form(report: Any, form: str | None, output: Path | None) -> str:
    """A report in the form that is asked for, or that the name of the file ends in."""
    return FORMS[form or FORMS_BY_SUFFIX.get(output.suffix.lower() if output else "", "text")](report)


def plots(report: Report) -> dict[str, bytes]:
    """The plots of a report as PNG files."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    found = {}
    for name, draw in DRAWN.items():
        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph")  # letters that the font lacks are drawn as boxes
            draw(report)
            pyplot.savefig(file, format="png", dpi=150)
        pyplot.close()
        found[name] = file.getvalue()
    return found


def save(contents: dict[Path, bytes], folders: list[Path]) -> None:
    """Makes folders and writes files, all or none; raises ``MaskError`` if that cannot be."""
    made: list[Path] = []
    try:
        for folder in folders:
            made += [f for f in (folder, *folder.parents) if not f.exists()]
            folder.mkdir(parents=True, exist_ok=True)
        write_all(contents)
    except BaseException as error:
        for folder in sorted(made, key=lambda folder: -len(folder.parts)):
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise MaskError(
                f"{error.filename} cannot be written ({error.strerror}); expected a folder that is there, with room, "
                "and may be written to, so make it or name another."
            ) from error
        raise


def echo(text: str, err: bool = False) -> None:
    """Writes to the standard output, or error; raises ``MaskError`` if that cannot be."""
    try:
        click.echo(text, err=err)
    except UnicodeEncodeError as error:
        raise MaskError(
            f"The standard output is {error.encoding}, which lacks {error.object[error.start]!r}; expected UTF-8, so "
            "set PYTHONIOENCODING=utf-8, or pass --output."
        ) from error
    except OSError as error:
        raise MaskError(
            f"The standard output cannot be written ({error.strerror}); expected a terminal, a pipe that is read, or "
            "a file with room, so name one."
        ) from error
