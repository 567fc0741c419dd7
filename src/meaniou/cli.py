"""The command line: two folders of masks -> the report, on the terminal or in a file."""

import os
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import torch
from PIL import Image

from meaniou import __version__, demo, files, tables
from meaniou.checks import CHOICES
from meaniou.labels import MAX_CLASSES
from meaniou.metric import MeanIoU
from meaniou.names import names_of, read
from meaniou.outside import OutsideError
from meaniou.protocols import get, table
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


@main.command()
@click.argument("pred", type=FOLDER)
@click.argument("target", type=FOLDER)
@click.option(
    "--num-classes",
    type=click.IntRange(1, MAX_CLASSES),
    help="Number of classes C; the ids are 0 to C-1. Not needed beside --class-names or --protocol.",
)
@click.option(
    "--protocol",
    help="The rules of a benchmark, as meaniou protocols lists them: classes, ids, void, groups and policy. Options "
    "beside it override single rules.",
)
@click.option(
    "--pred-ids",
    type=click.Choice(["ids", "classes"]),
    help="Whether predictions hold the ids that the truth holds, or class numbers (0 to C-1; train ids), where these "
    "differ.  [default: ids]",
)
@click.option(
    "--ignore-index",
    type=int,
    multiple=True,
    help="An id that is void in the truth and no answer in a prediction; may be given several times.",
)
@click.option(
    "--class-names",
    type=FOLDER,
    help="A text file with one name a line, in the order of the classes, or JSON: a list, {id: name}, or a config with "
    "id2label.",
)
@click.option(
    "--pred-suffix", default="", help="End of the names of predictions, such as _pred.png; other files are passed over."
)
@click.option(
    "--target-suffix",
    default="",
    help="The same for truths, such as _gtFine_labelTrainIds.png; the rest is paired.",
)
@click.option(
    "--group",
    multiple=True,
    metavar="NAME=CLASS,...",
    help="A group of classes, ids or names, to report; may be given several times. Two get their harmonic mean too.",
)
@click.option(
    "--unanswered",
    type=click.Choice(CHOICES["unanswered"]),
    help="What a prediction of an ignored id on a valid pixel is.  [default: miss]",
)
@click.option(
    "--present",
    type=click.Choice(CHOICES["present"]),
    help="Classes that enter the mean: those in truth or prediction, or in the truth.  [default: union]",
)
@click.option(
    "--absent",
    type=click.Choice(CHOICES["absent"]),
    help="What a class that is not present brings to the mean.  [default: skip]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(FORMS)),
    help="csv and json hold full fractions, the others percent; unless told, by the end of --output (.csv, .json, .md, "
    ".tex), or text.",
)
@click.option("--output", type=FOLDER, help="A file for the report, instead of the terminal.")
@click.option(
    "--jobs",
    type=click.IntRange(1),
    default=lambda: min(8, os.cpu_count() or 1),
    show_default="as many as there are cores, up to 8",
    help="Threads that read files; each has one pair in memory.",
)
@click.option("--debug", is_flag=True, help="Show where in the code an error arose.")
@click.pass_context
def score(context: click.Context, /, debug: bool, **options: Any) -> None:
    """Score the masks in the folder PRED against those in the folder TARGET, paired by path and name.

    Masks are PNG or TIFF images of one channel that store class ids (palettes too), .npy or .npz.
    """
    try:
        _score(**options)
    except (ValueError, TypeError, OSError) as error:
        if debug:
            raise
        _discard_output()
        raise _BadInput(str(error)) from error
    except KeyboardInterrupt:
        if debug:
            raise
        click.echo("Interrupted; nothing was written.", err=True)
        context.exit(INTERRUPTED)


def _score(
    pred: Path,
    target: Path,
    num_classes: int | None,
    protocol: str | None,
    ignore_index: tuple[int, ...],
    class_names: Path | None,
    pred_suffix: str,
    target_suffix: str,
    group: tuple[str, ...],
    form: str | None,
    output: Path | None,
    jobs: int,
    **policy: Any,
) -> None:
    rules = None if protocol is None else get(protocol)
    number = num_classes or (rules.space.num_classes if rules else None)
    names = None if class_names is None else _names(class_names, number)
    if num_classes is None and names is None and rules is None:
        raise ValueError(
            "The number of classes is not known; pass --num-classes, --class-names with one name a line, or --protocol."
        )
    metric = MeanIoU(
        num_classes or (None if rules else len(names or ())),
        protocol=rules,
        ignore_index=ignore_index or None,
        class_names=names,
        input_format="index",
        **policy,
    )
    groups = _groups(group) or None
    metric.report(groups=groups)  # a group that is off ends here, not after the last file
    key = ""
    if rules and rules.target_suffix and not target_suffix and files.holds(target, rules.target_suffix):
        target_suffix, key = rules.target_suffix, rules.file_key
    found = files.pairs(pred, target, pred_suffix, target_suffix, key)
    if pred.samefile(target) and pred_suffix == target_suffix:
        click.echo(f"Warning: {pred} and {target} are the same folder, so each mask is its own truth.", err=True)
    with _one_thread(), _progress(len(found)) as advance:
        for pair, preds, truth in files.read_all(found, jobs):
            _update(metric, pair, preds, truth, class_names)
            advance(1)
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        report = metric.report(groups=groups)
    for doubt in doubts:
        click.echo(f"Warning: {doubt.message}", err=True)
    text = FORMS[form or FORMS_BY_SUFFIX.get(output.suffix.lower() if output else "", "text")](report)
    try:
        if output is None:
            click.echo(text)
        elif output.exists() and not output.is_file():  # a pipe or a device is no file to be replaced
            output.write_text(text + "\n", encoding="utf-8")
        else:
            _write(output.resolve(), text + "\n")
    except OSError as error:
        raise files.MaskError(
            f"{output or 'The standard output'} cannot be written ({error.strerror}); expected a folder that is there, "
            "with room, and may be written to, so make it or name another by --output."
        ) from error


def _update(
    metric: MeanIoU, pair: files.Pair, preds: torch.Tensor, truth: torch.Tensor, class_names: Path | None
) -> None:
    try:
        metric.update(preds, truth)
    except OutsideError as error:
        path = pair.pred if error.of_preds else pair.target
        cures = {
            "binary": "save it as ids 0 and 1 if 255 is the foreground of a binary mask; otherwise ",
            "train ids": "if it holds class numbers (train ids), pass --pred-ids classes; otherwise "
            if error.of_preds
            else "if it holds class numbers (train ids), take a protocol for these; otherwise ",
        }
        hint = f"{error.hint}; otherwise " if error.hint else cures.get(error.looks_like, "")
        more = f"name all classes in {class_names}" if class_names else "set --num-classes to all classes"
        raise files.MaskError(
            f"{path} {error.fact}; {hint}{more}, pass --ignore-index if such labels are {error.ignored}, or mend the "
            "file."
        ) from error
    except (TypeError, ValueError) as error:
        raise files.MaskError(f"{pair.pred} against {pair.target}: {error}") from error


def _names(path: Path, num_classes: int | None) -> tuple[str, ...]:
    try:
        found = read(path)
    except (OSError, UnicodeDecodeError) as error:
        raise files.MaskError(
            f"{path} cannot be read ({error}); expected a text file with one class name a line."
        ) from error
    if num_classes not in (None, len(found)):
        raise ValueError(
            f"{path} holds {len(found)} names and there are {num_classes} classes; expected one name a class, so mend "
            "the file, or leave out what says the number."
        )
    return names_of(found, len(found))


def _groups(texts: tuple[str, ...]) -> dict[str, list[int | str]]:
    found: dict[str, list[int | str]] = {}
    for text in texts:
        name, equals, members = text.partition("=")
        if not equals or name in found:
            raise ValueError(f"--group is {text!r}; expected NAME=CLASS,CLASS, such as flat=0,1, and each name once.")
        found[name] = [int(m) if m.strip().isdecimal() else m.strip() for m in members.split(",") if m.strip()]
    return found


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch's own threads would take the cores from those that decode; large images are meant."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            yield
    finally:
        torch.set_num_threads(threads)


@contextmanager
def _progress(pairs: int) -> Iterator[Callable[[int], None]]:
    """A bar on a terminal, nothing in a pipe."""
    with click.progressbar(length=pairs, label="masks", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        yield bar.update


def _write(output: Path, text: str) -> None:
    """Writes aside and renames, so that the file is whole or not there."""
    aside = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8", newline="\n")
        aside.replace(output)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


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
