"""The outputs of a command: the report, files (all or none are written), and warnings."""

import os
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import click

from meaniou._util import Doubt, is_stream, printable, written
from meaniou.cli import paths
from meaniou.cli.options import (
    FORMATS,
    FORMATS_BY_SUFFIX,
    check_clusters,
    cluster_by_name,
    naming_options,
    parse_class_groups,
)
from meaniou.cli.overlays import Gallery
from meaniou.cli.plots import PLOTS, plots
from meaniou.masks import MaskError
from meaniou.metrics import IoUCurve, MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU, to_bytes
from meaniou.page import html
from meaniou.report import WORST, ComparisonReport, CurveReport, ImageTable, Report, columns_of
from meaniou.settings import resolve_class_groups
from meaniou.uncertainty import Resampling

PROGRESS = "meaniou.progress"  # the key of the ``Progress`` of files in a command's context
AnyMetric = MeanIoU | MultilabelMeanIoU | IoUCurve
AnyReport = Report | CurveReport | ComparisonReport


@dataclass(frozen=True)
class OutputOptions:
    """The options about outputs. The help texts are in ``cli.options``."""

    class_group: tuple[str, ...] = ()
    ci: bool = False
    clusters: str | None = None
    list_worst: int | None = None
    image_scores: Path | None = None
    save: Path | None = None
    save_boundary: Path | None = None
    plot: Path | None = None
    html: Path | None = None
    overlay: Path | None = None
    form: str | None = None
    output: Path | None = None

    @property
    def draws_errors(self) -> bool:
        """Whether pictures of errors are drawn."""
        return bool(self.overlay or self.html)

    @property
    def needs_images(self) -> bool:
        """Whether the metrics must keep the counts of each image."""
        return bool(self.ci or self.save or self.save_boundary or self.shows_images)

    @property
    def shows_images(self) -> bool:
        """Whether the scores of images are shown or written."""
        return bool(self.list_worst or self.image_scores or self.draws_errors)

    @property
    def outputs(self) -> paths.Outputs:
        """The paths of all outputs."""
        files = (self.image_scores, self.save, self.save_boundary, self.html, self.output)
        named = tuple(path for path in files if path is not None)
        return paths.Outputs(named, {self.plot: tuple(PLOTS)} if self.plot else {}, self.overlay)

    def check(self, inputs: Iterable[Path] = (), sources: Iterable[paths.Source] = ()) -> None:
        """Raises ``ValueError`` for outputs that would fail once all masks are read, or overwrite an input."""
        if self.clusters is not None and not self.ci:
            raise ValueError("--clusters has no effect without --ci. Add --ci.")
        check_clusters(self.clusters)
        if self.output and self.form is None and self.output.suffix.lower() in (".html", ".htm"):
            raise ValueError(
                f"--output cannot write the HTML file {printable(str(self.output))}. Pass --html FILE (in score and "
                "merge), or choose another format with --format."
            )
        for option, module, extra in (("plot", "matplotlib", "plot"), ("html", "jinja2", "cli")):
            if getattr(self, option) and find_spec(module) is None:
                raise ValueError(f"--{option} needs {module}. Install it with: pip install 'meaniou[{extra}]'.")
        self.outputs.check(inputs, sources)

    def check_classes(self, metric: AnyMetric) -> None:
        """Raises ``ValueError`` if options do not fit the classes or labels."""
        with naming_options():
            resolve_class_groups(metric.label_space, parse_class_groups(self.class_group))
        if self.image_scores:
            columns_of(metric.label_space.class_names)


def report_metric(
    metric: AnyMetric,
    boundary: MeanBoundaryIoU | None,
    options: OutputOptions,
    gallery: Gallery | None = None,
    title: str = "",
) -> None:
    """Writes and prints the requested outputs of a metric; if anything fails, no file is written.

    ``boundary`` is the metric of the bands of the same masks, with ``--boundary``.

    Raises:
        MaskError: if a file or the standard output cannot be written, or a picture cannot be drawn.
        ValueError: if the metric refuses its counts.
    """
    with warnings_to_stderr(), naming_options():
        report: Report | CurveReport
        if isinstance(metric, IoUCurve):
            report, images = metric.report(), None
        else:
            bootstrap = options.ci and Resampling(clusters=cluster_by_name(options.clusters))
            groups = parse_class_groups(options.class_group)
            report = metric.report(class_groups=groups, bootstrap=bootstrap, boundary=boundary)
            images = metric.image_scores() if options.shows_images else None
    contents = render(metric, report, images, options, gallery, title)
    if options.save_boundary and boundary is not None:
        contents[options.save_boundary] += to_bytes(boundary)
    if options.overlay:
        warn_of_others(options.overlay, contents)
    with write_outputs(contents, options.outputs.folders):
        print_report(report, options)
        if images and options.list_worst:
            for_program = is_stream(options.output) if options.output else options.form in ("csv", "json")
            echo("\n" + images.to_text(options.list_worst), err=for_program)


def report_comparison(report: ComparisonReport, options: OutputOptions) -> None:
    """Writes and prints a comparison; raises ``MaskError`` as ``report_metric``."""
    with write_outputs(render_report(report, options)):
        print_report(report, options)


def render(
    metric: AnyMetric,
    report: Report | CurveReport,
    images: ImageTable | None,
    options: OutputOptions,
    gallery: Gallery | None,
    title: str,
) -> defaultdict[Path, bytes]:
    """The contents of all requested files except that of ``--save-boundary``."""
    contents = render_report(report, options)
    if options.image_scores and images:
        contents[options.image_scores] += (images.to_csv() + "\n").encode()
    if options.save:
        contents[options.save] += to_bytes(metric)
    if options.plot:
        contents |= {options.plot / name: content for name, content in plots(report).items()}
    shows_worst = images and (gallery or isinstance(metric, MultilabelMeanIoU))
    names = [str(name) for name in images.images[: options.list_worst or WORST]] if images and shows_worst else []
    if options.overlay and gallery:
        contents |= {options.overlay / file: gallery.overlay(name) for file, name in overlay_files(names)}
    if options.html and isinstance(report, Report):
        scores = zip(names, images.mean_iou, strict=False) if images else ()
        worst = [(printable(name), score, gallery.embedded(name) if gallery else {}) for name, score in scores]
        photos = bool(gallery and gallery.photos)
        page = html(report, title=title, label_space=metric.label_space, worst=worst, photos=photos)
        contents[options.html] += page.encode()
    return contents


def render_report(report: AnyReport, options: OutputOptions) -> defaultdict[Path, bytes]:
    """The content of ``--output``, if requested; several outputs may go to one pipe or device."""
    contents: defaultdict[Path, bytes] = defaultdict(bytes)
    if options.output:
        contents[options.output] += (format_report(report, options) + "\n").encode()
    return contents


def format_report(report: AnyReport, options: OutputOptions) -> str:
    """A report in the requested format, by default that of the suffix of ``--output``."""
    suffix = options.output.suffix.lower() if options.output else ""
    return FORMATS[options.form or FORMATS_BY_SUFFIX.get(suffix, "text")](report)


def print_report(report: AnyReport, options: OutputOptions) -> None:
    """Prints a report, or only its headline where the report goes to a file."""
    if options.output:
        echo(report.headline(), err=is_stream(options.output) or sys.stdout is None)
    else:
        echo(format_report(report, options))


def overlay_files(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The names of the files with the overlays of images, each with the name of its image."""
    for i, name in enumerate(names, 1):
        end = name.replace("/", "__").encode()[-200:].decode(errors="ignore")  # a file's name has 255 bytes
        yield f"{i:03d}_{end}.png", name


def warn_of_others(folder: Path, contents: Iterable[Path]) -> None:
    """Warns if a folder holds pictures of an earlier run that this run does not replace."""
    pictures = [path for path in folder.iterdir() if paths.PICTURE.fullmatch(path.name)] if folder.is_dir() else []
    if others := sorted({*pictures}.difference(contents)):
        number = f"{len(others)} picture{'s' * (len(others) > 1)}"
        warn(
            f"{folder} holds {number} of an earlier run, such as {others[0].name}. Remove them, or choose another "
            "folder."
        )


@contextmanager
def write_outputs(contents: Mapping[Path, bytes], folders: Iterable[Path] = ()) -> Iterator[None]:
    """Creates folders and writes files once the block has succeeded, all or none.

    Raises:
        MaskError: if one of them cannot be written.
    """
    try:
        with written(contents, folders) as progress:
            click.get_current_context().meta[PROGRESS] = progress
            yield
    except OSError as error:
        raise paths.unwritable(error) from error


def echo(text: str, err: bool = False) -> None:
    """Writes a text and a line break to the standard output, or error.

    A pipe that closes early, as after ``| head``, is no failure. Failures of the standard error are ignored.

    Raises:
        MaskError: if the standard output cannot be written.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # closed by the shell
        if err:
            return
        raise MaskError("Cannot write to the standard output: it is closed. Redirect it to a file, or pass --output.")
    try:
        click.echo(printable(text, kept="\n\t") if stream.isatty() else text, err=err)
    except BrokenPipeError:
        discard_pending()
    except UnicodeEncodeError as error:
        raise MaskError(
            f"The standard output has the encoding {error.encoding}, which lacks {error.object[error.start]!r}. Set "
            "PYTHONIOENCODING=utf-8, or pass --output."
        ) from error
    except OSError as error:
        if not err:
            raise MaskError(
                f"Cannot write to the standard output: {error.strerror}. Redirect it to a file, or pass --output."
            ) from error
        discard_pending()


def warn(sentence: str) -> None:
    """Prints a warning on the standard error."""
    echo(f"Warning: {printable(sentence)}", err=True)


@contextmanager
def warnings_to_stderr() -> Iterator[None]:
    """Prints the warnings of the block as lines on the standard error, each once."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    messages = [warning.message for warning in caught]
    for sentence in dict.fromkeys(m.as_options() if isinstance(m, Doubt) else str(m) for m in messages):
        warn(sentence)


def discard_pending() -> None:
    """Drops output that cannot be written; otherwise the interpreter would try again at its end, and print an error."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError), Path(os.devnull).open("w") as null:  # some streams have no descriptor
                os.dup2(null.fileno(), stream.fileno())
