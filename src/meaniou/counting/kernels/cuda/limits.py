"""What the choice of a Triton program depends on: the version of Triton, and the limits of the GPU."""

import re
from dataclasses import dataclass
from functools import cache

import torch
import triton

OLDEST = (3, 4)  # tl.histogram has a mask from there on
# Bins of a histogram. Below Triton 3.8 each pixel takes ballots of the warp, whose code grows with the bins (1,024 are
# compiled in 1 s, 4,096 in 9 s); from 3.8 on it takes an addition in shared memory, 4 bytes a bin. On AMD that is so
# too, but 4,096 bins are compiled in 13 s and 32,768 in 516 s.
FEW_BINS, MANY_BINS = 1 << 10, 1 << 15
MANY_SINCE = (3, 8)
SLACK = 1 << 10  # bytes of shared memory that a program takes beside its bins
PROGRAMS = 8
# Pixels of a tile, and warps, for histograms of up to so many bins: a tile reads the histogram once.
TILES = ((1 << 10, 2048, 4), (1 << 13, 8192, 16), (1 << 15, 16384, 32))
# Bytes of labels of a tile beside many bins: more do not fit into the registers (measured by ptxas, 16,384 int64 labels
# beside 32,768 bins: 392 bytes are spilled).
TILE_BYTES = 1 << 16


@dataclass(frozen=True)
class GpuLimits:
    """What a GPU can hold, and the Triton that writes programs for it."""

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
        """Programs that a multiprocessor can run at a time: more of them would each find less for a whole histogram."""
        return max(1, min(PROGRAMS, self.shared // (4 * bins + SLACK)))


def tile(bins: int, bytes_of_pixel: int) -> tuple[int, int]:
    """Pixels of a tile, a power of two, and warps of a program."""
    pixels, warps = next((pixels, warps) for most, pixels, warps in TILES if bins <= most)
    if bins > FEW_BINS:
        pixels = min(pixels, 1 << ((TILE_BYTES // bytes_of_pixel).bit_length() - 1))
    return pixels, warps


def version() -> tuple[int, int]:
    """Version of Triton, as far as it matters."""
    major, minor = re.findall(r"\d+", triton.__version__)[:2]
    return int(major), int(minor)


if version() < OLDEST:
    raise ImportError(f"it is {triton.__version__}, older than {OLDEST[0]}.{OLDEST[1]}")


@cache
def gpu_limits(device: torch.device) -> GpuLimits:
    """The limits of a device."""
    # Triton's own figures: PyTorch 2.8 does not tell what a block can have.
    properties = triton.runtime.driver.active.utils.get_device_properties(device.index or 0)
    amd = torch.version.hip is not None
    return GpuLimits(version(), properties["max_shared_mem"], properties["multiprocessor_count"], amd)
