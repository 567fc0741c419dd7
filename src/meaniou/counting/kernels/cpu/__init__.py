"""The kernel for the CPU: loops compiled by Numba, on as many threads as PyTorch uses."""

from meaniou.counting.kernels.cpu.confusion import count, count_images
from meaniou.counting.kernels.cpu.thresholds import count_thresholds
from meaniou.counting.kernels.portable import count_bands

__all__ = ["NAME", "count", "count_bands", "count_images", "count_thresholds"]

NAME = "cpu"
