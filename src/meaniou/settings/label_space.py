"""The labels that maps store -> classes: one frozen object that kernels, scores and reports read."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from meaniou._util import each, integer, short
from meaniou.settings.choices import MAX_CLASSES
from meaniou.settings.class_names import ClassNames, check_text, names_of

TRAIN_VOID = 255  # the void of train ids, by convention, wherever it is no class

ClassIds = Sequence[int | Iterable[int]] | Mapping[int, int]
Groups = Mapping[str, Iterable[int | str]]
Color = tuple[int, int, int]
Hint = str | Mapping[int, str] | tuple[tuple[int | None, str], ...]
Instances = Literal["", "& 0xFFFF", "// 1000", "// 256"]


@dataclass(frozen=True, init=False)
class LabelSpace:
    """The classes, the labels that stand for them in maps, the labels that are void, and the names.

    Scores are always in the order of the classes. Labels in a map are the classes ``0 .. C-1`` themselves, unless
    ``ids`` says what is stored for each.

    Attributes:
        num_classes: number of classes C, 1 to 4096.
        ignore_index: ids that are no class, sorted: void in the truth, no answer in a prediction.
        class_names: one name per class.
        ids: the ids of each class in maps, or ``None`` where a class is its own id.
        pred_ids: the same for predictions.
        pred_void: ids that are no answer in predictions.
        class_groups: name and classes of each group.
        colors: red, green and blue of each class, 0 to 255, or ``None``.
        hint: what an error says of labels that are no class, as pairs of a label (``None`` for any) and a text.
        instances: how maps of instances hold the class of a label, where that is known of these classes.
        protocol: name of the benchmark whose classes these are, or empty.

    Example:
        >>> import numpy as np
        >>> from meaniou import LabelSpace, mean_iou
        >>> space = LabelSpace(2, ids=[7, (11, 12)], void=0, names=["road", "building"])
        >>> mean_iou(np.array([[7, 11, 12]]), np.array([[7, 12, 0]]), space)
        tensor(1.)
    """

    num_classes: int
    ignore_index: tuple[int, ...]
    class_names: tuple[str, ...]
    ids: tuple[tuple[int, ...], ...] | None
    pred_ids: tuple[tuple[int, ...], ...] | None
    pred_void: tuple[int, ...]
    class_groups: tuple[tuple[str, tuple[int, ...]], ...]
    colors: tuple[Color, ...] | None
    hint: tuple[tuple[int | None, str], ...] = field(repr=False, compare=False)
    instances: Instances = field(repr=False, compare=False)
    protocol: str = field(repr=False, compare=False)
    # What a kernel reads, made here once: ids that are no class where a class is its own id, and where it is not,
    # (id, bin, id, bin, ...) in the order of the ids.
    ignore: tuple[int, ...] = field(repr=False, compare=False)
    target_bins: tuple[int, ...] = field(repr=False, compare=False)
    preds_bins: tuple[int, ...] = field(repr=False, compare=False)
    # The same as text: of 300 numbers PyTorch's dispatcher carries the tuple in 25 µs and the text in 1.
    target_text: str = field(repr=False, compare=False)
    preds_text: str = field(repr=False, compare=False)
    ignored_classes: frozenset[int] = field(repr=False, compare=False)  # all their ids are void: in no mean, NaN

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
                is no answer where it is no class), or ids of their own.
            pred_void: ids that are no answer in predictions; by default those of ``ignore_index`` where predictions
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
        classes = integer("num_classes", num_classes)
        if not 1 <= classes <= MAX_CLASSES:
            raise ValueError(f"num_classes is {classes}; expected 1 to {MAX_CLASSES}, so check the number of classes.")
        no_class = void_ids("ignore_index", ignore_index)
        of_truth = None if ids is None else _ids("ids", ids, classes)
        if instances not in get_args(Instances):
            raise ValueError(f"instances is {instances!r}; expected one of {get_args(Instances)}.")
        of_preds, no_answer = _of_preds(pred_ids, pred_void, of_truth, no_class, classes)
        found: dict[str, Any] = {
            "num_classes": classes,
            "ignore_index": no_class,
            "class_names": names_of(class_names, classes),
        }
        found |= {
            "ids": of_truth,
            "pred_ids": of_preds,
            "pred_void": no_answer,
            "class_groups": (),
            "hint": _hints(hint),
        }
        found |= {"instances": instances, "protocol": protocol}
        found |= {"colors": None if colors is None else _colors(colors, classes)}
        own = [(c,) for c in range(classes)]
        ignored = frozenset(c for c, labels in enumerate(of_truth or own) if set(labels) <= set(no_class))
        not_own = {*no_class, *ignored} if of_truth is None else {*ignored, *(no_answer if of_preds is None else ())}
        found |= {"ignored_classes": ignored, "ignore": tuple(sorted(not_own))}
        # Class numbers on both sides share one list of ignored ids, so that another void of predictions needs a table.
        apart = of_truth is None and of_preds is None and no_answer != no_class
        table = tuple(own) if apart else of_preds
        found |= {"target_bins": _bins(of_truth, no_class), "preds_bins": _bins(table, no_answer, ignored)}
        found |= {f"{side}_text": " ".join(map(str, found[f"{side}_bins"])) for side in ("target", "preds")}
        for name, value in found.items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "class_groups", tuple(groups_of(self, class_groups).items()))

    @classmethod
    def reduce_zero_label(cls, num_classes: int, *, class_names: ClassNames | None = None) -> "LabelSpace":
        """The space that mmsegmentation and Hugging Face call so: truth 1 .. C for the classes, 0 and 255 void.

        Predictions hold ``0 .. C-1``, as an argmax does. With more than 254 classes, 0 alone is void.
        """
        void = [0, TRAIN_VOID] if integer("num_classes", num_classes) < TRAIN_VOID else [0]
        return cls(
            num_classes, ids=range(1, num_classes + 1), ignore_index=void, class_names=class_names, pred_ids="classes"
        )

    def but(self, **settings: Any) -> "LabelSpace":
        """The same with other settings, named as those of ``LabelSpace``."""
        kept: dict[str, Any] = {"num_classes": self.num_classes, "ids": self.ids, "ignore_index": self.ignore_index}
        kept |= {"class_names": self.class_names, "class_groups": dict(self.class_groups), "colors": self.colors}
        kept |= {"hint": self.hint, "instances": self.instances, "protocol": self.protocol}
        kept["pred_ids"] = "classes" if self.pred_ids is None else "ids" if self.pred_ids == self.ids else self.pred_ids
        if self.pred_void != LabelSpace(**kept).pred_void and "pred_ids" not in settings:
            kept["pred_void"] = self.pred_void
        return LabelSpace(**{**kept, **settings})


def groups_of(space: LabelSpace, groups: Groups | None) -> dict[str, tuple[int, ...]]:
    """Groups of classes by name, each as sorted ids without the ignored ones; classes are given by id or by name.

    Raises:
        TypeError: if the groups are no mapping of names to several classes.
        ValueError: if a group is empty or holds what is no class.
    """
    if not isinstance(groups or {}, Mapping):
        raise TypeError(f"class_groups is a {type(groups).__name__}; expected {{name: [classes]}}, so pass a dict.")
    ids = {name: i for i, name in enumerate(space.class_names)}
    found = {}
    for name, members in (groups or {}).items():
        if not isinstance(name, str) or not name.strip() or isinstance(members, str):
            raise TypeError(
                f"class_groups holds {name!r}: {members!r}; expected a name and a list of classes for each group."
            )
        check_text("class_groups", name)
        listed = list(each("class_groups", members))
        chosen: set[int] = set()
        for member in listed:
            c = ids.get(member, -1) if isinstance(member, str) else integer("class_groups", member)
            if not 0 <= c < space.num_classes:
                raise ValueError(
                    f"The group {short(name)} holds {short(member)}, which is no class; expected ids 0 to "
                    f"{space.num_classes - 1} or names of class_names, so correct its list."
                )
            chosen.add(c)
        if not chosen:
            raise ValueError(
                f"The group {name!r} holds no class; expected at least one, so name one or drop the group."
            )
        if name.strip() in found:
            raise ValueError(
                f"class_groups holds {name.strip()!r} more than once; expected names that differ, so rename one."
            )
        found[name.strip()] = tuple(sorted(chosen - space.ignored_classes))
    return found


def void_ids(name: str, void: int | Iterable[int] | None) -> tuple[int, ...]:
    """Sorted ids of one or several; ``name`` is the setting that an error complains of."""
    if void is None:
        return ()
    several = isinstance(void, Iterable) and not isinstance(void, str) and getattr(void, "ndim", 1) > 0
    return tuple(sorted({_id(name, i) for i in (void if several else [void])}))  # type: ignore[union-attr]


def _id(name: str, label: Any) -> int:
    found = integer(name, label)
    if not -(2**63) <= found < 2**63:
        raise ValueError(f"{name} holds {found}; expected ids that fit into int64, so name the id that the maps hold.")
    return found


def _ids(name: str, ids: ClassIds, num_classes: int) -> tuple[tuple[int, ...], ...]:
    of_class: list[list[int]] = [[] for _ in range(num_classes)]
    if isinstance(ids, Mapping):
        pairs = [(_id(name, label), integer(name, c)) for label, c in ids.items()]
    else:
        listed = list(each(name, ids))
        if len(listed) != num_classes:
            raise ValueError(
                f"{name} has {len(listed)} entries; expected {num_classes}, one per class: an id, or several in a "
                "tuple."
            )
        several = [i if isinstance(i, Iterable) and getattr(i, "ndim", 1) > 0 else [i] for i in listed]
        pairs = [(_id(name, label), c) for c, labels in enumerate(several) for label in labels]
    seen: set[int] = set()
    for label, c in pairs:
        if label in seen:
            raise ValueError(f"{name} holds {label} twice; expected one class for each id, so drop one of them.")
        if not 0 <= c < num_classes:
            raise ValueError(
                f"{name} makes {label} the class {c}; expected classes 0 to {num_classes - 1}, so name it in "
                "ignore_index if it is none."
            )
        seen.add(label)
        of_class[c].append(label)
    if empty := [c for c, labels in enumerate(of_class) if not labels]:
        raise ValueError(f"{name} has no id for class {empty[0]}; expected one at least, so name it.")
    return tuple(tuple(labels) for labels in of_class)


def _of_preds(
    pred_ids: str | ClassIds | None,
    pred_void: int | Iterable[int] | None,
    of_truth: tuple[tuple[int, ...], ...] | None,
    no_class: tuple[int, ...],
    classes: int,
) -> tuple[tuple[tuple[int, ...], ...] | None, tuple[int, ...]]:
    """The ids of each class in predictions, ``None`` where a class is its own id, and those that are no answer."""
    of_preds: tuple[tuple[int, ...], ...] | None
    no_answer: tuple[int, ...]
    if isinstance(pred_ids, str) and pred_ids not in ("ids", "classes"):
        raise ValueError(f"pred_ids is {pred_ids!r}; expected 'ids', 'classes' or ids for each class.")
    if pred_ids == "ids" or (pred_ids in (None, "classes") and of_truth is None):
        of_preds, no_answer = of_truth, no_class
    elif pred_ids is None or isinstance(pred_ids, str):
        of_preds, no_answer = None, (TRAIN_VOID,) if classes <= TRAIN_VOID else ()
    else:
        of_preds, no_answer = _ids("pred_ids", pred_ids, classes), ()
    if pred_void is not None:
        no_answer = void_ids("pred_void", pred_void)
        numbers = set(range(classes)) if of_preds is None else set()
        if named := sorted(numbers.intersection(no_answer) - (set(no_class) if of_truth is None else set())):
            raise ValueError(
                f"pred_void holds {named[0]}, which is a class in predictions; expected ids that are no class, so "
                "leave it out, or ignore the class in the truth too (ignore_index)."
            )
    return of_preds, no_answer


def _bins(
    ids: tuple[tuple[int, ...], ...] | None, void: tuple[int, ...], ignored: frozenset[int] = frozenset()
) -> tuple[int, ...]:
    if ids is None:
        return ()
    known = {label: len(ids) if c in ignored else c for c, labels in enumerate(ids) for label in labels}
    known |= dict.fromkeys(void, len(ids))
    return tuple(number for pair in sorted(known.items()) for number in pair)


def _hints(hint: Hint) -> tuple[tuple[int | None, str], ...]:
    if isinstance(hint, str):
        return ((None, hint),) if hint else ()
    return tuple(hint.items()) if isinstance(hint, Mapping) else tuple(hint)


def _colors(colors: Iterable[Iterable[int]], num_classes: int) -> tuple[Color, ...]:
    listed = (each("colors", color) for color in each("colors", colors))
    found = tuple(tuple(integer("colors", part) for part in color) for color in listed)
    if len(found) != num_classes or any(len(c) != 3 or min(c) < 0 or max(c) > 255 for c in found):
        raise ValueError(
            f"colors is {list(found)}; expected {num_classes} of them, each red, green and blue from 0 to 255."
        )
    return found  # type: ignore[return-value]
