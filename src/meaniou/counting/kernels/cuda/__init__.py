"""The kernel for CUDA and ROCm devices: Triton programs, launched without waiting for the device."""

from meaniou.counting.kernels.cuda.confusion import count, count_images, fault, why_not
from meaniou.counting.kernels.portable.thresholds import count_thresholds

__all__ = ["NAME", "count", "count_images", "count_thresholds", "fault", "why_not"]

NAME = "cuda"
