"""Groups of classes by name, checked and as ids."""

from collections.abc import Iterable, Mapping, Sequence

from meaniou._util import as_integer, as_iterable, quoted
from meaniou.settings.class_names import check_text

Groups = Mapping[str, Iterable[int | str]]


def check_groups(groups: Groups | None, class_names: Sequence[str]) -> dict[str, frozenset[int]]:
    """The class ids of each group, whose members are ids or names of classes.

    Raises:
        TypeError: if the groups are no mapping of names to several classes.
        ValueError: if a group is empty or holds what is no class.
    """
    if not isinstance(groups or {}, Mapping):
        raise TypeError(f"class_groups is a {type(groups).__name__}; expected {{name: [classes]}}, so pass a dict.")
    ids = {name: i for i, name in enumerate(class_names)}
    members_by_name: dict[str, frozenset[int]] = {}
    for name, members in (groups or {}).items():
        if not isinstance(name, str) or not name.strip() or isinstance(members, str):
            raise TypeError(
                f"class_groups holds {name!r}: {members!r}; expected a name and a list of classes for each group."
            )
        check_text("class_groups", name)
        classes = frozenset(_class_id(name, member, ids) for member in as_iterable("class_groups", members))
        if not classes:
            raise ValueError(
                f"The group {name!r} holds no class; expected at least one, so name one or drop the group."
            )
        if name.strip() in members_by_name:
            raise ValueError(
                f"class_groups holds {name.strip()!r} more than once; expected names that differ, so rename one."
            )
        members_by_name[name.strip()] = classes
    return members_by_name


def _class_id(group: str, member: int | str, ids: Mapping[str, int]) -> int:
    c = ids.get(member, -1) if isinstance(member, str) else as_integer("class_groups", member)
    if not 0 <= c < len(ids):
        raise ValueError(
            f"The group {quoted(group)} holds {quoted(member)}, which is no class; expected ids 0 to "
            f"{len(ids) - 1} or names of class_names, so correct its list."
        )
    return c
