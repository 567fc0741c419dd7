"""The rules of public benchmarks: classes and their ids, void ids, and how void predictions and absent classes count.

``MeanIoU(protocol=...)`` counts by these rules. ``names()`` lists the protocols, ``table()`` shows their main rules,
and the ``text`` of a protocol describes its source, its rules, and what is not reproduced. Scores that official tools
compute from more than one confusion matrix, such as instance-level scores, are not reproduced.

Example:
    >>> from meaniou import protocols
    >>> print(protocols.get("voc2012").text.splitlines()[0])
    Pascal VOC 2012: 21 classes with the background; 255 is void in the ground truth.
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
