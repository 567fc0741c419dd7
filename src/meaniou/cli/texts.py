"""The texts of options -> groups of classes and of images; errors -> the sentence that a command prints."""

import re
import warnings
from collections.abc import Callable, Iterable, Mapping

from meaniou._util import short
from meaniou.settings import check_text

LONGEST_ID = 18  # digits; more do not fit into int64


def groups_of(texts: tuple[str, ...]) -> dict[str, list[int | str]] | None:
    """Groups of classes from ``NAME=CLASS,...``; ``None`` where there are none; raises ``ValueError`` for others."""
    found: dict[str, list[int | str]] = {}
    for text in texts:
        check_text("--class-group", text)
        name, equals, members = text.partition("=")
        if not equals or name in found:
            raise ValueError(
                f"--class-group is {short(text)}; expected NAME=CLASS,CLASS, such as flat=0,1, and each name once."
            )
        listed = [member.strip() for member in members.split(",") if member.strip()]
        found[name] = [int(m) if m.isdecimal() and len(m) <= LONGEST_ID else m for m in listed]
    return found or None


def check_pattern(pattern: str | None, drawn: bool = True) -> None:
    """Raises ``ValueError`` if a pattern is no regular expression, or if no images are resampled."""
    if pattern is not None and not drawn:
        raise ValueError("--clusters is for the intervals of --ci, which is not there; pass --ci with it.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about syntax that another version may read differently
            re.compile(pattern or "")
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"--clusters is {short(pattern)}, which is no regular expression ({error}); expected one such as '^[^/]+'."
        ) from error


def grouping(names: Mapping[int, str], pattern: str | None) -> Callable[[int], str] | None:
    """From the id of an image to what a pattern finds in its name; ``None`` without a pattern."""
    return None if pattern is None else lambda number: _group(names.get(number, str(number)), pattern)


def check_groups(names: Iterable[str], pattern: str | None) -> None:
    """Raises ``ValueError`` if a pattern finds nothing in one of the names of images."""
    for name in names if pattern is not None else ():
        _group(name, pattern or "")


def _group(name: str, pattern: str) -> str:
    try:
        if found := re.search(pattern, name):
            return found[0]
    except (RecursionError, MemoryError) as error:
        raise ValueError(
            f"--clusters {short(pattern)} cannot be matched with the name of the image {name}; expected a "
            "simpler pattern."
        ) from error
    raise ValueError(
        f"--clusters {short(pattern)} finds nothing in the name of the image {name}; expected a group for each, so "
        "correct the pattern."
    )


def is_refusal(error: Exception) -> bool:
    """Whether an error comes from bad input or too little memory; all others are faults of the code."""
    return isinstance(error, ValueError | TypeError | OSError | RecursionError) or _lacks_memory(error)


def sentence_of(error: Exception) -> str:
    """The sentence that a command prints for an error."""
    if _lacks_memory(error):
        reason = f" ({error})" if str(error) else ""
        return (
            f"There is not enough memory{reason}; expected maps that fit in it, so pass a smaller --jobs or "
            "--resamples, or crop the maps."
        )
    if isinstance(error, RecursionError):
        return f"Something is nested too deeply ({error}); expected fewer levels, so move the folders up or flatten it."
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename} cannot be used ({error.strerror}); expected a path that can be used, so check it."
    return str(error)


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and "allocate memory" in str(error))
