"""The rules of public benchmarks: classes and their ids, void ids, and how void predictions and absent classes count.

A protocol is a function in ``benchmarks``, whose docstring names the source, and a table of classes in ``data``. Scores
that official tools compute from more than one confusion matrix, such as instance-level scores, are not reproduced.
"""

from meaniou.protocols.catalog import get, names, table
from meaniou.protocols.protocol import Protocol
from meaniou.protocols.resolve import resolve_label_space

__all__ = [
    "Protocol",
    "get",
    "names",
    "resolve_label_space",
    "table",
]


def __dir__() -> list[str]:
    return __all__
