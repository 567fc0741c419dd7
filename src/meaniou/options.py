"""What the commands share: their options, and how bad input and Ctrl-C are told."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import click

from meaniou import team
from meaniou.checks import CHOICES, MAX_CLASSES
from meaniou.errors import MAX_PIXELS
from meaniou.telling import FORMS, PROGRESS
from meaniou.terminal import discard, echo
from meaniou.texts import is_refusal, sentence_of
from meaniou.visible import visible

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
        help="An id that is no answer in predictions alone, instead of those of --ignore-index or --protocol; may be "
        "given several times.",
    ),
    click.option(
        "--class-names",
        type=FOLDER,
        help="A text file with one name a line, in the order of the classes, or JSON: a list, {id: name}, or a config "
        "with id2label.",
    ),
    click.option(
        "--pred-suffix",
        default="",
        help="End of the names of predictions, such as _pred.png; other files are passed over.",
    ),
    click.option(
        "--target-suffix",
        default="",
        help="The same for truths, such as _gtFine_labelTrainIds.png; the rest is paired.",
    ),
    click.option(
        "--unanswered",
        type=click.Choice(CHOICES["unanswered"]),
        help="What a prediction of an ignored id on a valid pixel is.  [default: miss]",
    ),
    click.option(
        "--present",
        type=click.Choice(CHOICES["present"]),
        help="Classes that enter the mean: those in truth or prediction, or in the truth.  [default: union]",
    ),
    click.option(
        "--absent",
        type=click.Choice(CHOICES["absent"]),
        help="What a class that is not present brings to the mean.  [default: skip]",
    ),
)
GROUP = click.option(
    "--group",
    multiple=True,
    metavar="NAME=CLASS,...",
    help="A group of classes, ids or names, to report; may be given several times. Two get their harmonic mean.",
)
GROUP_IMAGES = click.option(
    "--group-images",
    metavar="PATTERN",
    help="Images that are alike (of one patient, scene or sequence) are drawn together: those in whose names this "
    "regular expression finds the same text, such as '^[^/]+' for the first folder.",
)
IMAGES = options(
    click.option("--ci", is_flag=True, help="Tell how sure the numbers are: 95 % intervals from images drawn again."),
    GROUP_IMAGES,
    click.option("--worst", type=click.IntRange(1), help="List so many images, the worst first."),
    click.option("--per-image", type=FOLDER, help="A CSV file for the mean IoU and that of each class in each image."),
    click.option("--save", type=FOLDER, help="A file for what was counted, for meaniou merge and meaniou compare."),
    click.option("--plot", type=FOLDER, help="A folder for confusion.png and classes.png; needs matplotlib."),
    click.option("--html", type=FOLDER, help="A file for one page with everything, which needs no network."),
)
PICTURES = options(
    click.option(
        "--overlay",
        type=FOLDER,
        help="A folder for pictures of the worst images (10, or as many as --worst says): truth, prediction, errors.",
    ),
    click.option("--images", type=FOLDER, help="The images themselves, for --overlay and --html to draw errors on."),
    click.option("--image-suffix", default="", help="End of the names of images, such as _leftImg8bit.png."),
)
FORM = options(
    click.option(
        "--format",
        "form",
        type=click.Choice(list(FORMS)),
        help="csv and json hold full fractions, the others percent; unless told, by the end of --output (.csv, .json, "
        ".md, .tex), or text.",
    ),
    click.option("--output", type=FOLDER, help="A file for the report; the terminal then shows its mean alone."),
)
JOBS = options(
    click.option(
        "--jobs",
        type=click.IntRange(1),
        default=team.jobs,
        show_default="as many as there are cores, up to 8",
        help="Threads that read files; each has one pair in memory.",
    ),
    click.option(
        "--max-pixels",
        type=click.IntRange(1),
        show_default=f"{MAX_PIXELS}, which are 16,384 x 16,384",
        help="Refuse larger masks, since a small file may unpack to more than the memory holds.",
    ),
)
DEBUG = click.option("--debug", is_flag=True, help="Show where in the code an error arose.")


class BadInput(click.ClickException):
    """What a command ends with when its input is refused."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Says it on one line of the standard error."""
        echo(f"Error: {visible(self.message)}", err=True)


def refusing(command: Callable[..., None]) -> Callable[..., None]:
    """Makes bad input one sentence and status 2, and Ctrl-C status 130; without either with ``--debug``."""

    @functools.wraps(command)
    def refused(*args: Any, debug: bool, **given: Any) -> None:
        try:
            command(*args, **given)
        except Exception as error:
            if debug or not is_refusal(error):
                raise
            discard()
            if team.rank():  # the first of several processes says it, since all agree
                click.get_current_context().exit(BadInput.exit_code)
            raise BadInput(sentence_of(error)) from error
        except KeyboardInterrupt:
            if debug:
                raise
            context = click.get_current_context()
            progress = context.meta.get(PROGRESS)
            if not team.rank():
                done = "all was written" if progress and progress.complete else "nothing was written"
                echo(f"Interrupted; {done}.", err=True)
            context.exit(INTERRUPTED)

    return refused
