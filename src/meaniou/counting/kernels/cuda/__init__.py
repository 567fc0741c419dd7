"""The kernel for CUDA and ROCm devices: Triton programs, launched without waiting for the device."""

from meaniou.counting.kernels.cuda.confusion import count, count_images, fault, why_not
from meaniou.counting.kernels.cuda.thresholds import count_thresholds, why_not_thresholds
from meaniou.counting.kernels.portable import count_bands

__all__ = ["NAME", "count", "count_bands", "count_images", "count_thresholds", "fault", "why_not", "why_not_thresholds"]

NAME = "cuda"
