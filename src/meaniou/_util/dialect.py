"""Settings inside messages, written as keywords of Python or as options of the command line.

A message marks a setting as ``{pred_ids:classes}``, which is ``pred_ids='classes'`` in Python and
``--pred-ids classes`` as an option.
"""

import re

_MARK = re.compile(r"\{(\w+):([^{}]*)\}")


class Doubt(UserWarning):
    """A warning that results look like those of a common mistake."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return in_python(self.sentence)


def in_python(sentence: str) -> str:
    """The message with settings as keywords."""
    return _MARK.sub(lambda mark: f"{mark[1]}={_literal(mark[2])}", sentence)


def as_options(sentence: str) -> str:
    """The message with settings as options; each of several values is an option of its own."""
    return _MARK.sub(lambda mark: _option(mark[1], mark[2]), sentence)


def _option(name: str, value: str) -> str:
    option = f"--{name.replace('_', '-')}"
    return " ".join(f"{option} {part}".strip() for part in value.split(","))


def _literal(value: str) -> str:
    parts = value.split(",")
    if not value or not all(re.fullmatch(r"-?\d+", part) for part in parts):
        return repr(value) if value else ""
    return value if len(parts) == 1 else f"[{', '.join(parts)}]"
