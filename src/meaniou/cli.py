"""The command line: two folders of masks -> the report, on the terminal or in a file."""

import dataclasses
import functools
import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from meaniou import __version__, demo, scoring, tables
from meaniou.checks import CHOICES
from meaniou.labels import MAX_CLASSES
from meaniou.protocols import table
from meaniou.report import Report

FOLDER = click.Path(path_type=Path)
FORMS: dict[str, Callable[[Report], str]] = {
    "text": str,
    "markdown": Report.to_markdown,
    "latex": Report.to_latex,
    "csv": Report.to_csv,
    "json": Report.to_json,
}
FORMS_BY_SUFFIX = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
INTERRUPTED = 130  # as the shell reports a command that was ended by Ctrl-C


class ScoreByDefault(click.Group):
    """A group whose first word may be left out when it is ``score``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts ``score`` before arguments that begin with no command of the group."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "--version"):
            args = ["score", *args]
        return super().parse_args(ctx, args)


@click.group(cls=ScoreByDefault)
@click.version_option(__version__)
def main() -> None:
    """Mean Intersection over Union of folders of masks.

    meaniou PRED TARGET --num-classes 21 --ignore-index 255 is short for meaniou score PRED TARGET ...; see
    meaniou score --help. A folder that has the name of a command is written ./score.
    """


def options(*many: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order in which help shows them."""

    def add(command: Any) -> Any:
        return functools.reduce(lambda decorated, option: option(decorated), reversed(many), command)

    return add


SETTINGS = options(
    click.option(
        "--num-classes",
        type=click.IntRange(1, MAX_CLASSES),
        help="Number of classes C; the ids are 0 to C-1. Not needed beside --class-names or --protocol.",
    ),
    click.option(
        "--protocol",
        help="The rules of a benchmark, as meaniou protocols lists them: classes, ids, void, groups and policy. "
        "Options beside it override single rules.",
    ),
    click.option(
        "--pred-ids",
        type=click.Choice(["ids", "classes"]),
        help="Whether predictions hold the ids that the truth holds, or class numbers (0 to C-1; train ids), where "
        "these differ.  [default: ids]",
    ),
    click.option(
        "--ignore-index",
        type=int,
        multiple=True,
        help="An id that is void in the truth and no answer in a prediction; may be given several times.",
    ),
    click.option(
        "--class-names",
        type=FOLDER,
        help="A text file with one name a line, in the order of the classes, or JSON: a list, {id: name}, or a config "
        "with id2label.",
    ),
    click.option(
        "--pred-suffix",
        default="",
        help="End of the names of predictions, such as _pred.png; other files are passed over.",
    ),
    click.option(
        "--target-suffix",
        default="",
        help="The same for truths, such as _gtFine_labelTrainIds.png; the rest is paired.",
    ),
    click.option(
        "--group",
        multiple=True,
        metavar="NAME=CLASS,...",
        help="A group of classes, ids or names, to report; may be given several times. Two get their harmonic mean.",
    ),
    click.option(
        "--unanswered",
        type=click.Choice(CHOICES["unanswered"]),
        help="What a prediction of an ignored id on a valid pixel is.  [default: miss]",
    ),
    click.option(
        "--present",
        type=click.Choice(CHOICES["present"]),
        help="Classes that enter the mean: those in truth or prediction, or in the truth.  [default: union]",
    ),
    click.option(
        "--absent",
        type=click.Choice(CHOICES["absent"]),
        help="What a class that is not present brings to the mean.  [default: skip]",
    ),
)
FORM = options(
    click.option(
        "--format",
        "form",
        type=click.Choice(list(FORMS)),
        help="csv and json hold full fractions, the others percent; unless told, by the end of --output (.csv, .json, "
        ".md, .tex), or text.",
    ),
    click.option("--output", type=FOLDER, help="A file for the report, instead of the terminal."),
)
READING = options(
    click.option(
        "--jobs",
        type=click.IntRange(1),
        default=lambda: min(8, os.cpu_count() or 1),
        show_default="as many as there are cores, up to 8",
        help="Threads that read files; each has one pair in memory.",
    ),
    click.option("--debug", is_flag=True, help="Show where in the code an error arose."),
)


def refusing(command: Callable[..., None]) -> Callable[..., None]:
    """Makes bad input one sentence and status 2, and Ctrl-C status 130; without either with ``--debug``."""

    @functools.wraps(command)
    def refused(*args: Any, debug: bool, **given: Any) -> None:
        try:
            command(*args, **given)
        except (ValueError, TypeError, OSError) as error:
            if debug:
                raise
            _discard_output()
            raise _BadInput(str(error)) from error
        except KeyboardInterrupt:
            if debug:
                raise
            click.echo("Interrupted; nothing was written.", err=True)
            click.get_current_context().exit(INTERRUPTED)

    return refused


@main.command()
@click.argument("pred", type=FOLDER)
@click.argument("target", type=FOLDER)
@SETTINGS
@click.option("--ci", is_flag=True, help="Tell how sure the numbers are: 95 % intervals from images drawn again.")
@click.option("--worst", type=click.IntRange(1), help="List so many images, the worst first.")
@click.option("--per-image", type=FOLDER, help="A CSV file for the mean IoU and that of each class in each image.")
@click.option("--save", type=FOLDER, help="A file for what was counted, which meaniou merge adds to others.")
@FORM
@READING
@refusing
def score(
    pred: Path,
    target: Path,
    group: tuple[str, ...],
    ci: bool,
    worst: int | None,
    per_image: Path | None,
    save: Path | None,
    form: str | None,
    output: Path | None,
    **settings: Any,
) -> None:
    """Score the masks in the folder PRED against those in the folder TARGET, paired by path and name.

    Masks are PNG or TIFF images of one channel that store class ids (palettes too), .npy or .npz.
    """
    job = scoring.Job.of(**settings, per_image=ci or bool(worst) or bool(per_image) or bool(save))
    groups = _groups(group) or None
    job.metric.report(groups=groups)  # a group that is off ends here, not after the last file
    names = job.count(pred, target)
    with _said():
        report = job.metric.report(groups=groups, bootstrap=ci)
    if report.images:
        report = dataclasses.replace(report, images=report.images.named(names))
    if per_image:
        scoring.write(per_image, job.metric.images().to_csv(names))
    if save:
        job.metric.save(save)
    _show(report, form, output)
    if worst:
        click.echo("\n" + job.metric.images().to_text(names, worst))


@main.command()
@click.argument("pred_a", type=FOLDER)
@click.argument("pred_b", type=FOLDER)
@click.argument("target", type=FOLDER)
@SETTINGS
@click.option(
    "--resamples", type=click.IntRange(2), default=1000, show_default=True, help="How often images are drawn."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draws.")
@READING
@refusing
def compare(
    pred_a: Path, pred_b: Path, target: Path, group: tuple[str, ...], resamples: int, seed: int, **settings: Any
) -> None:
    """Tell whether the predictions in PRED_A are better than those in PRED_B, on the same images and truth.

    Both are scored on the same images drawn again and again, so that what is hard for both cancels.
    """
    jobs = [scoring.Job.of(**settings, per_image=True) for _ in "ab"]
    for job, pred in zip(jobs, (pred_a, pred_b), strict=True):
        job.count(pred, target)
    with _said():
        click.echo(scoring.comparison(jobs[0].metric, jobs[1].metric, resamples, seed))


@main.command()
@click.argument("saved", type=FOLDER, nargs=-1, required=True)
@click.option("--group", multiple=True, metavar="NAME=CLASS,...", help="A group of classes, as for meaniou score.")
@click.option("--ci", is_flag=True, help="Tell how sure the numbers are: 95 % intervals from images drawn again.")
@click.option("--save", type=FOLDER, help="A file for the sum of all.")
@FORM
@click.option("--debug", is_flag=True, help="Show where in the code an error arose.")
@refusing
def merge(
    saved: tuple[Path, ...],
    group: tuple[str, ...],
    ci: bool,
    save: Path | None,
    form: str | None,
    output: Path | None,
) -> None:
    """Add what several runs of meaniou score --save counted, such as shards of a job array, and report on the sum."""
    metric = scoring.merged(saved)
    with _said():
        report = metric.report(groups=_groups(group) or None, bootstrap=ci)
    if save:
        metric.save(save)
    _show(report, form, output)


def _show(report: Report, form: str | None, output: Path | None) -> None:
    text = FORMS[form or FORMS_BY_SUFFIX.get(output.suffix.lower() if output else "", "text")](report)
    scoring.write(output, text)


@contextmanager
def _said() -> Iterator[None]:
    """Warnings as lines on the standard error."""
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        yield
    for doubt in doubts:
        click.echo(f"Warning: {doubt.message}", err=True)


def _groups(texts: tuple[str, ...]) -> dict[str, list[int | str]]:
    found: dict[str, list[int | str]] = {}
    for text in texts:
        name, equals, members = text.partition("=")
        if not equals or name in found:
            raise ValueError(f"--group is {text!r}; expected NAME=CLASS,CLASS, such as flat=0,1, and each name once.")
        found[name] = [int(m) if m.strip().isdecimal() else m.strip() for m in members.split(",") if m.strip()]
    return found


def _discard_output() -> None:
    """Sends what could not be written nowhere, or the interpreter would try again when it ends, and complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@main.command(name="protocols")
def list_protocols() -> None:
    """List the benchmarks whose rules --protocol takes."""
    click.echo(tables.text([table()]))


@main.command(name="demo")
@click.argument("folder", type=FOLDER)
@click.option(
    "--images", type=click.IntRange(1), default=8, show_default=True, help="How many street scenes are drawn."
)
def demonstrate(folder: Path, images: int) -> None:
    """Draw street scenes and imperfect predictions into FOLDER, score them, print the command that does it again."""
    try:
        pred, target = demo.write(folder, images)
    except OSError as error:
        raise _BadInput(
            f"{folder} cannot be written ({error.strerror}); expected a folder that can, so name another."
        ) from error
    names = folder / "names.txt"
    words = [str(pred), str(target), "--ignore-index", str(demo.VOID), "--class-names", str(names)]
    click.echo("$ " + shlex.join([sys.executable, "-m", "meaniou", *words]) + "\n")
    score.main(words, standalone_mode=False)


class _BadInput(click.ClickException):
    exit_code = 2
