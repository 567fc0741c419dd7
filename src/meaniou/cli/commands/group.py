"""The group of commands, with the exit status after bad input, Ctrl-C and closed pipes."""

import difflib
import functools
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

import click

from meaniou._util import printable, quoted
from meaniou.cli.options import HELP_OPTIONS, SectionGroup
from meaniou.cli.output import PROGRESS, discard_pending, echo
from meaniou.cli.workers import is_refusal, rank, sentence_of

NO_CURVE = re.compile(r"[Nn]o such option:? '?--(curve|thresholds)\b")
INTERRUPTED = 130  # the exit status of a shell for a command that Ctrl-C has ended


class BadInput(click.ClickException):
    """Ends a command with a one-line error and status 2."""

    exit_code = 2

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the error as one line on the standard error."""
        echo(f"Error: {printable(self.message)}", err=True)


def refusing(command: Callable[..., None]) -> Callable[..., None]:
    """Turns bad input into a one-line error and status 2, and Ctrl-C into status 130; with ``--debug`` both raise."""

    @functools.wraps(command)
    def refused(debug: bool, **values: Any) -> None:
        context = click.get_current_context()
        try:
            command(**values)
        except Exception as error:
            if debug or not is_refusal(error):
                raise
            discard_pending()
            if rank():  # all processes have the same error, and the first one prints it
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


class Commands(SectionGroup):
    """A group whose default command is ``score``."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """As in click, but a pipe that closes early is not an error."""
        with _piped():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """As in click, but a pipe that closes early is not an error."""
        with _piped():
            return super().invoke(ctx)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Adds ``score`` if the first argument is not a command."""
        if args and args[0] not in (*self.commands, *HELP_OPTIONS, "--version"):
            similar = difflib.get_close_matches(args[0], self.commands)
            if similar and not os.path.exists(args[0]):  # noqa: PTH110, which is also for names that are too long
                ctx.fail(f"There is no command or folder {quoted(args[0])}. Did you mean {similar[0]!r}?")
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
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        if rank():  # as for bad input
            raise click.exceptions.Exit(error.exit_code) from error
        message = error.format_message()
        if error.ctx is not None and error.ctx.info_name == "score" and "unexpected extra argument" in message:
            message = message.rstrip(".") + '. To compare two models, write "meaniou compare PRED_A PRED_B TARGET".'
        if error.ctx is not None and error.ctx.info_name == "compare" and NO_CURVE.search(message):
            message = 'An IoU curve keeps no counts of images to compare. Run "meaniou score --curve" for each model.'
        raise click.UsageError(printable(message, kept="\n"), error.ctx) from error
