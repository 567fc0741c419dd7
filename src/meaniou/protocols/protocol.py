"""A protocol: the label space and the scoring rules of a benchmark."""

from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

from meaniou.settings import Absent, LabelSpace, Policy, Present, VoidPreds


class Rules(TypedDict):
    """The attributes of a ``Protocol`` except its name and its text."""

    label_space: LabelSpace
    void_preds: VoidPreds
    present: Present
    absent: Absent
    printed: str
    target_suffix: NotRequired[str]
    file_key: NotRequired[str]


@dataclass(frozen=True)
class Protocol:
    """The rules of a public benchmark.

    Attributes:
        name: the name that ``protocols.get`` takes.
        text: a description with the source, the rules, and what is not reproduced.
        label_space: classes, ids, void ids, names, groups and colours.
        void_preds, present, absent: the settings of ``MeanIoU`` with these names.
        printed: the number format of the official tool.
        target_suffix: end of the names of ground-truth files; empty if the benchmark has none.
        file_key: regular expression for the part of a file name that identifies the image; empty for the whole name
            without the suffix.
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
        """The keywords by which a label space and a policy differ from the protocol, with their values."""
        own = self.label_space
        own_policy = Policy.of(own, void_preds=self.void_preds, present=self.present, absent=self.absent)
        changes: dict[str, Any] = {}
        for rule in ("void_preds", "present", "absent", "classes"):
            if getattr(policy, rule) != getattr(own_policy, rule):
                changes[rule] = getattr(policy, rule)
        labels: dict[str, Any] = {}
        if space.ignore_index != own.ignore_index:
            labels["ignore_index"] = space.ignore_index
        if space.pred_ids != own.pred_ids:
            labels["pred_ids"] = space.preds_hold
        if space.pred_void != own.replace(**labels).pred_void:
            labels["pred_void"] = space.pred_void
        if space.class_names != own.class_names:
            labels["class_names"] = space.class_names
        return changes | labels
