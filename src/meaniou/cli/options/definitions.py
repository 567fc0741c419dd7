"""The options of the commands, each in its section of the help."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import methodcaller
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from meaniou.cli.options.help import options_of
from meaniou.cli.workers import default_reader_threads
from meaniou.masks import MAX_PIXELS
from meaniou.settings import CHOICES, MAX_CLASSES
from meaniou.uncertainty import MAX_RESAMPLES, RESAMPLES

FORMATS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "markdown": methodcaller("to_markdown"),
    "latex": methodcaller("to_latex"),
    "csv": methodcaller("to_csv"),
    "json": methodcaller("to_json"),
}
FORMATS_BY_SUFFIX = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
PATH = click.Path(path_type=Path)


class Integer(click.IntRange):
    """An integer in a range, by that name in errors."""

    name = "integer"


def options(*several: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order in which help shows them."""

    def add(command: Any) -> Any:
        return functools.reduce(lambda decorated, option: option(decorated), reversed(several), command)

    return add


def collect(**records: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Passes options to a command as dataclasses: ``collect(name=Record)`` collects the options that ``Record`` has."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def collected(**values: Any) -> None:
            for argument, record in records.items():
                names = [field.name for field in fields(record) if field.name in values]
                values[argument] = record(**{name: values.pop(name) for name in names})
            command(**values)

        return collected

    return add


def refuse_options(refused: type[Any] | Mapping[str, str], sentence: str) -> None:
    """Raises ``ValueError`` if one of these options was passed on the command line.

    Args:
        refused: the options: a dataclass whose fields have their names, or a reason for each name.
        sentence: the message, with ``{option}`` for the first of them that was passed, and ``{reason}`` for its reason.
    """
    context = click.get_current_context()
    reasons = refused if isinstance(refused, Mapping) else {field.name: "" for field in fields(refused)}
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in reasons and source not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
            raise ValueError(sentence.replace("{option}", option.opts[0]).replace("{reason}", reasons[option.name]))


CLASSES, RULES, INPUT = options_of("Classes"), options_of("Rules"), options_of("Input")
UNCERTAINTY, OUTPUT, PICTURES = options_of("Uncertainty"), options_of("Output"), options_of("Pictures")

SETTINGS = options(
    CLASSES(
        "--num-classes",
        type=Integer(1, MAX_CLASSES),
        metavar="C",
        help=f"Number of classes (at most {MAX_CLASSES:,}); masks hold the class numbers 0 to C-1.",
    ),
    CLASSES(
        "--class-names",
        type=PATH,
        metavar="FILE",
        help="Class names in class order: a text file with one name per line, or JSON (a list, an object {id: name}, "
        "or a model configuration with id2label). It also sets the number of classes.",
    ),
    CLASSES(
        "--protocol",
        metavar="NAME",
        help='Classes, ids, void ids and rules of a benchmark; "meaniou protocols" lists the names. Other options '
        "override single rules.",
    ),
    CLASSES(
        "--ignore-index",
        type=int,
        multiple=True,
        metavar="ID",
        help="Id of void pixels in the ground truth, which are ignored. A prediction of this id is a void prediction; "
        "see --void-preds. Repeatable.",
    ),
    CLASSES(
        "--pred-void",
        type=int,
        multiple=True,
        metavar="ID",
        help="Id of void predictions. It replaces --ignore-index and the void ids of --protocol for predictions. "
        "Repeatable.",
    ),
    CLASSES(
        "--pred-ids",
        type=click.Choice(["ids", "classes"]),
        help="Whether predictions hold the same ids as the ground truth (ids) or class numbers 0 to C-1 (classes); "
        "for a --protocol with ids of its own.  [default: that of --protocol]",
    ),
    RULES(
        "--void-preds",
        type=click.Choice(CHOICES["void_preds"]),
        help="Void predictions on valid pixels count as misses (miss), are ignored like void pixels (drop), or end the "
        "command (error).  [default: that of --protocol, or miss]",
    ),
    RULES(
        "--present",
        type=click.Choice(CHOICES["present"]),
        help="Classes that enter the mean: those in the ground truth or the predictions (union), or only those in the "
        "ground truth (target).  [default: that of --protocol, or union]",
    ),
    RULES(
        "--absent",
        type=click.Choice(CHOICES["absent"]),
        help="An absent class is left out of the mean (skip), or enters it as 0, 1 or NaN.  [default: that of "
        "--protocol, or skip]",
    ),
    INPUT(
        "--pred-suffix",
        default="",
        metavar="SUFFIX",
        help="Ending of the names of predictions, for example _pred.png. The rest of the name pairs the files; files "
        "with other endings are skipped.",
    ),
    INPUT(
        "--target-suffix",
        default="",
        metavar="SUFFIX",
        help="The same for the ground truth, for example _gtFine_labelTrainIds.png.",
    ),
    INPUT(
        "--jobs",
        type=Integer(1),
        default=default_reader_threads,
        metavar="N",
        help="Number of threads that read files. Each holds one pair of masks in memory.  [default: number of cores, "
        "at most 8]",
    ),
    INPUT(
        "--max-pixels",
        type=Integer(1),
        metavar="N",
        help="Largest number of pixels in a mask; a small compressed file can unpack to more than fits in memory.  "
        f"[default: {MAX_PIXELS} = 16,384 x 16,384]",
    ),
)
CLUSTERS = UNCERTAINTY(
    "--clusters",
    metavar="PATTERN",
    help="Regular expression that finds the cluster (patient, scene, sequence) in the name of an image, for example "
    "'^[^/]+' for the first folder. Images of a cluster are resampled together.",
)
CI = options(
    UNCERTAINTY("--ci", is_flag=True, help="Report 95 % bootstrap confidence intervals over images."),
    CLUSTERS,
)
RESAMPLING = options(
    UNCERTAINTY(
        "--resamples",
        type=Integer(2, MAX_RESAMPLES),
        default=RESAMPLES,
        show_default=True,
        metavar="N",
        help="Number of bootstrap resamples of the images.",
    ),
    UNCERTAINTY("--seed", type=Integer(0), default=0, show_default=True, metavar="N", help="Seed of the resampling."),
    CLUSTERS,
)
FORM = options(
    OUTPUT(
        "--format",
        "form",
        type=click.Choice(list(FORMATS)),
        help="Format of the report: percent with two decimals, or unrounded ratios in csv and json.  [default: by the "
        "suffix of --output (.csv, .json, .md, .tex), else text]",
    ),
    OUTPUT(
        "--output",
        type=PATH,
        metavar="FILE",
        help="Write the report to a file; the terminal shows only the headline.",
    ),
)
REPORT = options(
    FORM,
    OUTPUT(
        "--class-group",
        multiple=True,
        metavar="NAME=CLASS,...",
        help="Group of classes to report beside the classes, by class numbers or names, for example "
        "flat=road,sidewalk. "
        "Repeatable; two groups also get a harmonic mean.",
    ),
    OUTPUT("--list-worst", type=Integer(1), metavar="N", help="List the N images with the lowest mean IoU."),
    OUTPUT(
        "--image-scores",
        type=PATH,
        metavar="FILE",
        help="Write a CSV file with the mean IoU and the IoU of each class in each image.",
    ),
    OUTPUT("--save", type=PATH, metavar="FILE", help='Save the counts for "meaniou merge" and "meaniou compare".'),
    OUTPUT(
        "--save-boundary",
        type=PATH,
        metavar="FILE",
        help="Save the counts of --boundary, which --save does not hold.",
    ),
)
PLOTS = options(
    PICTURES(
        "--html", type=PATH, metavar="FILE", help="Write the whole report as one HTML file, which needs no network."
    ),
    PICTURES(
        "--plot",
        type=PATH,
        metavar="FOLDER",
        help="Draw confusion.png and classes.png into a folder, with --multilabel only classes.png, with --curve "
        "curve.png, with several --boundary also boundary.png, the boundary IoU over the widths (needs matplotlib).",
    ),
)
OVERLAYS = options(
    PICTURES(
        "--overlay",
        type=PATH,
        metavar="FOLDER",
        help="Draw ground truth, prediction and errors of the worst images (10, or the N of --list-worst) into a "
        "folder, with --boundary also the errors in the bands of its first width.",
    ),
    PICTURES(
        "--photos",
        type=PATH,
        metavar="FOLDER",
        help="Folder of the photos; --overlay and --html draw the errors on them.",
    ),
    PICTURES(
        "--photo-suffix",
        default="",
        metavar="SUFFIX",
        help="Ending of the names of photos, for example _leftImg8bit.png.",
    ),
)
DEBUG = options_of("Other")("--debug", is_flag=True, help="Show the traceback of an error.")
