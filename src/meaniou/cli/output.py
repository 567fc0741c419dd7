"""A metric that has counted -> the text and the files that a command writes, all or none."""

import io
import sys
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from operator import methodcaller
from pathlib import Path
from typing import Any

import click

from meaniou._util import is_stream, visible, written
from meaniou.cli import paths, texts
from meaniou.cli.overlays import Gallery
from meaniou.cli.terminal import echo, said, warn
from meaniou.metrics import MeanIoU
from meaniou.page import render
from meaniou.plot import figures
from meaniou.report import Report
from meaniou.scores import columns_of

FORMS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "markdown": methodcaller("to_markdown"),
    "latex": methodcaller("to_latex"),
    "csv": methodcaller("to_csv"),
    "json": methodcaller("to_json"),
}
FORMS_BY_SUFFIX = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
WORST = 10  # pictures by default
PROGRESS = "meaniou.progress"  # the key of the ``Progress`` of files in a command's context
DRAWN = {"confusion.png": figures.confusion, "classes.png": figures.classes}


@dataclass(frozen=True)
class Wanted:
    """The options that say what is written; each is described where it is an option."""

    class_group: tuple[str, ...] = ()
    ci: bool = False
    clusters: str | None = None
    list_worst: int | None = None
    image_scores: Path | None = None
    save: Path | None = None
    plot: Path | None = None
    html: Path | None = None
    overlay: Path | None = None
    form: str | None = None
    output: Path | None = None

    @property
    def of_images(self) -> bool:
        """Whether the metric has to keep rows of images."""
        return bool(self.ci or self.list_worst or self.image_scores or self.save or self.html or self.overlay)

    @property
    def outputs(self) -> paths.Outputs:
        """Where all that is written goes."""
        files = tuple(path for path in (self.image_scores, self.save, self.html, self.output) if path is not None)
        return paths.Outputs(files, {self.plot: tuple(DRAWN)} if self.plot else {}, self.overlay)

    def check(self, read: Iterable[Path] = (), sources: Iterable[paths.Source] = ()) -> None:
        """Raises ``ValueError`` for outputs that would fail after all masks are read, or overwrite an input."""
        texts.check_pattern(self.clusters, self.ci)
        for option, module, extra in (("plot", "matplotlib", "plot"), ("html", "jinja2", "cli")):
            if getattr(self, option) and find_spec(module) is None:
                raise ValueError(f"--{option} needs {module}, which is not there; install the extra {extra!r}.")
        self.outputs.check(read, sources)

    def check_settings(self, metric: MeanIoU) -> None:
        """Raises ``ValueError`` if options do not fit the classes."""
        metric.report(class_groups=texts.groups_of(self.class_group))
        if self.image_scores:
            columns_of(metric.label_space.class_names)


def tell(metric: MeanIoU, wanted: Wanted, gallery: Gallery | None = None, title: str = "") -> None:
    """Writes all that is wanted; if anything fails, none of the files.

    Raises:
        MaskError: if a file or the standard output cannot be written, or a picture not be drawn.
    """
    with said():
        bootstrap = {"clusters": texts.grouping(metric.image_names, wanted.clusters)} if wanted.ci else False
        report = metric.report(class_groups=texts.groups_of(wanted.class_group), bootstrap=bootstrap)
        table = metric.image_scores() if wanted.of_images else None
    contents: defaultdict[Path, bytes] = defaultdict(bytes)  # a pipe or device may take several
    text = in_form(report, wanted.form, wanted.output)
    if wanted.output:
        contents[wanted.output] += (text + "\n").encode()
    if wanted.image_scores and table:
        contents[wanted.image_scores] += (table.to_csv() + "\n").encode()
    if wanted.save:
        contents[wanted.save] += metric._packed()
    if wanted.plot:
        contents |= {wanted.plot / name: content for name, content in plots(report).items()}
    names = [str(name) for name in table.images[: wanted.list_worst or WORST]] if table and gallery else []
    if wanted.overlay and gallery:
        contents |= {wanted.overlay / file: gallery.overlay(name) for file, name in picture_names(names)}
        warn_of_others(wanted.overlay, contents)
    if wanted.html:
        values = table.mean_iou if table else ()
        shown = zip(names, values, strict=False) if gallery else ()
        worst = [(visible(name), value, gallery.embedded(name)) for name, value in shown if gallery]
        contents[wanted.html] += render.html(report, title=title, label_space=metric.label_space, worst=worst).encode()
    with put(contents, wanted.outputs.folders):
        say(text, report.headline(), wanted.output)
        if wanted.list_worst and table:
            for_program = is_stream(wanted.output) if wanted.output else wanted.form in ("csv", "json")
            echo("\n" + table.to_text(wanted.list_worst), err=for_program)


def picture_names(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The names of the pictures of images, each with that of its image."""
    for i, name in enumerate(names, 1):
        end = name.replace("/", "__").encode()[-200:].decode(errors="ignore")  # a file's name has 255 bytes
        yield f"{i:03d}_{end}.png", name


def warn_of_others(folder: Path, contents: Iterable[Path]) -> None:
    """Warns if a folder holds pictures of an earlier run that are not replaced."""
    there = [path for path in folder.iterdir() if paths.PICTURE.fullmatch(path.name)] if folder.is_dir() else []
    if others := sorted({*there}.difference(contents)):
        number = f"{len(others)} picture{'s' * (len(others) > 1)}"
        warn(
            f"{folder} holds {number} of an earlier run, such as {others[0].name}; remove them, or name another folder."
        )


def say(text: str, headline: str, output: Path | None) -> None:
    """Prints a text, or only its headline where the text goes to a file."""
    if not output:
        echo(text)
    else:
        echo(headline, err=is_stream(output) or sys.stdout is None)


@contextmanager
def put(contents: Mapping[Path, bytes], folders: Iterable[Path] = ()) -> Iterator[None]:
    """Makes folders and writes files once the block has succeeded, all or none; raises ``MaskError`` if one cannot."""
    try:
        with written(contents, folders) as progress:
            click.get_current_context().meta[PROGRESS] = progress
            yield
    except OSError as error:
        raise paths.unwritable(error) from error


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
