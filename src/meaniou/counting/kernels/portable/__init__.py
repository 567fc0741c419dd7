"""The kernel for every device: counts by PyTorch operators, in tiles that bound the memory."""

from meaniou.counting.kernels.portable.bands import band_masks, count_bands
from meaniou.counting.kernels.portable.confusion import count, count_images
from meaniou.counting.kernels.portable.thresholds import count_thresholds

__all__ = ["NAME", "band_masks", "count", "count_bands", "count_images", "count_thresholds"]

NAME = "portable"
