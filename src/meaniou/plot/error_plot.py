"""The errors of a prediction in one image, on matplotlib axes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from meaniou.counting import as_tensor, classes_of
from meaniou.plot import colors
from meaniou.plot.axes import new_axes
from meaniou.plot.colors import css
from meaniou.plot.pictures import overlays
from meaniou.protocols import Protocol, resolve_label_space
from meaniou.settings import ClassNames, InputSettings, LabelSpace, resolve_class_groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    """Draws the errors of one prediction on its photo in grey, and returns the axes.

    The legend names the colours of right pixels, void predictions and wrong classes; void pixels are dark. Predictions
    out of range have the colour of void predictions.

    Args:
        image: the photo ``[H, W]``, ``[H, W, 3]`` or ``[3, H, W]``, uint8 or floating from 0 to 1; ``None`` for a plain
            grey.
        preds: the label map ``[H, W]`` or the scores ``[C, H, W]`` of the prediction, tensor or array.
        target: the label map ``[H, W]`` of the ground truth, tensor or array.
        num_classes: number of classes.
        ax: the axes to draw on; those of a new figure by default.
        of: a class, by number or name, to draw its hits, misses and false alarms.
        label_space, protocol: the classes, instead of ``num_classes``.
        ignore_index, class_names, pred_ids: as in ``MeanIoU``.

    Raises:
        TypeError, ValueError: if a map or the photo does not fit, or a setting is wrong.
        ModuleNotFoundError: if matplotlib is not installed.

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
    maps = as_tensor(preds, "preds"), as_tensor(target, "target")
    _check_maps(*maps)
    both = classes_of(maps[0][None], maps[1][None], None, space, InputSettings("index"))
    predicted, truth = (side[0].cpu().numpy() for side in both)
    light = overlays.grey(image, truth.shape)
    picture = overlays.errors(light, predicted, truth, space.num_classes, one)
    ax = new_axes(ax, (8.0, 8.0 * min(1.5, truth.shape[0] / truth.shape[1]) + 0.7))
    ax.imshow(picture, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title("errors" if one is None else f"errors of {space.class_names[one]}", parse_math=False, fontsize=11)
    _draw_legend(ax, light, colors.OF_ALL if one is None else colors.OF_ONE, bool((truth >= space.num_classes).any()))
    return ax


def _draw_legend(ax: "Axes", light: overlays.Light, names: dict[str, Any], void: bool) -> None:
    """Draws the legend of errors; each colour over the greys of the photo, from the darkest to the lightest."""
    from matplotlib.legend_handler import HandlerTuple
    from matplotlib.patches import Patch

    greys: NDArray[np.int64] = np.linspace(int(light.min()), int(light.max()), 16).round().astype(np.int64)
    shades = [overlays.legend(names, grey) for grey in np.unique(greys).tolist()]
    shown = [*names, "void"] if void else [*names]
    handles = [tuple(Patch(color=css(shade[name]), linewidth=0) for shade in shades) for name in shown]
    ax.legend(
        handles,
        shown,
        handler_map={tuple: HandlerTuple(ndivide=None, pad=0)},
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=len(shown),
        frameon=False,
    )


def _check_maps(preds: Tensor, target: Tensor) -> None:
    if target.dim() != 2 or not target.numel():
        raise ValueError(f"target has shape {list(target.shape)}; expected one label map [H, W], that of one image.")
    if preds.dim() not in (2, 3) or preds.shape[-2:] != target.shape:
        raise ValueError(
            f"preds has shape {list(preds.shape)} and target {list(target.shape)}; expected a label map [H, W] or "
            "scores [C, H, W] of the height and width of target."
        )


def _class(of: int | str, space: LabelSpace) -> int:
    members = resolve_class_groups(space, {"of": [of]})["of"]
    if not members:
        raise ValueError(f"of={of!r} is an ignored class; pass a class that is not in ignore_index.")
    return members[0]
