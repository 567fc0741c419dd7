"""A report, or a pair of label maps, on matplotlib axes, which are passed or made, and are returned."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from meaniou._util import as_integer
from meaniou.counting import as_tensor, classes_of
from meaniou.plot import matrix_view, overlays
from meaniou.plot.matrix_view import READABLE, Normalize
from meaniou.protocols import Protocol, resolve_label_space
from meaniou.report import ClassReport, Intervals, Report
from meaniou.settings import ClassNames, InputSettings, LabelSpace, resolve_class_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, YELLOW, RED = (overlays.css(color) for color in (overlays.RIGHT, overlays.MISSED, overlays.FALSE))
NUMBERS = 20  # columns up to which the number in a cell can be read


def confusion(
    report: Report, ax: "Axes | None" = None, *, normalize: Normalize | None = "truth", most: int = READABLE
) -> "Axes":
    """Draws the confusion matrix, truth in rows; of many classes those with the lowest IoU.

    Args:
        report: what ``MeanIoU.report`` gives.
        ax: axes to draw on; new ones by default.
        normalize: shares of the ``"truth"`` (rows; recall on the diagonal), of the ``"prediction"`` (columns;
            precision on the diagonal), or ``None`` for pixels. Colours go with the square root, so that small
            confusions are seen.
        most: classes up to which all are shown.

    Raises:
        ValueError: if a setting is unknown or out of range.
        ModuleNotFoundError: if matplotlib is not there.
    """
    view = matrix_view.select_classes(report, normalize, most)
    rows, columns = view.values.shape
    ax = _axes(ax, (min(15.0, 2.8 + 0.36 * columns), min(14.0, 2.0 + 0.36 * rows)))
    from matplotlib.colors import PowerNorm

    top = 1.0 if normalize else max(1.0, float(view.values.max()))
    image = ax.imshow(view.values, cmap="Blues", norm=PowerNorm(0.5, vmin=0, vmax=top), aspect="auto")
    ax.set_xticks(range(columns), view.columns, rotation=90 if columns > 5 else 0, parse_math=False)
    ax.set_yticks(range(rows), view.rows, parse_math=False)
    size = 10 if columns <= NUMBERS else 8
    ax.tick_params(labelsize=size, length=0)
    if view.title:
        ax.axvline(rows - 0.5, color="black", linewidth=0.8)
    if columns <= NUMBERS:
        for (i, j), value in np.ndenumerate(view.values):
            if value > 0:
                dark = math.sqrt(value / top) > 0.6
                text = matrix_view.percent(value) if normalize else _short(int(value))
                ax.text(j, i, text, ha="center", va="center", fontsize=size - 2, color="white" if dark else "black")
    ax.set_xlabel("taken for")
    ax.set_ylabel("truth")
    of = {"truth": "share of the truth", "prediction": "share of the prediction", None: "pixels"}[normalize]
    ax.set_title(", ".join(filter(None, (of, view.title))))
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.046, pad=0.02)
    if normalize:
        bar.set_ticks([0, 0.01, 0.05, 0.2, 0.5, 1], labels=["0", "1 %", "5 %", "20 %", "50 %", "100 %"])
    return ax


def classes(report: Report, ax: "Axes | None" = None, *, most: int = 40) -> "Axes":
    """Draws the IoU of each class as a bar, the highest first, with intervals where the report has them.

    Args:
        report: what ``MeanIoU.report`` gives; with ``bootstrap=True`` it has intervals.
        ax: axes to draw on; new ones by default.
        most: of more classes, those with the lowest IoU are drawn.

    Raises:
        ValueError: if ``most`` is below 1.
        ModuleNotFoundError: if matplotlib is not there.
    """
    if as_integer("most", most) < 1:
        raise ValueError(f"most is {most}; expected 1 class or more.")
    defined = [c for c in range(len(report.classes)) if not math.isnan(report.classes[c].iou)]
    order = sorted(defined, key=lambda c: -report.classes[c].iou)[-most:]
    rows: list[ClassReport] = [report.classes[c] for c in order]
    ax = _axes(ax, (7.5, min(14.0, 1.5 + 0.26 * max(4, len(rows)))))
    ax.barh(range(len(rows)), [100 * c.iou for c in rows], color=BLUE, height=0.7)
    ends = [c.iou for c in rows]
    if report.intervals:
        _draw_intervals(ax, report.intervals, order)
        ends = [max(end, i.high) for end, i in zip(ends, (report.intervals.classes[c] for c in order), strict=True)]
    for i, (c, end) in enumerate(zip(rows, ends, strict=True)):
        ax.text(100 * end + 0.8, i, f"{100 * c.iou:.1f}", va="center", fontsize=8)
    ax.set_yticks(range(len(rows)), [c.name for c in rows], parse_math=False)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlim(0, 107)  # room for the number of a bar that fills it
    ax.set_xticks(range(0, 101, 20))
    ax.set_xlabel("IoU in percent")
    ax.tick_params(axis="y", length=0)
    if not math.isnan(report.mean_iou):
        ax.axvline(100 * report.mean_iou, color=RED, linestyle="--", label=f"mean {100 * report.mean_iou:.2f}")
        ax.legend(loc="lower right")
    left_out = len(report.classes) - len(defined)
    parts = [f"the {len(order)} lowest of {len(defined)} classes"] * (len(order) < len(defined))
    parts += [f"{left_out} not defined"] * (left_out > 0)
    ax.set_title(", ".join(parts))
    return ax


def errors(
    image: Any,
    preds: Any,
    target: Any,
    num_classes: int | None = None,
    ax: "Axes | None" = None,
    *,
    of: int | str | None = None,
    label_space: LabelSpace | None = None,
    protocol: str | Protocol | None = None,
    ignore_index: int | Iterable[int] | None = None,
    class_names: ClassNames | None = None,
    pred_ids: Literal["ids", "classes"] | None = None,
) -> "Axes":
    """Draws an image in grey, with what of a prediction is right and wrong on it; void is dark.

    Args:
        image: ``[H, W]``, ``[H, W, 3]`` or ``[3, H, W]``, uint8 or floating from 0 to 1; ``None`` for none.
        preds, target: one label map each, ``[H, W]``, tensor or array; ``preds`` may be scores ``[C, H, W]``.
        num_classes: number of classes.
        ax: axes to draw on; new ones by default.
        of: a class, by number or name: its hits, misses and false alarms are drawn, instead of those of all classes.
        label_space, protocol: the classes instead of ``num_classes``.
        ignore_index, class_names, pred_ids: as of ``MeanIoU``.

    Raises:
        TypeError, ValueError: if a map or the image does not fit, or a setting is off.
        ModuleNotFoundError: if matplotlib is not there.

    Example:
        >>> import numpy as np
        >>> from meaniou import plot
        >>> target = np.array([[0, 0, 1], [0, 1, 1]])
        >>> ax = plot.errors(None, 1 - target, target, 2, of=1)
        >>> [text.get_text() for text in ax.get_legend().get_texts()]
        ['hit', 'miss', 'false alarm']
    """
    space, _ = resolve_label_space(
        num_classes, label_space, protocol, ignore_index=ignore_index, class_names=class_names, pred_ids=pred_ids
    )
    one = None if of is None else _class(of, space)
    both = classes_of(
        as_tensor(preds, "preds")[None], as_tensor(target, "target")[None], None, space, InputSettings("index")
    )
    predicted, truth = (part[0].cpu().numpy() for part in both)
    if truth.ndim != 2 or not truth.size:
        raise ValueError(f"target is {list(truth.shape)}; expected one label map [H, W], so pass that of one image.")
    picture = overlays.errors(image, predicted, truth, space.num_classes, one)
    ax = _axes(ax, (8.0, 8.0 * min(1.5, truth.shape[0] / truth.shape[1]) + 0.5))
    ax.imshow(picture, interpolation="nearest")
    ax.set_axis_off()
    from matplotlib.patches import Patch

    legend = overlays.OF_ALL if one is None else overlays.OF_ONE
    colors = overlays.legend(legend)
    handles = [Patch(color=overlays.css(colors[name]), label=name) for name in legend]
    ax.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0), ncols=len(handles), frameon=False)
    if one is not None:
        ax.set_title(space.class_names[one], parse_math=False)
    return ax


def _axes(ax: "Axes | None", size: tuple[float, float]) -> "Axes":
    """The axes that are passed, or those of a new figure."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "Plots are drawn with matplotlib, which is not there; install the extra 'plot'."
        ) from error
    _, axes = pyplot.subplots(figsize=size, layout="constrained")
    return axes


def _draw_intervals(ax: "Axes", intervals: Intervals, order: list[int]) -> None:
    for i, c in enumerate(order):
        interval = intervals.classes[c]
        if not math.isnan(interval.low):
            ax.plot(
                [100 * interval.low, 100 * interval.high], [i, i], color=YELLOW, linewidth=2.5, solid_capstyle="butt"
            )
    mean = intervals.mean_iou
    if not math.isnan(mean.low):
        ax.axvspan(100 * mean.low, 100 * mean.high, color=RED, alpha=0.15, linewidth=0)


def _class(of: int | str, space: LabelSpace) -> int:
    members = resolve_class_groups(space, {"of": [of]})["of"]
    if not members:
        raise ValueError(f"The class {of!r} is ignored; expected one that is counted, so name another.")
    return members[0]


def _short(number: int) -> str:
    """A number with three digits at most and a letter for its size."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return str(number)
