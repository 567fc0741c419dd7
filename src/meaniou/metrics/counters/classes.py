"""Parts that the metrics of classes share: their rules, states and files."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from meaniou.metrics.checkpoint import SavedSettings
from meaniou.protocols import Protocol
from meaniou.settings import Absent, InputSettings, LabelSpace, Policy, Present, VoidPreds

SPACE = tuple(field.name for field in fields(LabelSpace) if field.name != "tables")
SETTLED = (
    "num_classes", "label_space", "protocol", "ignore_index", "pred_ids", "pred_void", "class_names", "per_image",
)  # fmt: skip


def policy_under(
    protocol: Protocol | None,
    space: LabelSpace,
    *,
    void_preds: VoidPreds | None,
    present: Present | None,
    absent: Absent | None,
    **settings: Any,
) -> Policy:
    """The policy with these settings; ``None`` is the rule of the protocol, or the default without one.

    Raises:
        TypeError, ValueError: as ``Policy.of``.
    """
    rules = protocol or Policy()
    return Policy.of(
        space,
        void_preds=rules.void_preds if void_preds is None else void_preds,
        present=rules.present if present is None else present,
        absent=rules.absent if absent is None else absent,
        **settings,
    )


def counting_settings(space: LabelSpace, inputs: InputSettings) -> dict[str, Any]:
    """The settings on which counts of classes depend, by name."""
    settings: dict[str, Any] = {"num_classes": space.num_classes, "ignore_index": space.ignore_index}
    if space.tables.target_ids or space.tables.preds_ids:
        settings |= {"ids": space.ids, "pred_ids": space.pred_ids, "pred_void": space.pred_void}
    return settings | {field.name: getattr(inputs, field.name) for field in fields(inputs) if field.compare}


def saved_classes(
    metric: str,
    inputs: type[InputSettings],
    keywords: Callable[[Mapping[str, Any]], dict[str, Any]],
    settled: tuple[str, ...] = (),
) -> SavedSettings:
    """How a metric of classes is saved; ``keywords`` are those of the metric from its saved input settings."""
    names = tuple(field.name for field in fields(inputs))
    return SavedSettings(
        metric=metric,
        space=SPACE,
        policy=tuple(field.name for field in fields(Policy)),
        inputs=names,
        settled=(*SETTLED, *(name for name in names if name != "impl"), *settled),
        values=lambda of: {name: getattr(of.label_space, name) for name in SPACE},
        keywords=lambda parts: {
            "label_space": _label_space(parts["space"]),
            **parts["policy"],
            **keywords(parts["input_settings"]),
            "per_image": parts["per_image"],
        },
    )


def _label_space(values: Mapping[str, Any]) -> LabelSpace:
    return LabelSpace(**{**values, "class_groups": dict(values["class_groups"])})
