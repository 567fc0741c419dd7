"""The texts of options -> groups of classes and of images."""

import re
from collections.abc import Callable, Mapping


def groups_of(texts: tuple[str, ...]) -> dict[str, list[int | str]] | None:
    """Groups of classes from ``NAME=CLASS,...``; ``None`` where there are none; raises ``ValueError`` for others."""
    found: dict[str, list[int | str]] = {}
    for text in texts:
        name, equals, members = text.partition("=")
        if not equals or name in found:
            raise ValueError(f"--group is {text!r}; expected NAME=CLASS,CLASS, such as flat=0,1, and each name once.")
        found[name] = [int(m) if m.strip().isdecimal() else m.strip() for m in members.split(",") if m.strip()]
    return found or None


def check_pattern(pattern: str | None, drawn: bool = True) -> None:
    """Raises ``ValueError`` if a pattern is none, or is for images that are not drawn."""
    if pattern is not None and not drawn:
        raise ValueError("--group-images says which images are drawn together, and none is drawn; pass --ci with it.")
    try:
        re.compile(pattern or "")
    except re.error as error:
        raise ValueError(
            f"--group-images is {pattern!r}, which is no regular expression ({error}); expected one such as '^[^/]+'."
        ) from error


def grouping(names: Mapping[int, str], pattern: str | None) -> Callable[[int], str] | None:
    """From the id of an image to what a pattern finds in its name; ``None`` without a pattern."""
    if pattern is None:
        return None

    def group(number: int) -> str:
        name = names.get(number, str(number))
        if found := re.search(pattern, name):
            return found[0]
        raise ValueError(
            f"--group-images {pattern!r} finds nothing in the name of the image {name}; expected a group for each, so "
            "mend the pattern."
        )

    return group
