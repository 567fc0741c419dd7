"""Lines on the standard output and error of a command, also where these are closed or full."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

from meaniou._util import Doubt, as_options, visible
from meaniou.masks import MaskError

ADVICE = "expected a terminal, a pipe that is read, or a file with room, so redirect it there"


def echo(text: str, err: bool = False) -> None:
    """Writes a text and a line break to the standard output, or error.

    A pipe that closes early, as after ``| head``, is no failure. Faults of the standard error are ignored.

    Raises:
        MaskError: if the standard output cannot be written.
    """
    stream = sys.stderr if err else sys.stdout
    if stream is None:  # closed by the shell
        if err:
            return
        raise MaskError(f"The standard output is closed; {ADVICE}, or pass --output.")
    try:
        click.echo(visible(text, kept="\n\t") if stream.isatty() else text, err=err)
    except BrokenPipeError:
        discard()
    except UnicodeEncodeError as error:
        raise MaskError(
            f"The standard output is {error.encoding}, which lacks {error.object[error.start]!r}; expected UTF-8, so "
            "set PYTHONIOENCODING=utf-8, or pass --output."
        ) from error
    except OSError as error:
        if not err:
            raise MaskError(f"The standard output cannot be written ({error.strerror}); {ADVICE}.") from error
        discard()


def warn(sentence: str) -> None:
    """Prints a warning on the standard error."""
    echo(f"Warning: {visible(sentence)}", err=True)


@contextmanager
def said() -> Iterator[None]:
    """Prints the warnings of the block as lines on the standard error, each once."""
    with warnings.catch_warnings(record=True) as doubts:
        warnings.simplefilter("always")
        yield
    messages = [doubt.message for doubt in doubts]
    for sentence in dict.fromkeys(as_options(m.sentence) if isinstance(m, Doubt) else str(m) for m in messages):
        warn(sentence)


def discard() -> None:
    """Drops output that cannot be written, or the interpreter would try again when it ends, and complain."""
    for stream in filter(None, (sys.stdout, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            with suppress(OSError), Path(os.devnull).open("w") as nowhere:  # some streams have no descriptor
                os.dup2(nowhere.fileno(), stream.fileno())
