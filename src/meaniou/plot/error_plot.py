"""The errors of a prediction in one image, on matplotlib axes."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from meaniou.counting import as_tensor, classes_of, pixels_of
from meaniou.plot import colors
from meaniou.plot.axes import new_axes
from meaniou.plot.colors import css
from meaniou.plot.pictures import overlays
from meaniou.protocols import Protocol, resolve_label_space
from meaniou.settings import (
    BandSettings,
    ClassNames,
    InputSettings,
    LabelSpace,
    Policy,
    VoidPreds,
    VoidRule,
    resolve_class_groups,
)

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
    maps = _maps(preds, target)
    both = classes_of(maps[0][None], maps[1][None], None, space, InputSettings("index"))
    predicted, truth = (side[0].cpu().numpy() for side in both)
    light = overlays.grey(image, truth.shape)
    picture = overlays.errors(light, predicted, truth, space.num_classes, one)
    ax = _draw(ax, picture, "errors" if one is None else f"errors of {space.class_names[one]}")
    _draw_legend(ax, light, colors.OF_ALL if one is None else colors.OF_ONE, bool((truth >= space.num_classes).any()))
    return ax


def boundary_errors(
    image: Any,
    preds: Any,
    target: Any,
    num_classes: int | None = None,
    ax: "Axes | None" = None,
    *,
    width: float = 0.02,
    edge: bool = True,
    void: VoidRule = "ignore",
    void_preds: VoidPreds | None = None,
    of: int | str | None = None,
    label_space: LabelSpace | None = None,
    protocol: str | Protocol | None = None,
    ignore_index: int | Iterable[int] | None = None,
    class_names: ClassNames | None = None,
    pred_ids: Literal["ids", "classes"] | None = None,
) -> "Axes":
    """Draws the bands that ``MeanBoundaryIoU`` counts on the photo in grey, and returns the axes.

    A hit lies in both bands with the same class, a miss in the band of the ground truth alone, a false alarm in the
    band of the prediction alone. A pixel that lies in both with different classes has the colour of a miss. Pixels
    outside of the bands are unmarked, and void pixels are dark. The title names the width in pixels.

    Args:
        width: width of the band: a share of the diagonal, or an int in pixels.
        edge, void, void_preds: as in ``MeanBoundaryIoU``.
        of: a class, by number or name, to draw its bands alone.
        image, preds, target, num_classes, ax, label_space, protocol, ignore_index, class_names, pred_ids: as for
            ``errors``.

    Raises:
        TypeError, ValueError: if a map or the photo does not fit, or a setting is wrong.
        ModuleNotFoundError: if matplotlib is not installed.

    Example:
        >>> import numpy as np
        >>> from meaniou import plot
        >>> target = np.repeat([[0, 0, 0, 1, 1, 1]], 4, axis=0)
        >>> ax = plot.boundary_errors(None, np.roll(target, 1, axis=1), target, 2, width=1)
        >>> ax.get_title()
        'boundary errors, width 1 px'
    """
    space, rules = resolve_label_space(
        num_classes, label_space, protocol, ignore_index=ignore_index, class_names=class_names, pred_ids=pred_ids
    )
    policy = Policy.of(space, void_preds=(rules or Policy()).void_preds if void_preds is None else void_preds)
    inputs = BandSettings.of_bands(InputSettings("index"), width, edge, void, policy.void_preds == "drop")
    if len(inputs.widths) > 1:
        raise ValueError(f"width holds {len(inputs.widths)} widths; expected one, since a picture shows one band.")
    one = None if of is None else _class(of, space)
    maps = _maps(preds, target)
    light = overlays.grey(image, tuple(maps[1].shape))
    kinds = overlays.band_kinds(*maps, space, inputs, one)
    name = "" if one is None else f" of {space.class_names[one]}"
    pixels = pixels_of(inputs.widths[0], maps[1].shape)
    ax = _draw(ax, overlays.boundary_errors(light, kinds), f"boundary errors{name}, width {pixels} px")
    _draw_legend(ax, light, colors.OF_ONE, bool((kinds == 4).any()))
    return ax


def _draw(ax: "Axes | None", picture: overlays.Picture, title: str) -> "Axes":
    height, width, _ = picture.shape
    ax = new_axes(ax, (8.0, 8.0 * min(1.5, height / width) + 0.7))
    ax.imshow(picture, interpolation="nearest")
    ax.set_axis_off()
    ax.set_title(title, parse_math=False, fontsize=11)
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


def _maps(preds: Any, target: Any) -> tuple[Tensor, Tensor]:
    """Both maps as tensors; raises ``TypeError`` or ``ValueError`` unless they are of one image."""
    preds, target = as_tensor(preds, "preds"), as_tensor(target, "target")
    if target.dim() != 2 or not target.numel():
        raise ValueError(f"target has shape {list(target.shape)}; expected one label map [H, W], that of one image.")
    if preds.dim() not in (2, 3) or preds.shape[-2:] != target.shape:
        raise ValueError(
            f"preds has shape {list(preds.shape)} and target {list(target.shape)}; expected a label map [H, W] or "
            "scores [C, H, W] of the height and width of target."
        )
    return preds, target


def _class(of: int | str, space: LabelSpace) -> int:
    members = resolve_class_groups(space, {"of": [of]})["of"]
    if not members:
        raise ValueError(f"of={of!r} is an ignored class; pass a class that is not in ignore_index.")
    return members[0]
