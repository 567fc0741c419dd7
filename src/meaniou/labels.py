"""Settings as a user gives them -> frozen objects (label space, policy, counting), made once and passed on whole."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, Literal, TypedDict, TypeVar, get_args

MAX_CLASSES = 4096

Average = Literal["macro", "micro", "weighted", "none"]
Unanswered = Literal["miss", "drop", "error"]
Present = Literal["union", "target"]
Absent = Literal["skip", "zero", "one", "nan"]
InputFormat = Literal["auto", "index", "one-hot"]
Impl = Literal["auto", "portable", "cpu", "cuda"]

CHOICES: dict[str, tuple[str, ...]] = {
    "average": get_args(Average),
    "unanswered": get_args(Unanswered),
    "present": get_args(Present),
    "absent": get_args(Absent),
    "input_format": get_args(InputFormat),
    "impl": get_args(Impl),
}

T = TypeVar("T")
ClassNames = Sequence[str] | Mapping[int, str]
Groups = Mapping[str, Iterable[int | str]]


class Settings(TypedDict, total=False):
    """The keywords of ``MeanIoU``, for functions that pass them on."""

    average: Average | None
    ignore_index: int | Iterable[int] | None
    unanswered: Unanswered
    present: Present
    absent: Absent
    classes: Iterable[int] | None
    include_background: bool
    input_format: InputFormat
    threshold: float
    class_names: ClassNames | None
    validate_args: bool
    impl: Impl


@dataclass(frozen=True)
class LabelSpace:
    """The classes, the ids that are ignored, and the names: everything that decides into which bin a pixel falls.

    Attributes:
        num_classes: number of classes C; the class ids are ``0 .. C-1``.
        ignore: ids that are no class, sorted; inside or outside ``0 .. C-1``, negative ones too.
        names: one name per class.
    """

    num_classes: int
    ignore: tuple[int, ...]
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        num_classes: int,
        ignore_index: int | Iterable[int] | None = None,
        class_names: ClassNames | None = None,
    ) -> "LabelSpace":
        """Checks the settings and freezes them; raises ``TypeError`` or ``ValueError`` if one is off."""
        classes = _integer("num_classes", num_classes)
        if not 1 <= classes <= MAX_CLASSES:
            raise ValueError(f"num_classes is {classes}; expected 1 to {MAX_CLASSES}, so check the number of classes.")
        if ignore_index is None:
            ignored: set[int] = set()
        elif isinstance(ignore_index, Iterable) and getattr(ignore_index, "ndim", 1) > 0:
            ignored = {_integer("ignore_index", i) for i in ignore_index}
        else:
            ignored = {_integer("ignore_index", ignore_index)}
        for i in sorted(ignored):
            if not -(2**63) <= i < 2**63:
                raise ValueError(
                    f"ignore_index holds {i}; expected ids that fit into int64, so name the id that the maps hold."
                )
        return cls(classes, tuple(sorted(ignored)), _names(class_names, classes))

    @property
    def ignored_classes(self) -> frozenset[int]:
        """The ignored ids inside ``0 .. C-1``: they are in no mean, and their value is NaN."""
        return frozenset(i for i in self.ignore if 0 <= i < self.num_classes)


@dataclass(frozen=True)
class Policy:
    """How counts become numbers; none of it changes what is counted.

    Attributes:
        average: ``"macro"``, ``"micro"``, ``"weighted"`` (by truth area) or ``"none"``.
        unanswered: what a no-answer on a valid pixel is: a ``"miss"``, void (``"drop"``) or an ``"error"``.
        present: the classes that enter an average: those in truth or prediction (``"union"``) or in the truth
            (``"target"``).
        absent: what a class that is not present brings to macro and none: nothing, 0, 1 or NaN.
        classes: the classes that enter an average, sorted.
    """

    average: Average = "macro"
    unanswered: Unanswered = "miss"
    present: Present = "union"
    absent: Absent = "skip"
    classes: tuple[int, ...] = ()

    @classmethod
    def of(
        cls,
        space: LabelSpace,
        *,
        average: Average | None = "macro",
        unanswered: Unanswered = "miss",
        present: Present = "union",
        absent: Absent = "skip",
        classes: Iterable[int] | None = None,
        include_background: bool = True,
    ) -> "Policy":
        """Checks the settings against the label space and freezes them; raises ``TypeError`` or ``ValueError``."""
        average = "none" if average is None else average
        one_of("average", average)
        one_of("unanswered", unanswered)
        one_of("present", present)
        one_of("absent", absent)
        flag("include_background", include_background)
        chosen = (
            set(range(space.num_classes))
            if classes is None
            else {_integer("classes", c) for c in _each("classes", classes)}
        )
        wrong = sorted(c for c in chosen if not 0 <= c < space.num_classes)
        if wrong:
            raise ValueError(
                f"classes holds {wrong[0]}; expected class ids 0 to {space.num_classes - 1}, so drop it or raise "
                "num_classes."
            )
        if not include_background:
            chosen.discard(0)
        chosen -= space.ignored_classes
        if not chosen:
            raise ValueError(
                "No class is left for the mean after classes, include_background and ignore_index; leave at "
                "least one class id in."
            )
        return cls(average, unanswered, present, absent, tuple(sorted(chosen)))

    def under(self, space: LabelSpace, rules: Mapping[str, Any]) -> "Policy":
        """The same with other rules of a report; raises ``TypeError`` if one is no such rule, else as ``of``."""
        known = ("unanswered", "present", "absent", "classes", "include_background")
        if not isinstance(rules, Mapping):
            raise TypeError(f"policy is a {type(rules).__name__}; expected {{rule: value}}, so pass a dict.")
        if unknown := [name for name in rules if name not in known]:
            raise TypeError(
                f"policy holds {unknown[0]!r}, which is no rule of a report; expected some of {', '.join(known)}, "
                "since all else is settled when pixels are counted, or is in the report anyway."
            )
        return Policy.of(space, **{**vars(self), **rules})


@dataclass(frozen=True)
class Counting:
    """How a batch is read and counted; with the label space, all that makes two states of counts comparable.

    Attributes:
        input_format: how shapes that can be read in two ways are read.
        threshold: class 1 of two is where a single floating channel is above it.
        validate_args: whether labels outside the classes raise.
        impl: the kernel asked for.
    """

    input_format: InputFormat = "auto"
    threshold: float = 0.5
    validate_args: bool = True
    impl: Impl = "auto"

    @classmethod
    def of(cls, input_format: InputFormat, threshold: float, validate_args: bool, impl: Impl) -> "Counting":
        """Checks the settings and freezes them; raises ``TypeError`` or ``ValueError`` if one is off."""
        one_of("input_format", input_format)
        one_of("impl", impl)
        flag("validate_args", validate_args)
        if isinstance(threshold, bool) or not isinstance(threshold, Real) or threshold != threshold:
            raise TypeError(
                f"threshold is {threshold!r}; expected a number, such as 0.5 for probabilities or 0.0 for logits."
            )
        return cls(input_format, float(threshold), validate_args, impl)


def groups_of(space: LabelSpace, groups: Groups | None) -> dict[str, tuple[int, ...]]:
    """Groups of classes by name, each as sorted ids without the ignored ones; classes are given by id or by name.

    Raises:
        TypeError: if the groups are no mapping of names to several classes.
        ValueError: if a group is empty or holds what is no class.
    """
    if not isinstance(groups or {}, Mapping):
        raise TypeError(f"groups is a {type(groups).__name__}; expected {{name: [classes]}}, so pass a dict.")
    ids = {name: i for i, name in enumerate(space.names)}
    found = {}
    for name, members in (groups or {}).items():
        if not isinstance(name, str) or not name.strip() or isinstance(members, str):
            raise TypeError(
                f"groups holds {name!r}: {members!r}; expected a name and a list of classes for each group."
            )
        listed = list(_each("groups", members))
        chosen: set[int] = set()
        for member in listed:
            c = ids.get(member, -1) if isinstance(member, str) else _integer("groups", member)
            if not 0 <= c < space.num_classes:
                raise ValueError(
                    f"The group {name!r} holds {member!r}, which is no class; expected ids 0 to "
                    f"{space.num_classes - 1} or names of class_names, so mend its list."
                )
            chosen.add(c)
        if not chosen:
            raise ValueError(
                f"The group {name!r} holds no class; expected at least one, so name one or drop the group."
            )
        if name.strip() in found:
            raise ValueError(
                f"groups holds {name.strip()!r} more than once; expected names that differ, so rename one."
            )
        found[name.strip()] = tuple(sorted(chosen - space.ignored_classes))
    return found


def one_of(name: str, value: object) -> None:
    """Raises ``ValueError`` unless ``value`` is one of the choices of that name."""
    if value not in CHOICES[name]:
        raise ValueError(f"{name} is {value!r}; expected one of {', '.join(map(repr, CHOICES[name]))}.")


def flag(name: str, value: object) -> None:
    """Raises ``TypeError`` unless ``value`` is a bool."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is {value!r} ({type(value).__name__}); expected True or False.")


def _integer(name: str, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} holds {value!r} ({type(value).__name__}); expected a whole number, so pass an int.")
    return int(value.__index__())


def _each(name: str, values: Iterable[T]) -> Iterable[T]:
    if not isinstance(values, Iterable):
        raise TypeError(f"{name} is {values!r} ({type(values).__name__}); expected several of them, so pass a list.")
    return values


def _names(class_names: ClassNames | None, num_classes: int) -> tuple[str, ...]:
    if class_names is None:
        return tuple(str(c) for c in range(num_classes))
    if isinstance(class_names, str):
        raise TypeError(f"class_names is the string {class_names!r}; expected a sequence of names, one per class.")
    if isinstance(class_names, Mapping):
        if set(class_names) != set(range(num_classes)):
            raise ValueError(
                f"class_names has {len(class_names)} keys; expected the {num_classes} class ids 0 to "
                f"{num_classes - 1}, one name for each."
            )
        class_names = [class_names[c] for c in range(num_classes)]
    names = tuple(name.strip() if isinstance(name, str) else name for name in _each("class_names", class_names))
    for name in names:
        if not isinstance(name, str) or not name:
            raise TypeError(f"class_names holds {name!r}; expected strings that are not empty, one per class.")
    if len(names) != num_classes:
        raise ValueError(
            f"class_names has {len(names)} names; expected {num_classes}, one per class, in the order of their ids."
        )
    if len(set(names)) != num_classes:
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"class_names holds {twice!r} more than once; expected names that differ, so rename one.")
    return names
