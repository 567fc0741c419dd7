"""The options of the commands, and what the texts of some of them stand for."""

import functools
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import fields
from operator import methodcaller
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from meaniou._util import quoted
from meaniou.cli.workers import default_reader_threads
from meaniou.masks import MAX_PIXELS
from meaniou.settings import CHOICES, MAX_CLASSES, check_text

FORMATS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "markdown": methodcaller("to_markdown"),
    "latex": methodcaller("to_latex"),
    "csv": methodcaller("to_csv"),
    "json": methodcaller("to_json"),
}
FORMATS_BY_SUFFIX = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
LONGEST_ID = 18  # digits; more do not fit into int64
FOLDER = click.Path(path_type=Path)


def options(*several: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several options as one decorator, in the order in which help shows them."""

    def add(command: Any) -> Any:
        return functools.reduce(lambda decorated, option: option(decorated), reversed(several), command)

    return add


def collect(**records: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Passes the options that are fields of a dataclass to a command as one argument, by its name here."""

    def add(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def collected(**values: Any) -> None:
            for argument, record in records.items():
                names = [field.name for field in fields(record) if field.name in values]
                values[argument] = record(**{name: values.pop(name) for name in names})
            command(**values)

        return collected

    return add


def first_option_passed(record: type[Any]) -> str:
    """The first option of the running command that was passed and is a field of a dataclass, or nothing."""
    context = click.get_current_context()
    names = {field.name for field in fields(record)}
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name in names and source not in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
            return option.opts[0]
    return ""


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
        "--pred-void",
        type=int,
        multiple=True,
        help="An id that is no answer in predictions only; replaces the ids of --ignore-index or --protocol there. May "
        "be given several times.",
    ),
    click.option(
        "--class-names",
        type=FOLDER,
        help="A text file with one name per line, in the order of the classes, or JSON: a list, {id: name}, or a "
        "config with id2label.",
    ),
    click.option(
        "--pred-suffix",
        default="",
        help="How file names of predictions end, such as _pred.png; other files are skipped.",
    ),
    click.option(
        "--target-suffix",
        default="",
        help="The same for the truth, such as _gtFine_labelTrainIds.png; the rest of each name is paired.",
    ),
    click.option(
        "--void-preds",
        type=click.Choice(CHOICES["void_preds"]),
        help="How a prediction of an ignored id on a valid pixel counts: as a miss of the true class, as a void pixel "
        "(drop), or as an error.  [default: that of --protocol, or miss]",
    ),
    click.option(
        "--present",
        type=click.Choice(CHOICES["present"]),
        help="Classes that enter the mean: those in truth or prediction (union), or in the truth (target).  "
        "[default: that of --protocol, or union]",
    ),
    click.option(
        "--absent",
        type=click.Choice(CHOICES["absent"]),
        help="How a class that is not present enters the mean: not at all (skip), or as 0, 1 or NaN.  "
        "[default: that of --protocol, or skip]",
    ),
)
CLASS_GROUP = click.option(
    "--class-group",
    multiple=True,
    metavar="NAME=CLASS,...",
    help="A group of classes to report, by ids or names; may be given several times. Two groups also get a harmonic "
    "mean.",
)
CLUSTERS = click.option(
    "--clusters",
    metavar="PATTERN",
    help="A regular expression that finds the group of an image in its name, such as '^[^/]+' for the first folder. "
    "Images of one group (a patient, scene or sequence) are resampled together.",
)
IMAGES = options(
    click.option("--ci", is_flag=True, help="Show how sure the numbers are: 95 % bootstrap intervals over the images."),
    CLUSTERS,
    click.option("--list-worst", type=click.IntRange(1), help="List this many images, the worst first."),
    click.option(
        "--image-scores", type=FOLDER, help="A CSV file for the mean IoU and the IoU of each class in each image."
    ),
    click.option("--save", type=FOLDER, help="A file for the counts, which meaniou merge and meaniou compare read."),
    click.option("--plot", type=FOLDER, help="A folder for confusion.png and classes.png; needs matplotlib."),
    click.option("--html", type=FOLDER, help="A file for one HTML page with everything, which needs no network."),
)
PICTURES = options(
    click.option(
        "--overlay",
        type=FOLDER,
        help="A folder for pictures of the worst images (10, or --list-worst many): truth, prediction, errors.",
    ),
    click.option("--photos", type=FOLDER, help="A folder of the images, on which --overlay and --html draw errors."),
    click.option("--photo-suffix", default="", help="How file names of images end, such as _leftImg8bit.png."),
)
FORM = options(
    click.option(
        "--format",
        "form",
        type=click.Choice(list(FORMATS)),
        help="csv and json hold full fractions, the others percent.  [default: by the suffix of --output (.csv, .json, "
        ".md, .tex), else text]",
    ),
    click.option("--output", type=FOLDER, help="A file for the report; the terminal then shows only the mean IoU."),
)
JOBS = options(
    click.option(
        "--jobs",
        type=click.IntRange(1),
        default=default_reader_threads,
        show_default="as many as there are cores, up to 8",
        help="Threads that read files; each holds one pair of masks in memory.",
    ),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        show_default=f"{MAX_PIXELS} = 16,384 x 16,384",
        help="Refuse masks of more pixels, since a small file may unpack to more than the memory holds.",
    ),
)
DEBUG = click.option("--debug", is_flag=True, help="Show the traceback of an error.")


def parse_class_groups(texts: Iterable[str]) -> dict[str, list[int | str]] | None:
    """Groups of classes from ``NAME=CLASS,...``; ``None`` where there are none; raises ``ValueError`` for others."""
    groups: dict[str, list[int | str]] = {}
    for text in texts:
        check_text("--class-group", text)
        name, equals, classes = text.partition("=")
        if not equals or name in groups:
            raise ValueError(
                f"--class-group is {quoted(text)}; expected NAME=CLASS,CLASS, such as flat=0,1, and each name once."
            )
        members = [member.strip() for member in classes.split(",") if member.strip()]
        groups[name] = [int(m) if m.isdecimal() and len(m) <= LONGEST_ID else m for m in members]
    return groups or None


def check_clusters(pattern: str | None) -> None:
    """Raises ``ValueError`` if the pattern of ``--clusters`` is no regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about syntax that another version may read differently
            re.compile(pattern or "")
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"--clusters is {quoted(pattern)}, which is no regular expression ({error}); expected one such as '^[^/]+'."
        ) from error


def check_clusters_match(pattern: str | None, names: Iterable[str]) -> None:
    """Raises ``ValueError`` if a pattern matches no part of one of the names of images."""
    if pattern is not None:
        for name in names:
            _cluster(name, pattern)


def cluster_by_name(pattern: str | None) -> Callable[[int | str], str] | None:
    """From the name of an image to the part of it that a pattern matches; ``None`` without a pattern."""
    return None if pattern is None else lambda name: _cluster(str(name), pattern)


def _cluster(name: str, pattern: str) -> str:
    try:
        if match := re.search(pattern, name):
            return match[0]
    except (RecursionError, MemoryError) as error:
        raise ValueError(
            f"--clusters {quoted(pattern)} cannot be matched with the name of the image {name}; expected a "
            "simpler pattern."
        ) from error
    raise ValueError(
        f"--clusters {quoted(pattern)} finds nothing in the name of the image {name}; expected a group for each, so "
        "correct the pattern."
    )
