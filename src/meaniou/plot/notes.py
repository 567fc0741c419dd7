"""Notes on classes that explain why a number is 0 or undefined."""

from meaniou.report import Report, classes_in_mean


def class_notes(report: Report) -> list[str]:
    """A note for each class; empty for a class in the ground truth, in the prediction and in the mean.

    - ``"absent"``: neither in the ground truth nor in the prediction.
    - ``"only predicted"``: not in the ground truth, so every pixel of it is a false positive.
    - ``"never predicted"``: not in the prediction, so every pixel of it is missed.
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
        if not record.truth:
            words = ["only predicted" if record.predicted else "absent"]
        else:
            words = [] if record.predicted else ["never predicted"]
        if c not in in_mean:
            words.append("not in the mean")
        notes.append(", ".join(words))
    return notes


def extent(report: Report, name: str = "iou") -> str:
    """How many classes the mean of a number of the classes is over, such as ``over 8 of 9 classes``."""
    defined, number = classes_in_mean(report, name)
    return f"over {defined} of {number} classes"
