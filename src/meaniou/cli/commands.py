"""The commands of the command line, and how they end on bad input, Ctrl-C and closed pipes."""

import functools
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import click

from meaniou import __version__
from meaniou._util import printable, tables
from meaniou.cli import demo
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
    check_clusters,
    check_clusters_match,
    cluster_by_name,
    collect,
)
from meaniou.cli.output import (
    PROGRESS,
    OutputOptions,
    discard_pending,
    echo,
    report_comparison,
    report_metric,
    warnings_to_stderr,
)
from meaniou.cli.overlays import Gallery
from meaniou.cli.paths import Source
from meaniou.cli.score_run import MaskOptions, ScoreRun, load_for_comparison, merge_saved
from meaniou.cli.workers import Workers, init_workers, is_refusal, rank, sentence_of
from meaniou.masks import PHOTOS
from meaniou.metrics import MeanIoU, comparison_report
from meaniou.protocols import table
from meaniou.synthetic import VOID
from meaniou.uncertainty import MAX_RESAMPLES, RESAMPLES, Resampling

INTERRUPTED = 130  # as the shell reports a command that was ended by Ctrl-C


class BadInput(click.ClickException):
    """Ends a command with one sentence and status 2, since its input is refused."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the sentence as one line on the standard error."""
        echo(f"Error: {printable(self.message)}", err=True)


def refusing(command: Callable[..., None]) -> Callable[..., None]:
    """Turns bad input into one sentence and status 2, and Ctrl-C into status 130; with ``--debug`` both raise."""

    @functools.wraps(command)
    def refused(debug: bool, **values: Any) -> None:
        context = click.get_current_context()
        try:
            command(**values)
        except Exception as error:
            if debug or not is_refusal(error):
                raise
            discard_pending()
            if rank():  # the first of several processes says it, since all agree
                context.exit(BadInput.exit_code)
            raise BadInput(sentence_of(error)) from error
        except KeyboardInterrupt:
            if debug:
                raise
            progress = context.meta.get(PROGRESS)
            if not rank():
                done = "all was written" if progress and progress.complete else "nothing was written"
                echo(f"Interrupted; {done}.", err=True)
            context.exit(INTERRUPTED)

    return refused


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
        discard_pending()
        raise click.exceptions.Exit(0) from error
    except click.UsageError as error:
        raise click.UsageError(printable(error.format_message(), kept="\n"), error.ctx) from error


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
@collect(masks=MaskOptions, options=OutputOptions)
def score(
    pred: Path, target: Path, photos: Path | None, photo_suffix: str, masks: MaskOptions, options: OutputOptions
) -> None:
    """Score the masks in the folder PRED against those in the folder TARGET, paired by path and name.

    Masks are PNG or TIFF images of one channel that store class ids (palettes too), .npy or .npz. Under torchrun each
    process reads its share of the files.
    """
    if photos is not None and not options.draws_errors:
        raise ValueError("--photos is the folder of photos to draw errors on; pass --overlay or --html with it.")

    def prepare(workers: Workers) -> tuple[ScoreRun, Gallery | None]:
        """Refuses bad options and paths before the first mask is read."""
        if not workers.rank:  # other machines need not have the folders of outputs
            folders = [Source(photos, PHOTOS, photo_suffix)] if photos else []
            options.check(masks.files, [*masks.sources([pred], target), *folders])
        run = ScoreRun(masks, per_image=options.needs_images)
        options.check_classes(run.metric)
        if photos:
            run.find_photos(photos, photo_suffix)
        run.find_masks(pred, target, workers)
        check_clusters_match(options.clusters, run.pairs)
        if not workers.rank:
            options.outputs.check_inputs(run.inputs)
        return run, run.gallery() if options.draws_errors else None

    with init_workers() as workers:
        run, gallery = workers.run_on_all_or_fail(lambda: prepare(workers))
        metric = run.count(workers)
        if not workers.rank:
            report_metric(metric, options, gallery, printable(f"{pred} against {target}"))


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
@collect(masks=MaskOptions, options=OutputOptions)
def compare(
    pred_a: Path,
    pred_b: Path,
    target: Path | None,
    resamples: int,
    seed: int,
    masks: MaskOptions,
    options: OutputOptions,
) -> None:
    """Tell whether the predictions in PRED_A are better than those in PRED_B, on the same images and truth.

    Images are resampled, and both are scored on the same resamples, so that images that are hard for both cancel.
    Without TARGET, PRED_A and PRED_B are files that meaniou score --save wrote.
    """
    check_clusters(options.clusters)
    preds = [pred_a, pred_b]
    if target is None and rank():  # saved files hold all counts, so one process compares them
        return
    with init_workers() if target is not None else nullcontext(Workers()) as workers:
        if target is None:
            options.outputs.check(preds)
            a, b = (load_for_comparison(path) for path in preds)
        else:
            a, b = _count_all(preds, target, masks, options, workers)
        if workers.rank:
            return
        with warnings_to_stderr():
            clusters = cluster_by_name(options.clusters)
            names = [printable(str(pred)) for pred in preds]
            resampling = Resampling(resamples=resamples, seed=seed, clusters=clusters)
            report = comparison_report(a, b, names, resampling)
        report_comparison(report, options)


def _count_all(
    preds: list[Path], target: Path, masks: MaskOptions, options: OutputOptions, workers: Workers
) -> list[MeanIoU]:
    """A metric for each folder of predictions; bad options and paths are refused before the first mask is read."""

    def prepare() -> list[ScoreRun]:
        if not workers.rank:
            options.outputs.check(masks.files, masks.sources(preds, target))
        runs = [ScoreRun(masks, per_image=True) for _ in preds]
        for run, pred in zip(runs, preds, strict=True):
            run.find_masks(pred, target, workers)
            check_clusters_match(options.clusters, run.pairs)
            if not workers.rank:
                options.outputs.check_inputs(run.inputs)
        return runs

    return [run.count(workers) for run in workers.run_on_all_or_fail(prepare)]


@main.command()
@click.argument("saved", type=FOLDER, nargs=-1, required=True)
@CLASS_GROUP
@IMAGES
@FORM
@DEBUG
@refusing
@collect(options=OutputOptions)
def merge(saved: tuple[Path, ...], options: OutputOptions) -> None:
    """Add the counts in files of meaniou score --save, such as shards of a job array, and report the sum."""
    if not rank():
        options.check(saved)
        report_metric(merge_saved(saved), options, title=printable(", ".join(map(str, saved))))


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
