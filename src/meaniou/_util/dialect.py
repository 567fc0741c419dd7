"""Settings in messages, shown as Python keywords or as command-line options.

A message marks a setting as ``{pred_ids:classes}``, which becomes ``pred_ids='classes'`` in Python and
``--pred-ids classes`` on the command line. Without a value, ``{pred_ids:}`` is the name alone.
"""

import re

_MARK = re.compile(r"\{(\w+):([^{}]*)\}")


class Doubt(UserWarning):
    """A warning: the counts look like the result of a common mistake.

    Attributes:
        sentence: the message, or its end after ``fact``, in which settings are marked.
        fact: the beginning, in which nothing is replaced, since it may hold names of the user.
        on_command_line: what the command line prints in place of ``sentence``; empty for the same.
    """

    def __init__(self, sentence: str, fact: str = "", on_command_line: str = "") -> None:
        super().__init__(sentence, fact, on_command_line)
        self.sentence, self.fact, self.on_command_line = sentence, fact, on_command_line

    def __str__(self) -> str:
        return f"{self.fact} {in_python(self.sentence)}".lstrip()

    def as_options(self) -> str:
        """The message for the command line."""
        return f"{self.fact} {as_options(self.on_command_line or self.sentence)}".lstrip()

    def about(self, name: str) -> "Doubt":
        """The same warning with a name in front, such as ``a: ...``."""
        return Doubt(self.sentence, f"{name}: {self.fact}".rstrip(), self.on_command_line)


def in_python(sentence: str) -> str:
    """The message with settings as keywords."""
    return _MARK.sub(lambda mark: f"{mark[1]}={_literal(mark[2])}" if mark[2] else mark[1], sentence)


def as_options(sentence: str) -> str:
    """The message with settings as options; an option with several values is repeated."""
    return _MARK.sub(lambda mark: _option(mark[1], mark[2]), sentence)


def _option(name: str, value: str) -> str:
    option = f"--{name.replace('_', '-')}"
    return " ".join(f"{option} {part}".strip() for part in value.split(","))


def _literal(value: str) -> str:
    parts = value.split(",")
    if not all(re.fullmatch(r"-?\d+", part) for part in parts):
        return repr(value)
    return value if len(parts) == 1 else f"[{', '.join(parts)}]"
