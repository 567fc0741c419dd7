"""The commands of the command line."""

import shlex
import sys
from contextlib import nullcontext
from pathlib import Path

import click

from meaniou import __version__
from meaniou._util import printable, tables
from meaniou.cli.commands import demo
from meaniou.cli.commands.group import BadInput, Commands, refusing
from meaniou.cli.options import (
    BOUNDARY,
    BOUNDARY_TEST,
    CI,
    CURVE,
    DEBUG,
    FORM,
    MULTILABEL,
    OVERLAYS,
    PATH,
    PLOTS,
    REPORT,
    RESAMPLING,
    SETTINGS,
    Integer,
    SectionCommand,
    check_clusters,
    check_clusters_match,
    cluster_by_name,
    collect,
    naming_options,
    options_of,
)
from meaniou.cli.output import (
    OutputOptions,
    echo,
    report_comparison,
    report_metric,
    warnings_to_stderr,
)
from meaniou.cli.overlays import Gallery
from meaniou.cli.paths import Source, unwritable
from meaniou.cli.runs import (
    BoundaryOptions,
    ClassRun,
    LabelOptions,
    MaskOptions,
    Run,
    RunOptions,
    count_all,
    load_for_comparison,
    merge_saved,
    refuse_saved_files,
    refuse_target_of_saved_files,
    start_run,
)
from meaniou.cli.workers import Workers, init_workers, rank
from meaniou.masks import PHOTOS
from meaniou.metrics import comparison_report
from meaniou.protocols import table
from meaniou.synthetic import VOID
from meaniou.uncertainty import Resampling


@click.group("meaniou", cls=Commands)
@click.version_option(__version__)
def main() -> None:
    """Compute the exact mean IoU of folders of segmentation masks.

    Score the predictions in the folder PRED against the ground truth in the folder TARGET:

    \b
      meaniou PRED TARGET --num-classes 21 --ignore-index 255

    This is short for "meaniou score PRED TARGET ...". Write ./merge for a folder that has the name of a command.
    """


@main.command(cls=SectionCommand)
@click.argument("pred", type=PATH)
@click.argument("target", type=PATH)
@SETTINGS
@MULTILABEL
@CURVE
@BOUNDARY
@REPORT
@CI
@PLOTS
@OVERLAYS
@DEBUG
@refusing
@collect(masks=MaskOptions, labels=LabelOptions, bands=BoundaryOptions, options=OutputOptions)
def score(
    pred: Path,
    target: Path,
    photos: Path | None,
    photo_suffix: str,
    masks: MaskOptions,
    labels: LabelOptions,
    bands: BoundaryOptions,
    options: OutputOptions,
) -> None:
    """Score a folder of predictions against the ground truth.

    \b
    PRED    folder of predicted masks
    TARGET  folder of ground-truth masks

    Masks are paired by relative path and name. A mask stores class ids in one channel: PNG (greyscale or palette),
    TIFF, .npy or .npz. If a pixel can have several labels, pass --multilabel. Under torchrun, each process reads a
    share of the files.
    """
    refuse_saved_files(pred, target)
    of_run = RunOptions(masks, labels, bands)
    of_run.check()
    if photos is not None and not options.draws_errors:
        raise ValueError("--photos has no effect without --overlay or --html. Add one of them.")
    if photo_suffix and photos is None:
        raise ValueError("--photo-suffix has no effect without --photos. Add --photos.")

    def prepare(workers: Workers) -> tuple[Run, Gallery | None]:
        """Checks options and paths before the first mask is read."""
        if not workers.rank:  # other machines need not have the output folders
            folders = [Source(photos, PHOTOS, photo_suffix)] if photos else []
            options.check(masks.files, [*masks.sources([pred], target), *folders])
        run = start_run(of_run, per_image=options.needs_images)
        if photos and isinstance(run, ClassRun):
            run.find_photos(photos, photo_suffix)
        run.find_masks(pred, target, workers)
        options.check_classes(run.metric)
        check_clusters_match(options.clusters, run.pairs)
        if not workers.rank:
            options.outputs.check_inputs(run.inputs)
        return run, run.gallery() if options.draws_errors else None

    with init_workers() as workers:
        run, gallery = workers.run_on_all_or_fail(lambda: prepare(workers))
        metric = run.count(workers)
        if not workers.rank:
            report_metric(metric, run.boundary, options, gallery, printable(f"{pred} against {target}"))


@main.command(cls=SectionCommand)
@click.argument("pred_a", type=PATH)
@click.argument("pred_b", type=PATH)
@click.argument("target", type=PATH, required=False)
@SETTINGS
@MULTILABEL
@BOUNDARY_TEST
@RESAMPLING
@FORM
@DEBUG
@refusing
@collect(masks=MaskOptions, labels=LabelOptions, bands=BoundaryOptions, options=OutputOptions)
def compare(
    pred_a: Path,
    pred_b: Path,
    target: Path | None,
    resamples: int,
    seed: int,
    masks: MaskOptions,
    labels: LabelOptions,
    bands: BoundaryOptions,
    options: OutputOptions,
) -> None:
    """Test which of two models is better on the same images.

    \b
    PRED_A  folder of predicted masks, or a file of "meaniou score --save"
    PRED_B  the same for the second model
    TARGET  folder of ground-truth masks; left out with saved files

    A paired bootstrap test over images: both models are scored on the same resamples, so that images that are hard for
    both cancel out. If the names of the two models end differently, score each with --save and compare the saved files.
    """
    check_clusters(options.clusters)
    preds = [pred_a, pred_b]
    refuse_target_of_saved_files(preds, target)
    if target is None and rank():  # saved files hold all counts, so one process compares them
        return
    with init_workers() if target is not None else nullcontext(Workers()) as workers:
        if target is None:
            options.outputs.check(preds)
            a, b = load_for_comparison(preds, bands)
        else:
            of_runs = RunOptions(masks, labels, bands)
            of_runs.check()
            a, b = count_all(preds, target, of_runs, options, workers)
        if workers.rank:
            return
        names = [printable(str(pred)) for pred in preds]
        resampling = Resampling(resamples=resamples, seed=seed, clusters=cluster_by_name(options.clusters))
        with warnings_to_stderr(), naming_options(f"Cannot compare {names[0]} (a) and {names[1]} (b): "):
            report = comparison_report(a, b, names, resampling)
        report_comparison(report, options)


@main.command(cls=SectionCommand)
@click.argument("saved", type=PATH, nargs=-1, required=True)
@REPORT
@CI
@PLOTS
@DEBUG
@refusing
@collect(options=OutputOptions)
def merge(saved: tuple[Path, ...], options: OutputOptions) -> None:
    """Add up saved counts and report on the total.

    \b
    SAVED  files of "meaniou score --save", for example one per job of an array

    All runs must have the same classes or labels, and the same rules. Add the files of --save-boundary to report the
    boundary IoU, too.
    """
    if not rank():
        options.check(saved)
        with warnings_to_stderr():
            metric, boundary = merge_saved(saved)
        report_metric(metric, boundary, options, title=printable(", ".join(map(str, saved))))


@main.command("protocols", cls=SectionCommand)
def list_protocols() -> None:
    """List the benchmark protocols for --protocol."""
    echo(tables.text([table()]))


@main.command("demo", cls=SectionCommand)
@click.argument("folder", type=PATH)
@options_of("Other")(
    "--images", type=Integer(1), default=8, show_default=True, metavar="N", help="Number of street scenes."
)
def demonstrate(folder: Path, images: int) -> None:
    """Draw example masks and score them.

    \b
    FOLDER  new or empty folder for the masks (pred, target) and names.txt

    Also prints the command that scores them. FOLDER/labels gets labels that overlap, for --multilabel.
    """
    try:
        pred, target = demo.write(folder, images)
    except OSError as error:
        if error.filename2:
            raise BadInput(f"{folder} already contains {error.filename2}. Choose an empty or new folder.") from error
        raise BadInput(str(unwritable(error))) from error
    names = folder / "names.txt"
    words = [str(pred), str(target), "--ignore-index", str(VOID), "--class-names", str(names)]
    echo("$ " + shlex.join([sys.executable, "-m", "meaniou", *words]) + "\n")
    score.main(words, standalone_mode=False)
