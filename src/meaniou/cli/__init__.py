"""The command ``meaniou``: its options, its runs over folders of masks, and its outputs."""

from meaniou.cli.commands import main

__all__ = [
    "main",
]
