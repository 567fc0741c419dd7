"""The kernel for the CPU: loops compiled by Numba, on as many threads as PyTorch uses."""

from meaniou.counting.kernels.cpu.bands import count_bands
from meaniou.counting.kernels.cpu.confusion import count, count_images
from meaniou.counting.kernels.cpu.thresholds import count_thresholds

__all__ = ["NAME", "count", "count_bands", "count_images", "count_thresholds"]

NAME = "cpu"
