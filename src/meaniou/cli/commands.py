"""The command line: two folders of masks -> the report, on the terminal or in a file."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from meaniou import __version__
from meaniou._util import tables, visible
from meaniou.cli import demo, score_run, texts
from meaniou.cli.options import (
    CLASS_GROUP,
    CLUSTERS,
    DEBUG,
    FOLDER,
    FORM,
    IMAGES,
    JOBS,
    PICTURES,
    SETTINGS,
    BadInput,
    refusing,
)
from meaniou.cli.output import Wanted, in_form, put, say, tell
from meaniou.cli.overlays import Gallery
from meaniou.cli.paths import Outputs
from meaniou.cli.terminal import discard, echo, said
from meaniou.cli.workers import Team, joined, rank
from meaniou.metrics import ComparisonReport
from meaniou.protocols import table
from meaniou.synthetic import VOID
from meaniou.uncertainty import MAX_RESAMPLES, RESAMPLES


class Commands(click.Group):
    """A group whose first word may be left out when it is ``score``."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As in click, but a pipe that closes early is no error."""
        with _piped():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """As in click, but a pipe that closes early is no error."""
        with _piped():
            return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Adds ``score`` where the first argument is no command."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "--version"):
            args = ["score", *args]
        return super().parse_args(ctx, args)


@contextmanager
def _piped() -> Iterator[None]:
    """Ends with status 0 if a pipe closes early, as after ``| head``; escapes control characters in usage errors."""
    try:
        yield
    except BrokenPipeError as error:
        discard()
        raise click.exceptions.Exit(0) from error
    except click.UsageError as error:
        raise click.UsageError(visible(error.format_message(), kept="\n"), error.ctx) from error


@click.group(cls=Commands)
@click.version_option(__version__)
def main() -> None:
    """Mean Intersection over Union of folders of masks.

    meaniou PRED TARGET --num-classes 21 --ignore-index 255 is short for meaniou score PRED TARGET ...; see
    meaniou score --help. If a folder has the name of a command, write it as ./score.
    """


@main.command()
@click.argument("pred", type=FOLDER)
@click.argument("target", type=FOLDER)
@SETTINGS
@CLASS_GROUP
@IMAGES
@PICTURES
@FORM
@JOBS
@DEBUG
@refusing
def score(pred: Path, target: Path, photos: Path | None, photo_suffix: str, **given: Any) -> None:
    """Score the masks in the folder PRED against those in the folder TARGET, paired by path and name.

    Masks are PNG or TIFF images of one channel that store class ids (palettes too), .npy or .npz. Under torchrun each
    process reads its share of the files.
    """
    wanted, settings = _parted(given)
    if photos is not None and not (wanted.overlay or wanted.html):
        raise ValueError("--photos is the folder of photos to draw errors on; pass --overlay or --html with it.")

    def prepared() -> tuple[score_run.Job, Gallery | None]:
        """Refuses bad options and paths before the first mask is read."""
        if not team.rank:  # other machines need not have the folders of outputs
            ends = (settings["pred_suffix"], settings["target_suffix"], photo_suffix)
            wanted.check(_given(settings["class_names"]), score_run.sources([pred], target, photos, *ends))
        job = score_run.Job.of(**settings, per_image=wanted.of_images)
        wanted.check_settings(job.metric)
        job.photos = score_run.photos(job, photos, photo_suffix)
        job.find(pred, target, team)
        texts.check_groups(job.pairs, wanted.clusters)
        if not team.rank:
            wanted.outputs.check_read(job.read)
        return job, score_run.gallery(job) if wanted.overlay or wanted.html else None

    with joined() as team:
        job, gallery = team.agree(prepared)
        job.count(team)
        if not team.rank:
            tell(job.metric, wanted, gallery, visible(f"{pred} against {target}"))


@main.command()
@click.argument("pred_a", type=FOLDER)
@click.argument("pred_b", type=FOLDER)
@click.argument("target", type=FOLDER, required=False)
@SETTINGS
@click.option(
    "--resamples",
    type=click.IntRange(2, MAX_RESAMPLES),
    default=RESAMPLES,
    show_default=True,
    help="How often the images are resampled.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the resampling.")
@CLUSTERS
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
    clusters: str | None,
    form: str | None,
    output: Path | None,
    **settings: Any,
) -> None:
    """Tell whether the predictions in PRED_A are better than those in PRED_B, on the same images and truth.

    Images are resampled, and both are scored on the same resamples, so that images that are hard for both cancel.
    Without TARGET, PRED_A and PRED_B are files that meaniou score --save wrote.
    """
    outputs = Outputs(_given(output))

    def found() -> list[score_run.Job]:
        """Refuses bad options and paths before the first mask is read."""
        assert target is not None
        if not team.rank:
            ends = {name: settings[name] for name in ("pred_suffix", "target_suffix")}
            outputs.check(_given(settings["class_names"]), score_run.sources([pred_a, pred_b], target, **ends))
        jobs = [score_run.Job.of(**settings, per_image=True) for _ in range(2)]
        for job, pred in zip(jobs, (pred_a, pred_b), strict=True):
            job.find(pred, target, team)
            texts.check_groups(job.pairs, clusters)
            if not team.rank:
                outputs.check_read(job.read)
        return jobs

    texts.check_pattern(clusters)
    if target is None and rank():  # the first of several processes has all that is in the files
        return
    with joined() if target is not None else nullcontext(Team()) as team:
        if target is None:
            outputs.check([pred_a, pred_b])
            first, second = (score_run.saved(pred, settings) for pred in (pred_a, pred_b))
        else:
            first, second = (job.count(team) for job in team.agree(found))
        if team.rank:
            return
        with said():
            groups = texts.grouping(first.image_names, clusters)
            names = [visible(str(pred)) for pred in (pred_a, pred_b)]
            report = ComparisonReport.of(first, second, names, resamples=resamples, seed=seed, clusters=groups)
        text = in_form(report, form, output)
        with put({output: (text + "\n").encode()} if output else {}):
            say(text, report.headline(), output)


@main.command()
@click.argument("saved", type=FOLDER, nargs=-1, required=True)
@CLASS_GROUP
@IMAGES
@FORM
@DEBUG
@refusing
def merge(saved: tuple[Path, ...], **given: Any) -> None:
    """Add the counts in files of meaniou score --save, such as shards of a job array, and report the sum."""
    wanted, _ = _parted(given)
    if not rank():
        wanted.check(saved)
        tell(score_run.merged(saved), wanted, title=visible(", ".join(map(str, saved))))


def _given(*paths: Path | None) -> tuple[Path, ...]:
    """The paths without ``None``."""
    return tuple(path for path in paths if path is not None)


def _parted(given: dict[str, Any]) -> tuple[Wanted, dict[str, Any]]:
    """The options that say what is written, and the others."""
    names = {field.name for field in fields(Wanted)}
    wanted = {name: value for name, value in given.items() if name in names}
    return Wanted(**wanted), {name: value for name, value in given.items() if name not in names}


@main.command(name="protocols")
def list_protocols() -> None:
    """List the benchmarks whose rules --protocol takes."""
    echo(tables.text([table()]))


@main.command(name="demo")
@click.argument("folder", type=FOLDER)
@click.option("--images", type=click.IntRange(1), default=8, show_default=True, help="Number of street scenes.")
def demonstrate(folder: Path, images: int) -> None:
    """Draw street scenes with imperfect predictions into FOLDER, score them, and print the command that did it."""
    try:
        pred, target = demo.write(folder, images)
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be written ({error.strerror}); expected a folder that can, so name another."
        ) from error
    names = folder / "names.txt"
    words = [str(pred), str(target), "--ignore-index", str(VOID), "--class-names", str(names)]
    echo("$ " + shlex.join([sys.executable, "-m", "meaniou", *words]) + "\n")
    score.main(words, standalone_mode=False)
