"""The command ``meaniou``: options, runs over folders of masks, and what they write."""

from meaniou.cli.commands import main

__all__ = [
    "main",
]
