"""The counts of all ranks after a check, and the areas that follow from them."""

from dataclasses import dataclass

from meaniou.report import pixel_account
from meaniou.scores import Areas, ImageAreas, ImageRows, Ints, refuse_void_preds
from meaniou.settings import LabelSpace, Policy

NO_ROWS = "No rows are kept for images; make the metric with per_image=True."


@dataclass(frozen=True)
class CheckedCounts:
    """The counts of all ranks, on the CPU, after a check that raises for certain mistakes.

    The counts are a confusion matrix with void and outside; a metric of other counts has a subclass of this.

    Attributes:
        space: the classes.
        counts: of the dataset.
        images: rows of each image; ``None`` where none are kept.
        doubts: warnings about possible mistakes.
    """

    space: LabelSpace
    counts: Ints
    images: ImageRows | None
    doubts: tuple[str | Warning, ...]

    @property
    def matrix(self) -> Ints | None:
        """The confusion matrix ``[C + 2, C + 2]``, where the counts are one."""
        return self.counts

    @property
    def pixels(self) -> dict[str, int]:
        """What became of every pixel."""
        return pixel_account(self.counts)

    def areas(self, policy: Policy) -> Areas:
        """The areas of each class, ``[C]``; raises ``ValueError`` for void predictions that are an error."""
        refuse_void_preds(self.counts, policy)
        return Areas.of_counts(self.counts, self.space, policy)

    def image_areas(self, policy: Policy) -> ImageAreas:
        """The areas of each class in each image, ``[N, C]``; raises ``ValueError`` also if no rows are kept."""
        refuse_void_preds(self.counts, policy)
        if self.images is None:
            raise ValueError(NO_ROWS)
        return self.images.areas(self.space, policy)
