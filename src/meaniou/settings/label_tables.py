"""The part of a label space that kernels read, as plain values."""

from dataclasses import dataclass

from meaniou.settings.label_ids import IdsByClass


@dataclass(frozen=True)
class LabelTables:
    """The part of a label space that kernels read.

    Attributes:
        ignored_classes: classes whose ids are all void; their scores are NaN and in no mean.
        ignore: void ids of sides that hold class numbers.
        target_ids: every id of the ground truth with its bin (a class, or C for void), as ``"id bin id bin ..."``
            sorted by id; empty if the ground truth holds class numbers.
        preds_ids: the same for predictions.
    """

    ignored_classes: frozenset[int]
    ignore: tuple[int, ...]
    target_ids: str
    preds_ids: str

    @classmethod
    def of(
        cls,
        num_classes: int,
        ids: IdsByClass | None,
        ignore_index: tuple[int, ...],
        pred_ids: IdsByClass | None,
        pred_void: tuple[int, ...],
    ) -> "LabelTables":
        """The tables of the ids on both sides; ``None`` means class numbers."""
        own_ids = tuple((c,) for c in range(num_classes))
        ignored = frozenset(c for c, labels in enumerate(ids or own_ids) if set(labels) <= set(ignore_index))
        ignore = set(ignored)
        if ids is None:
            ignore.update(ignore_index)
        elif pred_ids is None:
            ignore.update(pred_void)
        # Class numbers on both sides share one list of void ids; other void ids in predictions need a table.
        if ids is None and pred_ids is None and pred_void != ignore_index:
            pred_ids = own_ids
        target_ids = _ids_with_bins(ids, ignore_index, frozenset())
        return cls(ignored, tuple(sorted(ignore)), target_ids, _ids_with_bins(pred_ids, pred_void, ignored))


def _ids_with_bins(ids: IdsByClass | None, void: tuple[int, ...], ignored: frozenset[int]) -> str:
    if ids is None:
        return ""
    bins = {label: len(ids) if c in ignored else c for c, labels in enumerate(ids) for label in labels}
    bins |= dict.fromkeys(void, len(ids))
    return " ".join(f"{label} {place}" for label, place in sorted(bins.items()))
