"""The rules of public benchmarks: which ids are what, and what void predictions and absent classes cost.

Each protocol is a function of ``benchmarks``, whose text names its source, and a table of its classes in ``data``. What
the official tools compute beyond one confusion matrix, such as instance-level scores, is not reproduced.
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
