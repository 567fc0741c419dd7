"""The sampler for evaluation on several processes: each image goes to one rank, and none is repeated."""

from typing import Any

from torch.utils.data import Dataset, DistributedSampler


class UnpaddedSampler(DistributedSampler[Any]):
    """Gives each rank its share of a dataset, each image to one rank and once, in the order of ``DistributedSampler``.

    ``DistributedSampler`` repeats images until all ranks have equally many, so that these count twice. Here shares may
    differ by one image and may be empty, which is right for evaluation. Train with ``DistributedSampler``, since a
    wrapped model waits for ranks with more batches.

    Args:
        dataset: anything with a length.
        num_replicas: number of ranks; by default that of the process group.
        rank: of this process; by default that in the process group.
        shuffle: whether each epoch has another order; then call ``set_epoch`` before each.
        seed: of the order, the same on all ranks.

    Example:
        >>> from meaniou.distributed import UnpaddedSampler
        >>> [list(UnpaddedSampler(range(5), num_replicas=2, rank=rank, shuffle=False)) for rank in (0, 1)]
        [[0, 2, 4], [1, 3]]
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__(dataset, num_replicas, rank, shuffle, seed)
        # With drop_last the base class adds nothing, and drops what is beyond total_size, which is nothing.
        self.drop_last = True
        self.total_size = len(dataset)  # type: ignore[arg-type]
        self.num_samples = len(range(self.rank, self.total_size, self.num_replicas))
