"""A sampler for evaluation on several processes, which gives each image to exactly one rank."""

from typing import Any

from torch.utils.data import Dataset, DistributedSampler


class UnpaddedSampler(DistributedSampler[Any]):
    """A ``DistributedSampler`` for evaluation: each image goes to exactly one rank, and none is repeated.

    ``DistributedSampler`` repeats images until all ranks have equally many, which counts some images twice. Here the
    shares of ranks may differ by one image. Do not use it for training: a model in ``DistributedDataParallel`` waits in
    each step for all ranks.

    With more ranks than images some ranks get no image. ``MeanIoU`` allows that; Lightning raises ``RuntimeError`` for
    a data loader without a batch.

    Args:
        dataset: a dataset with a length.
        num_replicas: number of ranks; by default the size of the process group.
        rank: rank of this process; by default its rank in the process group.
        shuffle: whether to shuffle; call ``set_epoch`` before each epoch for a new order. ``False`` keeps the order.
        seed: seed of the shuffling, the same on all ranks.

    Raises:
        ValueError: if ``rank`` is out of range, or if there is no process group and ``num_replicas`` or ``rank`` is
            missing.

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
        # With drop_last the base class adds no image, and drops those beyond total_size: none.
        self.drop_last = True
        self.total_size = len(dataset)  # type: ignore[arg-type]
        self.num_samples = len(range(self.rank, self.total_size, self.num_replicas))
