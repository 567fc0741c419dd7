"""Values of options (groups of classes, clusters of images), and options in errors of the library."""

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise

from meaniou._util import quoted
from meaniou.settings import check_text

LONGEST_LABEL = 18  # digits; more do not fit into int64
# Settings whose options have other names.
RENAMED = {"width": "boundary", "void": "boundary-void", "edge": "no-boundary-edge"}
# Settings in an error of the library, such as ignore_index=255, which are options here; quoted text is the user's.
SETTING = re.compile(
    r"(?P<quoted>(?<!\w)(?P<quote>['\"])(?:\\.|(?!(?P=quote)).)*(?P=quote))|"
    r"(?P<name>\b(?:num_classes|num_labels|class_names|ignore_index|pred_void|pred_ids|void_preds|threshold(?==))"
    r"|^(?:protocol|thresholds?|width)"
    r"|(?<=differ in )(?:present|absent|thresholds?|inclusive|width|void|edge))\b"
    r"(?:='?(?P<value>-?\w+(?:\.\d+)?)'?(?: or '(?P<other>\w+)')?)?"
)


@contextmanager
def naming_options(beginning: str = "") -> Iterator[None]:
    """Rewrites errors of the library in the block: a beginning, then the error with options in place of keywords."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(beginning + naming(str(error))) from error


def naming(text: str) -> str:
    """A message of the library with options in place of keywords."""
    return SETTING.sub(_option, text)


def _option(setting: re.Match[str]) -> str:
    if setting["quoted"]:
        return setting[0]
    value = " or ".join(filter(None, (setting["value"], setting["other"])))
    name = RENAMED.get(setting["name"], setting["name"].replace("_", "-"))
    return f"--{name} {value}".rstrip()


def parse_thresholds(text: str | None) -> int | tuple[float, ...]:
    """The thresholds of ``--thresholds``: a number of even ones, or ascending values; by default 101.

    Raises:
        ValueError: if the text is neither.
    """
    if text is None:
        return 101
    example = "--thresholds 101 or --thresholds 0.35,0.4,0.45"
    if text.strip().isdecimal() and len(text.strip()) <= LONGEST_LABEL:
        return int(text)
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(
            f"--thresholds {quoted(text)} is neither a number nor a list of thresholds. Write for example {example}."
        ) from error
    if not all(low < high for low, high in pairwise((float("-inf"), *values, float("inf")))):
        raise ValueError(
            f"--thresholds {quoted(text)} does not hold ascending, finite thresholds. Write for example {example}."
        )
    return values


def parse_widths(texts: Iterable[str]) -> tuple[int | float, ...]:
    """The widths of ``--boundary``: whole numbers of pixels, or shares of the diagonal.

    Raises:
        ValueError: if a text is not a number.
    """
    return tuple(map(_width, texts))


def _width(text: str) -> int | float:
    try:
        return int(text) if re.fullmatch(r"\s*[+-]?\d+\s*", text) else float(text)
    except ValueError as error:
        raise ValueError(
            f"--boundary {quoted(text)} is no number. Write a share of the diagonal, such as 0.02, or a whole number "
            "of pixels."
        ) from error


def parse_class_groups(texts: Iterable[str]) -> dict[str, list[int | str]] | None:
    """Groups of classes from ``NAME=CLASS,...``; ``None`` without any.

    Raises:
        ValueError: if a text has another form, or a name comes twice.
    """
    groups: dict[str, list[int | str]] = {}
    for text in texts:
        check_text("--class-group", text)
        name, equals, classes = text.partition("=")
        if not equals:
            raise ValueError(f'--class-group {quoted(text)} has no "=". Write NAME=CLASS,..., for example flat=0,1.')
        if not name:
            raise ValueError(f"--class-group {quoted(text)} has no name. Write NAME=CLASS,..., for example flat=0,1.")
        if name in groups:
            raise ValueError(
                f"--class-group defines the group {quoted(name)} twice. List all its classes in one option."
            )
        members = [member.strip() for member in classes.split(",") if member.strip()]
        groups[name] = [int(m) if m.isdecimal() and len(m) <= LONGEST_LABEL else m for m in members]
    return groups or None


def check_clusters(pattern: str | None) -> None:
    """Raises ``ValueError`` if the pattern of ``--clusters`` is not a regular expression."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # about syntax that another version may read differently
            re.compile(pattern or "")
    except (re.error, RecursionError, OverflowError, MemoryError) as error:
        raise ValueError(
            f"--clusters {quoted(pattern)} is not a regular expression: {error}. For example, '^[^/]+' matches the "
            "first folder of a name."
        ) from error


def check_clusters_match(pattern: str | None, names: Iterable[str]) -> None:
    """Raises ``ValueError`` if a pattern matches no part of one of the names of images."""
    if pattern is not None:
        for name in names:
            _cluster(name, pattern)


def cluster_by_name(pattern: str | None) -> Callable[[int | str], str] | None:
    """A function from the name of an image to the part that a pattern matches; ``None`` without a pattern."""
    return None if pattern is None else lambda name: _cluster(str(name), pattern)


def _cluster(name: str, pattern: str) -> str:
    try:
        if match := re.search(pattern, name):
            return match[0]
    except (RecursionError, MemoryError) as error:
        raise ValueError(
            f"--clusters {quoted(pattern)} is too complex to match with the image name {name}. Use a simpler pattern."
        ) from error
    raise ValueError(
        f"--clusters {quoted(pattern)} matches no part of the image name {name}. Use a pattern that matches every name."
    )
