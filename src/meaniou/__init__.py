"""Mean IoU that is exact, accounts for every pixel, and runs at the speed of memory.

Rows are truth, columns are predictions. Counts are int64 until they become float64 ratios, once.
NaN means "not defined", never zero.
"""

from importlib.metadata import version

from meaniou import protocols
from meaniou.functional import confusion_matrix, mean_iou
from meaniou.metrics.comparison import compare
from meaniou.metrics.mean_iou import MeanIoU
from meaniou.settings.label_space import LabelSpace
from meaniou.uncertainty.resampling import Comparison, Interval

__version__ = version("meaniou")

__all__ = [
    "Comparison",
    "Interval",
    "LabelSpace",
    "MeanIoU",
    "__version__",
    "compare",
    "confusion_matrix",
    "mean_iou",
    "protocols",
]
