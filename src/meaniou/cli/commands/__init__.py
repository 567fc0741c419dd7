"""The commands, their group, and the masks of the demo."""

from meaniou.cli.commands.commands import main

__all__ = [
    "main",
]
