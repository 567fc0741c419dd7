"""Named groups of classes, checked and converted to class numbers."""

from collections.abc import Iterable, Mapping, Sequence

from meaniou._util import as_integer, as_iterable, kind_of, quoted
from meaniou.settings.class_names import check_text

Groups = Mapping[str, Iterable[int | str]]


def check_groups(groups: Groups | None, class_names: Sequence[str]) -> dict[str, frozenset[int]]:
    """The class numbers of each group; members are class numbers or class names.

    Raises:
        TypeError: if ``groups`` does not map names to several classes each.
        ValueError: if a group is empty, repeats a name of a group, or holds something that is not a class.
    """
    if not isinstance(groups or {}, Mapping):
        raise TypeError(f"class_groups is {kind_of(groups)}; expected a dict {{name: [classes]}}.")
    ids = {name: i for i, name in enumerate(class_names)}
    members_by_name: dict[str, frozenset[int]] = {}
    for name, members in (groups or {}).items():
        if not isinstance(name, str) or not name.strip() or isinstance(members, str):
            raise TypeError(
                f"class_groups holds {name!r}: {members!r}; expected a name and a list of classes per group."
            )
        check_text("class_groups", name)
        classes = frozenset(_class_id(name, member, ids) for member in as_iterable(f"The group {name!r}", members))
        if not classes:
            raise ValueError(f"The group {name!r} holds no class. Add one, or remove the group.")
        if name.strip() in members_by_name:
            raise ValueError(f"class_groups holds {name.strip()!r} more than once. Rename one of the groups.")
        members_by_name[name.strip()] = classes
    return members_by_name


def _class_id(group: str, member: int | str, ids: Mapping[str, int]) -> int:
    c = ids.get(member, -1) if isinstance(member, str) else as_integer("class_groups", member)
    if not 0 <= c < len(ids):
        raise ValueError(
            f"The group {quoted(group)} holds {quoted(member)}, which is no class; expected class numbers 0 to "
            f"{len(ids) - 1} or class names."
        )
    return c
