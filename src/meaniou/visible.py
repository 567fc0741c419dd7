"""Text -> the same with an escape for each character that would steer a terminal instead of being shown."""

import re

# C0, DEL and C1 controls, line and paragraph separators, the controls of writing direction (Unicode annex 9), and
# halves of surrogate pairs, which no encoding can write.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
SHOWN = 80  # characters of a value that a message quotes


def visible(text: str, kept: str = "") -> str:
    """The text with control characters as Python writes them, such as ``\\x1b``, but for those that are kept."""
    return CONTROLS.sub(lambda c: c[0] if c[0] in kept else c[0].encode("unicode_escape").decode(), text)


def short(value: object) -> str:
    """The ``repr`` of a value on one line, cut off where it is long."""
    shown = " ".join(repr(value).split())
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}..."
