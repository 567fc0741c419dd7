"""What the commands share: their options, and how bad input and Ctrl-C end them."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import click

from meaniou._util import visible
from meaniou.cli import workers
from meaniou.cli.output import FORMS, PROGRESS
from meaniou.cli.terminal import discard, echo
from meaniou.cli.texts import is_refusal, sentence_of
from meaniou.masks import MAX_PIXELS
from meaniou.settings import CHOICES, MAX_CLASSES

FOLDER = click.Path(path_type=Path)
INTERRUPTED = 130  # as the shell reports a command that was ended by Ctrl-C


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
        type=click.Choice(list(FORMS)),
        help="csv and json hold full fractions, the others percent.  [default: by the suffix of --output (.csv, .json, "
        ".md, .tex), else text]",
    ),
    click.option("--output", type=FOLDER, help="A file for the report; the terminal then shows only the mean IoU."),
)
JOBS = options(
    click.option(
        "--jobs",
        type=click.IntRange(1),
        default=workers.jobs,
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


class BadInput(click.ClickException):
    """Ends a command with one sentence and status 2, since its input is refused."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the sentence as one line on the standard error."""
        echo(f"Error: {visible(self.message)}", err=True)


def refusing(command: Callable[..., None]) -> Callable[..., None]:
    """Turns bad input into one sentence and status 2, and Ctrl-C into status 130; with ``--debug`` both raise."""

    @functools.wraps(command)
    def refused(*args: Any, debug: bool, **given: Any) -> None:
        try:
            command(*args, **given)
        except Exception as error:
            if debug or not is_refusal(error):
                raise
            discard()
            if workers.rank():  # the first of several processes says it, since all agree
                click.get_current_context().exit(BadInput.exit_code)
            raise BadInput(sentence_of(error)) from error
        except KeyboardInterrupt:
            if debug:
                raise
            context = click.get_current_context()
            progress = context.meta.get(PROGRESS)
            if not workers.rank():
                done = "all was written" if progress and progress.complete else "nothing was written"
                echo(f"Interrupted; {done}.", err=True)
            context.exit(INTERRUPTED)

    return refused
