"""The command line: two folders of masks -> the report, on the terminal or as JSON."""

import shlex
import sys
from pathlib import Path

import click

from meaniou import __version__, demo, files
from meaniou.metric import MeanIoU

FOLDER = click.Path(path_type=Path)


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
    """Mean Intersection over Union of folders of masks: meaniou PRED TARGET --num-classes 21 --ignore-index 255"""


@main.command()
@click.argument("pred", type=FOLDER)
@click.argument("target", type=FOLDER)
@click.option("--num-classes", type=click.IntRange(1), required=True, help="Number of classes C; the ids are 0 to C-1.")
@click.option(
    "--ignore-index", type=int, multiple=True, help="An id that is void in the truth; may be given several times."
)
@click.option("--class-names", type=FOLDER, help="A text file with one name a line, in the order of the ids.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json has full fractions.",
)
def score(
    pred: Path, target: Path, num_classes: int, ignore_index: tuple[int, ...], class_names: Path | None, form: str
) -> None:
    """Score the masks in the folder PRED against those in the folder TARGET, paired by name."""
    try:
        names = None if class_names is None else files.names(class_names)
        metric = MeanIoU(num_classes, ignore_index=ignore_index, class_names=names, input_format="index")
        for pair in files.pairs(pred, target):
            labels = files.read(pair)
            try:
                metric.update(*labels)
            except ValueError as error:
                raise files.MaskError(f"{pair.pred} against {pair.target}: {error}") from error
    except (ValueError, TypeError) as error:
        raise _BadInput(str(error)) from error
    report = metric.report()
    click.echo(report.to_json() if form == "json" else str(report))


@main.command(name="demo")
@click.argument("folder", type=FOLDER)
@click.option(
    "--images", type=click.IntRange(1), default=8, show_default=True, help="How many street scenes are drawn."
)
@click.pass_context
def demonstrate(context: click.Context, folder: Path, images: int) -> None:
    """Draw street scenes and imperfect predictions into FOLDER, score them, print the command that does it again."""
    try:
        pred, target = demo.write(folder, images)
    except OSError as error:
        raise _BadInput(
            f"{folder} cannot be written ({error.strerror}); expected a folder that can, so name another."
        ) from error
    names = folder / "names.txt"
    options = ["--num-classes", str(len(demo.NAMES)), "--ignore-index", str(demo.VOID), "--class-names", str(names)]
    click.echo("$ " + shlex.join([sys.executable, "-m", "meaniou", str(pred), str(target), *options]) + "\n")
    context.invoke(
        score,
        pred=pred,
        target=target,
        num_classes=len(demo.NAMES),
        ignore_index=(demo.VOID,),
        class_names=names,
        form="text",
    )


class _BadInput(click.ClickException):
    exit_code = 2
