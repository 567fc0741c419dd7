"""The command line: two folders of masks -> the report, on the terminal or in a file."""

import shlex
import sys
from contextlib import nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from meaniou import __version__, demo, scoring, tables, texts
from meaniou.compared import ComparisonReport
from meaniou.files import printable
from meaniou.options import (
    DEBUG,
    FOLDER,
    FORM,
    GROUP,
    GROUP_IMAGES,
    IMAGES,
    JOBS,
    PICTURES,
    SETTINGS,
    BadInput,
    refusing,
)
from meaniou.protocols import table
from meaniou.team import Team, joined, rank
from meaniou.telling import Wanted, echo, in_form, said, save, tell


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
@PICTURES
@FORM
@JOBS
@DEBUG
@refusing
def score(pred: Path, target: Path, images: Path | None, image_suffix: str, **given: Any) -> None:
    """Score the masks in the folder PRED against those in the folder TARGET, paired by path and name.

    Masks are PNG or TIFF images of one channel that store class ids (palettes too), .npy or .npz. Under torchrun each
    process reads its share of the files.
    """
    wanted, settings = _parted(given)
    if images is not None and not (wanted.overlay or wanted.html):
        raise ValueError("--images is what errors are drawn on; pass --overlay or --html with it.")

    def prepared() -> tuple[scoring.Job, dict[str, Path]]:
        wanted.check()
        job = scoring.Job.of(**settings, per_image=wanted.of_images)
        job.metric.report(groups=texts.groups_of(wanted.group))  # what is off ends here, not after the last file
        return job, scoring.photos(job, images, image_suffix)

    with joined() as team:
        job, photos = team.agree(prepared)
        job.count(pred, target, team)
        if not team.rank:
            pictured = bool(wanted.overlay or wanted.html)
            gallery = scoring.gallery(job, photos) if pictured else None
            tell(job.metric, wanted, gallery, printable(f"{pred} against {target}"))


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
    texts.check_pattern(group_images)
    if target is None and rank():  # the first of several processes has all that is in the files
        return
    with joined() if target is not None else nullcontext(Team()) as team:
        first, second = (
            scoring.saved(pred, settings) if target is None else scoring.counted(pred, target, settings, team)
            for pred in (pred_a, pred_b)
        )
        if team.rank:
            return
        with said():
            groups = texts.grouping(first.image_names, group_images)
            found = ComparisonReport.of(first, second, resamples=resamples, seed=seed, groups=groups)
        text = in_form(found, form, output)
        if output:
            save({output: (text + "\n").encode()}, [])
        else:
            echo(text)


@main.command()
@click.argument("saved", type=FOLDER, nargs=-1, required=True)
@GROUP
@IMAGES
@FORM
@DEBUG
@refusing
def merge(saved: tuple[Path, ...], **given: Any) -> None:
    """Add what several runs of meaniou score --save counted, such as shards of a job array, and report on the sum."""
    wanted, _ = _parted(given)
    wanted.check(saved)
    if not rank():
        tell(scoring.merged(saved), wanted, title=printable(", ".join(map(str, saved))))


def _parted(given: dict[str, Any]) -> tuple[Wanted, dict[str, Any]]:
    """The options that say what is written, and the others."""
    names = {field.name for field in fields(Wanted)}
    wanted = {name: value for name, value in given.items() if name in names}
    return Wanted(**wanted), {name: value for name, value in given.items() if name not in names}


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
