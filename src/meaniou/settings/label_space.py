"""The label space: which labels in maps stand for which class, which are void, and the names of the classes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from meaniou._util import as_integer, as_iterable
from meaniou.settings.choices import MAX_CLASSES
from meaniou.settings.class_groups import Groups, check_groups
from meaniou.settings.class_names import ClassNames, resolve_class_names
from meaniou.settings.label_ids import ClassIds, IdsByClass, as_void_ids, ids_by_class
from meaniou.settings.label_tables import LabelTables

TRAIN_VOID = 255  # the void of train ids, by convention, wherever it is no class

Color = tuple[int, int, int]
Hint = str | Mapping[int, str] | tuple[tuple[int | None, str], ...]
PredsHold = Literal["ids", "classes"] | IdsByClass
Instances = Literal["", "& 0xFFFF", "// 1000", "// 256"]


@dataclass(frozen=True, init=False)
class LabelSpace:
    """The classes, the labels that stand for them in maps, the labels that are void, and the names.

    Scores are always in the order of the classes. Labels in a map are the classes ``0 .. C-1`` themselves, unless
    ``ids`` says what is stored for each.

    Attributes:
        num_classes: number of classes C, 1 to 4096.
        ignore_index: ids that are void in the truth, and in predictions that hold the same ids, sorted.
        class_names: one name per class.
        ids: the ids of each class in maps, or ``None`` where a class is its own id.
        pred_ids: the same for predictions.
        pred_void: ids that are void in predictions.
        class_groups: name and classes of each group.
        colors: red, green and blue of each class, 0 to 255, or ``None``.
        hint: what an error says of labels that are no class, as pairs of a label (``None`` for any) and a text.
        instances: how labels that hold the number of an instance too hold the class, such as ``"// 1000"``, or empty.
        protocol: name of the benchmark whose classes these are, or empty.
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
            ids: what maps store for each class, one id or several of them, in the order of the classes; or
                ``{id: class}``. Any whole numbers of int64. ``None``: a class is its own id.
            ignore_index: id or ids that are void; one that is also the id of a class makes it void.
            class_names: a name for each class, as in ``MeanIoU``.
            class_groups: classes by group, by number or by name.
            colors: red, green and blue of each class, 0 to 255.
            pred_ids: ``"ids"`` (predictions hold what the truth holds), ``"classes"`` (they hold ``0 .. C-1``, and 255
                is void where it is no class), or ids of their own.
            pred_void: ids that are void in predictions; by default those of ``ignore_index`` where predictions
                hold what the truth holds, and none where they have ids of their own.
            hint: what an error says of labels that are no class, such as ``"if ..., pass ..."``; or
                ``{label: text}``. A setting in it, as ``{pred_ids:classes}``, is shown as a keyword or as an option.
            instances: how labels hold the class where they hold the number of an instance too, such as ``"// 1000"``,
                which an error then names as the cure.
            protocol: name of the benchmark whose classes these are.

        Raises:
            TypeError: if a setting has the wrong type.
            ValueError: if one is out of range, has the wrong length, or names an id twice.
        """
        num_classes = as_integer("num_classes", num_classes)
        if not 1 <= num_classes <= MAX_CLASSES:
            raise ValueError(
                f"num_classes is {num_classes}; expected 1 to {MAX_CLASSES}, so check the number of classes."
            )
        void = as_void_ids("ignore_index", ignore_index)
        target_ids = None if ids is None else ids_by_class("ids", ids, num_classes)
        if instances not in get_args(Instances):
            raise ValueError(f"instances is {instances!r}; expected one of {get_args(Instances)}.")
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
        vars(self).update(  # not by assignment, which a frozen dataclass refuses
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
        """The space that mmsegmentation and Hugging Face call so: truth 1 .. C for the classes, 0 and 255 void.

        Predictions hold ``0 .. C-1``, as an argmax does. With more than 254 classes, 0 alone is void.
        """
        void = [0, TRAIN_VOID] if as_integer("num_classes", num_classes) < TRAIN_VOID else [0]
        return cls(
            num_classes, ids=range(1, num_classes + 1), ignore_index=void, class_names=class_names, pred_ids="classes"
        )

    @property
    def preds_hold(self) -> PredsHold:
        """What predictions hold, as ``pred_ids`` of ``LabelSpace`` takes it."""
        if self.pred_ids == self.ids:
            return "ids"
        return "classes" if self.pred_ids is None else self.pred_ids

    def settings(self) -> dict[str, Any]:
        """The keywords of ``LabelSpace`` that make this one again; what follows from the others is left out."""
        names = ("num_classes", "ids", "ignore_index", "class_names", "colors", "hint", "instances", "protocol")
        keywords = {name: getattr(self, name) for name in names}
        keywords |= {"class_groups": dict(self.class_groups), "pred_ids": self.preds_hold}
        if self.pred_void != _usual_pred_void(self.preds_hold, self.ignore_index, self.num_classes):
            keywords["pred_void"] = self.pred_void
        return keywords

    def replace(self, **settings: Any) -> "LabelSpace":
        """The same with other settings, named as those of ``LabelSpace``."""
        kept = self.settings()
        if "pred_ids" in settings:
            kept.pop("pred_void", None)  # an id that is void may be a class in other ids
        return LabelSpace(**{**kept, **settings})

    @property
    def ignored_classes(self) -> frozenset[int]:
        """Classes all of whose ids are void: they are in no mean, and NaN."""
        return self.tables.ignored_classes


def resolve_class_groups(space: LabelSpace, groups: Groups | None) -> dict[str, tuple[int, ...]]:
    """Groups of classes by name, each as sorted ids without the ignored ones; raises as ``check_groups``."""
    checked = check_groups(groups, space.class_names)
    return {name: tuple(sorted(ids - space.ignored_classes)) for name, ids in checked.items()}


def _preds_hold(pred_ids: str | ClassIds | None, target_ids: IdsByClass | None, num_classes: int) -> PredsHold:
    """``pred_ids`` as asked; ``None`` is ``"classes"``, and these are the ids where a class is its own id."""
    if isinstance(pred_ids, str) and pred_ids not in ("ids", "classes"):
        raise ValueError(f"pred_ids is {pred_ids!r}; expected 'ids', 'classes' or ids for each class.")
    if pred_ids is None or isinstance(pred_ids, str):
        return "ids" if pred_ids == "ids" or target_ids is None else "classes"
    return ids_by_class("pred_ids", pred_ids, num_classes)


def _usual_pred_void(preds_hold: PredsHold, ignore_index: tuple[int, ...], num_classes: int) -> tuple[int, ...]:
    """The default of ``pred_void``."""
    if preds_hold == "ids":
        return ignore_index
    return (TRAIN_VOID,) if preds_hold == "classes" and num_classes <= TRAIN_VOID else ()


def _refuse_class_as_void(pred_void: tuple[int, ...], num_classes: int, ignore_index: tuple[int, ...]) -> None:
    """Raises ``ValueError`` for the id of a class in ``pred_void``, unless the truth ignores it too."""
    if classes := sorted(set(pred_void) & set(range(num_classes)) - set(ignore_index)):
        raise ValueError(
            f"pred_void holds {classes[0]}, which is a class in predictions; expected ids that are no class, so "
            "leave it out, or ignore the class in the truth too (ignore_index)."
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
        raise ValueError(f"colors is {rows}; expected {num_classes} of them, each red, green and blue from 0 to 255.")
    return tuple((red, green, blue) for red, green, blue in rows)
