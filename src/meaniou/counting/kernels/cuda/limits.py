"""The limits on which the choice of a Triton program depends: the version of Triton, and the GPU."""

import re
from dataclasses import dataclass
from functools import cache

import torch
import triton

OLDEST = (3, 4)  # tl.histogram has a mask since then
# Most bins of a histogram. Before Triton 3.8 each pixel takes ballots of the warp, whose code grows with the bins
# (1,024 compile in 1 s, 4,096 in 9 s). Since 3.8 a pixel is an addition in shared memory, 4 bytes per bin. On AMD too,
# but there 4,096 bins compile in 13 s and 32,768 in 516 s.
FEW_BINS, MANY_BINS = 1 << 10, 1 << 15
MANY_SINCE = (3, 8)
SLACK = 1 << 10  # bytes of shared memory that a program needs besides its bins
PROGRAMS = 8
# For histograms of up to this many bins: pixels of a tile, and warps. Each tile reads the histogram once.
TILES = ((1 << 10, 2048, 4), (1 << 13, 8192, 16), (1 << 15, 16384, 32))
# Bytes of labels of a tile with many bins: more do not fit into the registers (ptxas, 16,384 int64 labels with 32,768
# bins: 392 bytes spilled).
TILE_BYTES = 1 << 16


@dataclass(frozen=True)
class GpuLimits:
    """The resources of a GPU, and the version of Triton that compiles for it."""

    version: tuple[int, int]  # of Triton
    shared: int  # bytes of shared memory that a block can have
    multiprocessors: int
    amd: bool = False

    @property
    def bins(self) -> int:
        """The most bins of a histogram, a power of two."""
        few = self.amd or self.version < MANY_SINCE
        return min(FEW_BINS if few else MANY_BINS, 1 << (((self.shared - SLACK) // 4).bit_length() - 1))

    def programs(self, bins: int) -> int:
        """Programs that run on a multiprocessor at a time; more would each count fewer pixels per histogram."""
        return max(1, min(PROGRAMS, self.shared // (4 * bins + SLACK)))


def tile(bins: int, bytes_of_pixel: int) -> tuple[int, int]:
    """Pixels of a tile, a power of two, and warps of a program."""
    pixels, warps = next((pixels, warps) for most, pixels, warps in TILES if bins <= most)
    if bins > FEW_BINS:
        pixels = min(pixels, 1 << ((TILE_BYTES // bytes_of_pixel).bit_length() - 1))
    return pixels, warps


def version() -> tuple[int, int]:
    """Major and minor version of Triton."""
    major, minor = re.findall(r"\d+", triton.__version__)[:2]
    return int(major), int(minor)


if version() < OLDEST:
    raise ImportError(f"version {triton.__version__} is older than {OLDEST[0]}.{OLDEST[1]}")


@cache
def gpu_limits(device: torch.device) -> GpuLimits:
    """The limits of a device."""
    # From Triton: PyTorch 2.8 does not report the shared memory of a block.
    properties = triton.runtime.driver.active.utils.get_device_properties(device.index or 0)
    amd = torch.version.hip is not None
    return GpuLimits(version(), properties["max_shared_mem"], properties["multiprocessor_count"], amd)
