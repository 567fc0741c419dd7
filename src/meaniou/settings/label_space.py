"""The label space: which stored ids mean which class, which ids are void, and the names of the classes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from meaniou._util import as_integer, as_iterable, quoted
from meaniou.settings.choices import MAX_CLASSES
from meaniou.settings.class_groups import Groups, check_groups
from meaniou.settings.class_names import ClassNames, resolve_class_names
from meaniou.settings.label_ids import ClassIds, IdsByClass, as_void_ids, ids_by_class
from meaniou.settings.label_tables import LabelTables

TRAIN_VOID = 255  # the void id of class numbers, by convention, unless it is a class

Color = tuple[int, int, int]
Hint = str | Mapping[int, str] | tuple[tuple[int | None, str], ...]
PredsHold = Literal["ids", "classes"] | IdsByClass
Instances = Literal["", "& 0xFFFF", "// 1000", "// 256"]


@dataclass(frozen=True, init=False)
class LabelSpace:
    """The classes of a dataset: their stored ids, the void ids, their names, groups and colours.

    Label maps hold the class numbers ``0 .. C-1``, unless ``ids`` names the ids that are stored for each class. Scores
    ``[B, C, *]`` are always in class order.

    Attributes:
        num_classes: number of classes C, 1 to 4096.
        ignore_index: void ids of the ground truth, and of predictions that hold the same ids, sorted.
        class_names: one name per class.
        ids: the stored ids of each class in the ground truth; ``None`` if it holds class numbers.
        pred_ids: the same for predictions.
        pred_void: void ids of predictions.
        class_groups: name and class numbers of each group.
        colors: red, green and blue of each class, 0 to 255, or ``None``.
        hint: advice for errors about labels out of range, as pairs of a label (``None`` for any) and a sentence.
        instances: how to get the class from a label that also holds an instance id, such as ``"// 1000"``; or empty.
        protocol: name of the benchmark with these classes, or empty.
        tables: the part that kernels read, derived from the others.

    Example:
        >>> import numpy as np
        >>> from meaniou import LabelSpace, mean_iou
        >>> space = LabelSpace(2, ids=[7, (11, 12)], ignore_index=0, class_names=["road", "building"])
        >>> mean_iou(np.array([[7, 11, 12]]), np.array([[7, 12, 0]]), label_space=space)
        tensor(1.)
    """

    num_classes: int
    ignore_index: tuple[int, ...]
    class_names: tuple[str, ...]
    ids: IdsByClass | None
    pred_ids: IdsByClass | None
    pred_void: tuple[int, ...]
    class_groups: tuple[tuple[str, tuple[int, ...]], ...]
    colors: tuple[Color, ...] | None
    hint: tuple[tuple[int | None, str], ...] = field(repr=False, compare=False)
    instances: Instances = field(repr=False, compare=False)
    protocol: str = field(repr=False, compare=False)
    tables: LabelTables = field(repr=False, compare=False)

    def __init__(
        self,
        num_classes: int,
        *,
        ids: ClassIds | None = None,
        ignore_index: int | Iterable[int] | None = None,
        class_names: ClassNames | None = None,
        class_groups: Groups | None = None,
        colors: Iterable[Iterable[int]] | None = None,
        pred_ids: str | ClassIds | None = "ids",
        pred_void: int | Iterable[int] | None = None,
        hint: Hint = "",
        instances: Instances = "",
        protocol: str = "",
    ) -> None:
        """Checks the settings and freezes them.

        Args:
            num_classes: number of classes C, 1 to 4096.
            ids: the ids that are stored for each class, in class order, each one id or several; or a dict
                ``{id: class}``. Ids are any whole numbers that fit into int64. ``None``: maps hold class numbers.
            ignore_index: one or several void ids. The id of a class may be among them; its pixels are void then.
            class_names: one name per class, as for ``MeanIoU``.
            class_groups: classes of each group, by number or by name.
            colors: red, green and blue of each class, 0 to 255.
            pred_ids: what predictions hold: ``"ids"`` for the ids of the ground truth, ``"classes"`` for class numbers
                ``0 .. C-1``, or ids of their own, in the form of ``ids``.
            pred_void: void ids of predictions. The default is ``ignore_index`` if they hold the ids of the ground
                truth, 255 if they hold class numbers (none if 255 is a class), and none if they have ids of their own.
            hint: advice for errors about labels out of range, such as ``"If ..., pass ..."``; or a dict
                ``{label: advice}``. ``{pred_ids:classes}`` in it becomes ``pred_ids='classes'`` or, on the command
                line, ``--pred-ids classes``.
            instances: how to get the class from a label that also holds an instance id: ``"// 1000"``, ``"// 256"`` or
                ``"& 0xFFFF"``. Errors name it as a cure.
            protocol: name of the benchmark with these classes.

        Raises:
            TypeError: if a setting has the wrong type.
            ValueError: if a setting is out of range, has the wrong length, or repeats an id.
        """
        num_classes = as_integer("num_classes", num_classes)
        if not 1 <= num_classes <= MAX_CLASSES:
            raise ValueError(f"num_classes is {num_classes}; expected 1 to {MAX_CLASSES}.")
        void = as_void_ids("ignore_index", ignore_index)
        target_ids = None if ids is None else ids_by_class("ids", ids, num_classes)
        if instances not in get_args(Instances):
            choices = ", ".join(map(repr, get_args(Instances)))
            raise ValueError(f"instances is {instances!r}; expected one of {choices}.")
        preds_hold = _preds_hold(pred_ids, target_ids, num_classes)
        preds_ids = {"ids": target_ids, "classes": None}[preds_hold] if isinstance(preds_hold, str) else preds_hold
        if pred_void is None:
            preds_void = _usual_pred_void(preds_hold, void, num_classes)
        else:
            preds_void = as_void_ids("pred_void", pred_void)
            if preds_ids is None:
                _refuse_class_as_void(preds_void, num_classes, void if target_ids is None else ())
        names = resolve_class_names(class_names, num_classes)
        tables = LabelTables.of(num_classes, target_ids, void, preds_ids, preds_void)
        groups = check_groups(class_groups, names)
        vars(self).update(  # a frozen dataclass refuses assignments
            num_classes=num_classes,
            ignore_index=void,
            class_names=names,
            ids=target_ids,
            pred_ids=preds_ids,
            pred_void=preds_void,
            class_groups=tuple((name, tuple(sorted(ids - tables.ignored_classes))) for name, ids in groups.items()),
            colors=None if colors is None else _colors(colors, num_classes),
            hint=_hints(hint),
            instances=instances,
            protocol=protocol,
            tables=tables,
        )

    @classmethod
    def reduce_zero_label(cls, num_classes: int, *, class_names: ClassNames | None = None) -> "LabelSpace":
        """The label space of ``reduce_zero_label=True`` (mmsegmentation) and ``reduce_labels=True`` (Hugging Face).

        The ground truth holds 1 to C for the classes; 0 and 255 are void (with more than 254 classes, only 0).
        Predictions hold class numbers ``0 .. C-1``, as an argmax gives them.

        Example:
            >>> import torch
            >>> from meaniou import LabelSpace, mean_iou
            >>> mean_iou(torch.tensor([[0, 1, 1]]), torch.tensor([[1, 2, 0]]),
            ...          label_space=LabelSpace.reduce_zero_label(150))
            tensor(1.)
        """
        void = [0, TRAIN_VOID] if as_integer("num_classes", num_classes) < TRAIN_VOID else [0]
        return cls(
            num_classes, ids=range(1, num_classes + 1), ignore_index=void, class_names=class_names, pred_ids="classes"
        )

    @property
    def preds_hold(self) -> PredsHold:
        """The value of ``pred_ids`` that gives this label space."""
        if self.pred_ids == self.ids:
            return "ids"
        return "classes" if self.pred_ids is None else self.pred_ids

    def settings(self) -> dict[str, Any]:
        """The keywords that make this label space again, without those that follow from the others."""
        names = ("num_classes", "ids", "ignore_index", "class_names", "colors", "hint", "instances", "protocol")
        keywords = {name: getattr(self, name) for name in names}
        keywords |= {"class_groups": dict(self.class_groups), "pred_ids": self.preds_hold}
        if self.pred_void != _usual_pred_void(self.preds_hold, self.ignore_index, self.num_classes):
            keywords["pred_void"] = self.pred_void
        return keywords

    def replace(self, **settings: Any) -> "LabelSpace":
        """A copy with other settings, by the keywords of ``LabelSpace``; raises as ``LabelSpace``."""
        kept = self.settings()
        if "pred_ids" in settings:
            kept.pop("pred_void", None)  # a void id may be a class among other ids
        return LabelSpace(**{**kept, **settings})

    @property
    def ignored_classes(self) -> frozenset[int]:
        """Classes whose ids are all void; their scores are NaN and in no mean."""
        return self.tables.ignored_classes


def resolve_class_groups(space: LabelSpace, groups: Groups | None) -> dict[str, tuple[int, ...]]:
    """The sorted class numbers of each group, without ignored classes; raises as ``check_groups``."""
    checked = check_groups(groups, space.class_names)
    return {name: tuple(sorted(ids - space.ignored_classes)) for name, ids in checked.items()}


def _preds_hold(pred_ids: str | ClassIds | None, target_ids: IdsByClass | None, num_classes: int) -> PredsHold:
    """``pred_ids``, checked; ``None`` is ``"classes"``, which is ``"ids"`` if the ground truth holds class numbers."""
    if isinstance(pred_ids, str) and pred_ids not in ("ids", "classes"):
        raise ValueError(f"pred_ids is {pred_ids!r}; expected 'ids', 'classes' or the ids of each class.")
    if pred_ids is None or isinstance(pred_ids, str):
        return "ids" if pred_ids == "ids" or target_ids is None else "classes"
    return ids_by_class("pred_ids", pred_ids, num_classes)


def _usual_pred_void(preds_hold: PredsHold, ignore_index: tuple[int, ...], num_classes: int) -> tuple[int, ...]:
    """The default of ``pred_void``."""
    if preds_hold == "ids":
        return ignore_index
    return (TRAIN_VOID,) if preds_hold == "classes" and num_classes <= TRAIN_VOID else ()


def _refuse_class_as_void(pred_void: tuple[int, ...], num_classes: int, ignore_index: tuple[int, ...]) -> None:
    """Raises ``ValueError`` for a class in ``pred_void``, unless the ground truth ignores it too."""
    if classes := sorted(set(pred_void) & set(range(num_classes)) - set(ignore_index)):
        raise ValueError(
            f"pred_void holds {classes[0]}, which is a class in predictions; expected ids that are no class. Leave it "
            "out, or ignore the class on both sides by ignore_index."
        )


def _hints(hint: Hint) -> tuple[tuple[int | None, str], ...]:
    if isinstance(hint, str):
        return ((None, hint),) if hint else ()
    return tuple(hint.items()) if isinstance(hint, Mapping) else tuple(hint)


def _colors(colors: Iterable[Iterable[int]], num_classes: int) -> tuple[Color, ...]:
    rows = [
        tuple(as_integer("colors", part) for part in as_iterable("colors", color))
        for color in as_iterable("colors", colors)
    ]
    if len(rows) != num_classes or any(len(row) != 3 or min(row) < 0 or max(row) > 255 for row in rows):
        raise ValueError(
            f"colors is {quoted(rows)}; expected {num_classes} colours, each (red, green, blue) from 0 to 255."
        )
    return tuple((red, green, blue) for red, green, blue in rows)
