"""The checked counts of all ranks, and the areas of classes that follow from them."""

from dataclasses import dataclass

from meaniou.report import pixel_account
from meaniou.scores import Areas, ImageAreas, ImageRows, Ints, refuse_void_preds
from meaniou.settings import LabelSpace, Policy

NO_ROWS = "This metric keeps no counts for each image; construct it with per_image=True."


@dataclass(frozen=True)
class CheckedCounts:
    """The counts of all ranks on the CPU, after a check that raises for certain mistakes.

    The counts are a confusion matrix ``[C + 2, C + 2]``; a metric whose counts have another form subclasses this.

    Attributes:
        space: the classes.
        counts: the counts of the dataset.
        images: the counts of each image; ``None`` without ``per_image``.
        doubts: warnings about possible mistakes.
    """

    space: LabelSpace
    counts: Ints
    images: ImageRows | None
    doubts: tuple[str | Warning, ...]

    @property
    def matrix(self) -> Ints | None:
        """The confusion matrix ``[C + 2, C + 2]``; ``None`` in a subclass that counts none."""
        return self.counts

    @property
    def pixels(self) -> dict[str, int]:
        """The number of pixels seen, counted, void, and so on, as in ``Report.pixels``."""
        return pixel_account(self.counts)

    def areas(self, policy: Policy) -> Areas:
        """The areas of each class, ``[C]``; raises ``ValueError`` for void predictions if ``void_preds="error"``."""
        refuse_void_preds(self.counts, policy)
        return Areas.of_counts(self.counts, self.space, policy)

    def image_areas(self, policy: Policy) -> ImageAreas:
        """The areas of each class in each image, ``[N, C]``; raises ``ValueError`` also without ``per_image``."""
        refuse_void_preds(self.counts, policy)
        if self.images is None:
            raise ValueError(NO_ROWS)
        return self.images.areas(self.space, policy)
