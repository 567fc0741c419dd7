"""The command line: two folders of masks -> the report, on the terminal or in a file."""

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from meaniou import __version__, demo, scoring, tables
from meaniou.compared import ComparisonReport
from meaniou.metric import MeanIoU
from meaniou.options import (
    DEBUG,
    FOLDER,
    FORM,
    GROUP,
    GROUP_IMAGES,
    IMAGES,
    JOBS,
    SETTINGS,
    BadInput,
    groups_of,
    refusing,
    said,
    show,
)
from meaniou.protocols import table


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
@SETTINGS
@GROUP
@IMAGES
@FORM
@JOBS
@DEBUG
@refusing
def score(
    pred: Path,
    target: Path,
    group: tuple[str, ...],
    ci: bool,
    worst: int | None,
    per_image: Path | None,
    save: Path | None,
    group_images: str | None,
    form: str | None,
    output: Path | None,
    **settings: Any,
) -> None:
    """Score the masks in the folder PRED against those in the folder TARGET, paired by path and name.

    Masks are PNG or TIFF images of one channel that store class ids (palettes too), .npy or .npz.
    """
    job = scoring.Job.of(**settings, per_image=ci or bool(worst) or bool(per_image) or bool(save))
    job.metric.report(groups=groups_of(group))  # a group that is off ends here, not after the last file
    scoring.check_pattern(group_images, ci)
    job.count(pred, target)
    _tell(job.metric, group, ci, worst, per_image, save, group_images, form, output)


@main.command()
@click.argument("pred_a", type=FOLDER)
@click.argument("pred_b", type=FOLDER)
@click.argument("target", type=FOLDER, required=False)
@SETTINGS
@click.option(
    "--resamples", type=click.IntRange(2), default=1000, show_default=True, help="How often images are drawn."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the draws.")
@GROUP_IMAGES
@FORM
@JOBS
@DEBUG
@refusing
def compare(
    pred_a: Path,
    pred_b: Path,
    target: Path | None,
    resamples: int,
    seed: int,
    group_images: str | None,
    form: str | None,
    output: Path | None,
    **settings: Any,
) -> None:
    """Tell whether the predictions in PRED_A are better than those in PRED_B, on the same images and truth.

    Both are scored on the same images drawn again and again, so that what is hard for both cancels. Without TARGET,
    both are files of meaniou score --save.
    """
    scoring.check_pattern(group_images)
    first, second = (
        scoring.saved(pred, settings) if target is None else scoring.counted(pred, target, settings)
        for pred in (pred_a, pred_b)
    )
    with said():
        groups = scoring.grouping(first, group_images)
        show(ComparisonReport.of(first, second, resamples=resamples, seed=seed, groups=groups), form, output)


@main.command()
@click.argument("saved", type=FOLDER, nargs=-1, required=True)
@GROUP
@IMAGES
@FORM
@DEBUG
@refusing
def merge(saved: tuple[Path, ...], **wanted: Any) -> None:
    """Add what several runs of meaniou score --save counted, such as shards of a job array, and report on the sum."""
    scoring.check_pattern(wanted["group_images"], wanted["ci"])
    _tell(scoring.merged(saved), **wanted)


def _tell(
    metric: MeanIoU,
    group: tuple[str, ...],
    ci: bool,
    worst: int | None,
    per_image: Path | None,
    save: Path | None,
    group_images: str | None,
    form: str | None,
    output: Path | None,
) -> None:
    """Writes all that was asked for of a metric that has counted."""
    with said():
        bootstrap = {"groups": scoring.grouping(metric, group_images)} if ci else False
        report = metric.report(groups=groups_of(group), bootstrap=bootstrap)
    if per_image:
        scoring.write(per_image, metric.images().to_csv())
    if save:
        metric.save(save)
    show(report, form, output)
    if worst:
        click.echo("\n" + metric.images().to_text(worst))


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
        raise BadInput(
            f"{folder} cannot be written ({error.strerror}); expected a folder that can, so name another."
        ) from error
    names = folder / "names.txt"
    words = [str(pred), str(target), "--ignore-index", str(demo.VOID), "--class-names", str(names)]
    click.echo("$ " + shlex.join([sys.executable, "-m", "meaniou", *words]) + "\n")
    score.main(words, standalone_mode=False)
