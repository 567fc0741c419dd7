"""Words of a report: classes or labels, over how many a mean is, and notes on why a number is 0 or undefined."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from meaniou.report.report import Report


class Nouns(NamedTuple):
    """What the rows of a report are, as singular and plural."""

    one: str
    many: str

    def of(self, number: int) -> str:
        """The noun after a number."""
        return self.one if number == 1 else self.many


CLASSES, LABELS = Nouns("class", "classes"), Nouns("label", "labels")


def of_bands(report: "Report") -> bool:
    """Whether a report is that of a ``MeanBoundaryIoU``: its IoU is boundary IoU, and its areas are those of bands.

    It is false for a ``MeanIoU``, also with ``report(boundary=...)``.
    """
    return "width" in report.rules


def measure_of(report: "Report") -> str:
    """The name of ``iou`` in text: ``boundary IoU`` in the report of a ``MeanBoundaryIoU``, else ``IoU``."""
    return "boundary IoU" if of_bands(report) else "IoU"


def nouns_of(report: "Report") -> Nouns:
    """``LABELS`` for a report of labels that overlap, else ``CLASSES``."""
    return LABELS if "num_labels" in report.rules else CLASSES


def classes_in_mean(report: "Report", name: str = "iou") -> tuple[int, int]:
    """The number of classes in the mean of a field of ``ClassReport``, and the number of all classes."""
    values = [getattr(report.classes[c], name) for c in report.rules["classes"]]
    return sum(value == value for value in values), len(report.classes)  # NaN differs from itself


def extent(report: "Report", name: str = "iou") -> str:
    """How many classes the mean of a number of the classes is over, such as ``over 8 of 9 classes``."""
    defined, number = classes_in_mean(report, name)
    return f"over {defined} of {number} {nouns_of(report).of(number)}"


def class_notes(report: "Report") -> list[str]:
    """A note for each class or label; empty for one in the ground truth, in the prediction and in the mean.

    - ``"absent"``: neither in the ground truth nor in the prediction.
    - ``"only predicted"``: not in the ground truth, so every pixel of it is a false positive.
    - ``"never predicted"``: not in the prediction, so every pixel of it is missed.
    - ``"no contour"``: in the ground truth of a ``MeanBoundaryIoU``, but without a pixel in the band.
    - ``"not in the mean"``: its id is ignored, or ``classes`` or ``include_background`` leave it out.

    Example:
        >>> import torch
        >>> from meaniou import MeanIoU
        >>> metric = MeanIoU(4)
        >>> metric.update(torch.tensor([0, 0, 1]), torch.tensor([0, 0, 2]))
        >>> class_notes(metric.report())
        ['', 'only predicted', 'never predicted', 'absent']
    """
    notes, in_mean = [], {*report.rules["classes"]}
    for c, record in enumerate(report.classes):
        truth, predicted = _areas(report, c)
        if not truth:
            words = ["only predicted" if predicted else "absent"]
        else:
            words = [] if predicted else ["never predicted"]
            words += [] if record.truth else ["no contour"]
        if c not in in_mean:
            words.append("not in the mean")
        notes.append(", ".join(words))
    return notes


def _areas(report: "Report", c: int) -> tuple[int, int]:
    """The pixels of class ``c`` in ground truth and prediction, of whole images even in a report of bands."""
    if not of_bands(report):
        return report.classes[c].truth, report.classes[c].predicted
    size = len(report.classes)  # the counts begin with the confusion matrix of all pixels
    dropped = report.counts[c, size] if report.rules["void_preds"] == "drop" else 0
    return int(report.counts[c].sum() - dropped), int(report.counts[:size, c].sum())
