"""Mean IoU that is exact, accounts for every pixel, and runs at the speed of memory.

Rows are truth, columns are predictions. Counts are int64 until they become float64 ratios, once.
NaN means "not defined", never zero.
"""

from importlib.metadata import version as _version

from meaniou import protocols
from meaniou.counting import LabelRangeError
from meaniou.functional import confusion_matrix, mean_iou
from meaniou.metrics import MeanIoU, compare, compare_classes
from meaniou.protocols import Protocol
from meaniou.report import Report
from meaniou.settings import LabelSpace, Policy
from meaniou.uncertainty import Comparison, Interval, Resampling

__version__ = _version("meaniou")

__all__ = [
    "Comparison",
    "Interval",
    "LabelRangeError",
    "LabelSpace",
    "MeanIoU",
    "Policy",
    "Protocol",
    "Report",
    "Resampling",
    "__version__",
    "compare",
    "compare_classes",
    "confusion_matrix",
    "mean_iou",
    "protocols",
]
