"""The base class of the metrics: settings, checked counts of all ranks, and files."""

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from meaniou._util import Doubt, warn
from meaniou.counting import kernel
from meaniou.metrics import checkpoint
from meaniou.metrics.checked.checked_counts import CheckedCounts
from meaniou.metrics.checked.image_ids import repeated_images, without_repeated_void
from meaniou.metrics.state.count_state import CountState
from meaniou.protocols import Protocol
from meaniou.scores import Floats, ImageRows
from meaniou.settings import LabelSpace, Policy


class CheckedMetric(CountState):
    """A metric whose results are computed from its checked counts over all ranks.

    A subclass defines the settings, counts batches, and says in which form its counts are checked.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False
    plot_lower_bound = 0.0
    plot_upper_bound = 1.0
    plot_legend_name = "Class"
    __jit_unused_properties__: ClassVar[list[str]] = [*CountState.__jit_unused_properties__, "kernel"]

    _checked_as: ClassVar[type[CheckedCounts]] = CheckedCounts
    if TYPE_CHECKING:  # TorchScript reads the annotations of a class, and refuses these types
        label_space: LabelSpace
        policy: Policy
        input_settings: Any  # InputSettings or ThresholdSettings
        protocol: Protocol | None

    @property
    def kernel(self) -> str:
        """The name of the kernel that counts on the metric's device: ``"portable"``, ``"cpu"`` or ``"cuda"``."""
        return kernel(self.input_settings.impl, self.counts.device).NAME

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the settings and the counts of this rank, also those of each image, to one file; ``load`` reads it.

        The file is written whole or not at all. To save the counts of all ranks, call it between ``sync`` and
        ``unsync``.

        Raises:
            OSError: if the file cannot be written.
            RuntimeError: if the metric is on the meta device.
        """
        checkpoint.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str], **kwargs: Any) -> Self:
        """Reads a metric that ``save`` wrote, onto the CPU; loading runs no code from the file.

        Args:
            path: the file.
            kwargs: new values of settings that change no count (``average``, ``void_preds``, ``present``, ``absent``,
                ``classes``, ``include_background``, ``over``, ``worst_percent``, ``impl``, as far as the metric has
                them), and keywords of ``torchmetrics.Metric``.

        Raises:
            ValueError: if the file is not a saved metric of this class, is damaged or has another format, or its kernel
                cannot run.
            TypeError: if a keyword would change a setting that is stored with the counts, such as ``num_classes``.
            OSError: if the file cannot be read.

        Example:
            >>> import tempfile
            >>> import torch
            >>> from meaniou import MeanIoU
            >>> metric = MeanIoU(num_classes=2)
            >>> metric.update(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     metric.save(f"{folder}/epoch_9.pt")
            ...     loaded = MeanIoU.load(f"{folder}/epoch_9.pt", average="micro")
            >>> metric.compute(), loaded.compute()
            (tensor(0.5000), tensor(0.5000))
        """
        return checkpoint.load(cls, path, **kwargs)

    @classmethod
    @abstractmethod
    def saved_settings(cls) -> checkpoint.SavedSettings:
        """How ``save`` stores the settings on which the counts depend."""

    @abstractmethod
    def _refuse_outside(self, counts: Tensor) -> None:
        """Raises ``ValueError`` if counts on the CPU hold labels or values out of range."""

    @abstractmethod
    def _doubts(self, counts: Tensor) -> Iterator[Doubt]:
        """The warnings about suspicious counts of a dataset, on the CPU."""

    def _checked_counts(self, warns: bool = True) -> CheckedCounts:
        """The checked counts of all ranks, with a warning for each doubt; every result is computed from them."""
        alone = not self._is_synced
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn, should_sync=self._to_sync and alone, should_unsync=alone
        ):
            checked = self._check()
        if warns:
            warn_of(checked)
        return checked

    def _check(self) -> CheckedCounts:
        """The counts of the states; raises ``RuntimeError`` or ``ValueError`` for certain mistakes."""
        self._restart_if_moved()
        self._refuse_foreign_states()
        counts, images = self.counts.cpu(), None
        doubts: list[str | Warning] = []
        if self.input_settings.validate_args:
            self._refuse_outside(counts)
            if not self._holds_batch:  # what is suspicious in a dataset may be normal in one batch
                doubts += self._doubts(counts)
        if self.per_image:
            rows, ids = without_repeated_void(*(part.cpu().numpy() for part in self._joined()))
            group = dist.is_available() and dist.is_initialized()
            of_one = not self._is_synced or (group and dist.get_world_size(self.process_group) == 1)
            images = ImageRows.in_order(rows, ids, self.image_names, as_counted=of_one)
            if repeated := repeated_images(ids, images.names):
                doubts.append(repeated)
        return self._checked_as(self.label_space, counts.numpy(), images, tuple(doubts))

    def _as_result(self, values: Floats) -> Tensor:
        """Ratios as a tensor on the metric's device."""
        return torch.from_numpy(np.array(values)).to(result_dtype()).to(self.counts.device)

    def _shown_settings(self, always: dict[str, Any], *defaults: Any) -> str:
        """The settings that ``repr`` shows: ``always``, and those of policy and input that differ from ``defaults``."""
        usual = {name: value for default in defaults for name, value in asdict(default).items()}
        settings = asdict(self.policy) | asdict(self.input_settings)
        others = {name: v for name, v in settings.items() if name not in always and v != usual[name]}
        return ", ".join(f"{name}={value!r}" for name, value in (always | others).items())


def result_dtype() -> torch.dtype:
    """The dtype of results: float64 if that is the default, otherwise float32."""
    return torch.float64 if torch.get_default_dtype() == torch.float64 else torch.float32


def checked_counts(metric: CheckedMetric) -> CheckedCounts:
    """The checked counts of all ranks, without the warnings (see ``warn_of``); every rank must call it."""
    return metric._checked_counts(warns=False)


def warn_of(*several: CheckedCounts) -> None:
    """Warns of each doubt once, also if several metrics have it."""
    for doubt in {str(doubt): doubt for checked in several for doubt in checked.doubts}.values():
        warn(doubt)


@contextmanager
def matplotlib_needed() -> Iterator[None]:
    """Says how to install matplotlib if ``plot`` of a metric lacks it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("plot() needs matplotlib; install it with pip install 'meaniou[plot]'.") from error
