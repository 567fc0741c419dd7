"""Mean IoU that is exact, accounts for every pixel, and runs at the speed of memory.

Rows are truth, columns are predictions. Counts are int64 until they become float64 ratios, once.
NaN means "not defined", never zero.
"""

from importlib.metadata import version

from meaniou.functional import confusion_matrix, mean_iou
from meaniou.metric import MeanIoU

__version__ = version("meaniou")
__all__ = ["MeanIoU", "__version__", "confusion_matrix", "mean_iou"]
