"""Warnings that point to the user's line, outside this package, torchmetrics and PyTorch."""

import sys
import warnings

INNER = ("meaniou", "torchmetrics", "torch")


def warn(message: str | Warning) -> None:
    """Warns with the line of the user's code that called this package, torchmetrics or PyTorch."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in INNER:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)
