"""What a protocol is, and the registry of all protocols."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from meaniou.settings import Absent, LabelSpace, Policy, Present, VoidPreds


@dataclass(frozen=True)
class Protocol:
    """The rules of a public benchmark.

    Attributes:
        name: what ``get`` takes.
        text: what it is, where it was read, and what is not reproduced.
        label_space: classes, ids, void ids, names, groups and colours.
        void_preds, present, absent: the rules of ``MeanIoU`` of these names.
        printed: the form in which the official tool prints ratios.
        target_suffix: how names of truth files end, empty if the benchmark has no such rule.
        file_key: a pattern for the part of a file name that names the image; empty for all but the suffix.
    """

    name: str
    text: str
    label_space: LabelSpace
    void_preds: VoidPreds
    present: Present
    absent: Absent
    printed: str
    target_suffix: str = ""
    file_key: str = ""

    def changes(self, space: LabelSpace, policy: Policy) -> dict[str, Any]:
        """The rules in which a space and a policy differ from the protocol, by their keywords."""
        mine = Policy.of(self.label_space, void_preds=self.void_preds, present=self.present, absent=self.absent)
        rules = ("void_preds", "present", "absent", "classes")
        found = {rule: getattr(policy, rule) for rule in rules if getattr(policy, rule) != getattr(mine, rule)}
        if space.ignore_index != self.label_space.ignore_index:
            found["ignore_index"] = space.ignore_index
        if space.pred_ids != self.label_space.pred_ids:
            found["pred_ids"] = "classes" if space.pred_ids is None else "ids"
        same = {"ignore_index": space.ignore_index} | {name: found[name] for name in ("pred_ids",) if name in found}
        if space.pred_void != self.label_space.replace(**same).pred_void:
            found["pred_void"] = space.pred_void
        if space.class_names != self.label_space.class_names:
            found["class_names"] = space.class_names
        return found


ENTERED: dict[str, Callable[[], Protocol]] = {}


def entry(name: str) -> Callable[[Callable[[], dict[str, Any]]], Callable[[], Protocol]]:
    """Enters a protocol by the settings that a function gives; its docstring is the protocol's text."""

    def enter(settings: Callable[[], dict[str, Any]]) -> Callable[[], Protocol]:
        @cache
        def made() -> Protocol:
            lines = (settings.__doc__ or "").strip().splitlines()
            found = settings()
            found["label_space"] = found["label_space"].replace(protocol=name)
            return Protocol(name=name, text="\n".join(line.strip() for line in lines), **found)

        made.__doc__ = settings.__doc__
        ENTERED[name] = made
        return made

    return enter
