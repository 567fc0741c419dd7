"""Text for messages: without control characters, and not too long."""

import re
from collections.abc import Iterable
from itertools import islice

# C0, DEL and C1 controls, line and paragraph separators, the controls of writing direction (Unicode annex 9), and
# halves of surrogate pairs, which UTF-8 cannot encode.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
SHOWN = 80  # characters of a value that a message quotes
LONGEST = 200  # characters of a name, or of a text of another library, in a message
LISTED = 10  # names in a message


def printable(text: str, kept: str = "") -> str:
    """The text with control characters escaped as in Python, such as ``\\x1b``; those in ``kept`` stay."""
    return CONTROLS.sub(lambda c: c[0] if c[0] in kept else c[0].encode("unicode_escape").decode(), text)


def quoted(value: object) -> str:
    """The ``repr`` of a value on one line, cut off after 80 characters."""
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."


def kind_of(value: object) -> str:
    """The type of a value with its article, such as ``"an int"``; ``"None"`` for ``None``."""
    name = type(value).__name__
    return "None" if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def shorten(text: str) -> str:
    """The text, with dots in place of its middle if it has more than 200 characters."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}...{text[-LONGEST // 2 :]}"


def join_names(names: Iterable[object], most: int = LISTED) -> str:
    """The first ten names, or another number, separated by commas, and dots if there are more."""
    first = [shorten(str(name)) for name in islice(names, most + 1)]
    return ", ".join(first[:most]) + (", ..." if len(first) > most else "")
