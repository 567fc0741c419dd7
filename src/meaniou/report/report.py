"""Counts and names -> a frozen record of every number, as tables and as plain values."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from meaniou._util import EqualByValue, Table, percent, span, tables
from meaniou.protocols import Protocol
from meaniou.report.image_records import ImagesReport, Intervals
from meaniou.report.records import ClassReport, Confusion, GroupReport, account_of, rules_of
from meaniou.scores import Rows, ratios
from meaniou.settings import Groups, LabelSpace, Policy, groups_of

TOP = 10
RATIOS = {"iou": "IoU", "dice": "Dice", "precision": "precision", "recall": "recall"}  # of a class -> as tables say it
MEANS = {"iou": "mean_iou", "dice": "mean_dice", "recall": "mean_accuracy"}  # of a class -> over classes
COLUMNS = ("kind", *(part.name for part in fields(ClassReport)))  # of CSV


@dataclass(frozen=True, eq=False)
class Report(EqualByValue):
    """Every number that one matrix of counts holds, and what the rows of images hold where they are kept.

    Attributes:
        mean_iou, mean_dice, mean_accuracy: means over the classes of the policy, ratios 0 .. 1, NaN if none is defined.
        pixel_accuracy: share of the valid pixels that are right.
        frequency_weighted_iou: mean IoU by truth area, as ``average="weighted"``.
        kappa: Cohen's, -1 .. 1.
        classes: one entry per class, in the order of the ids.
        class_groups: one entry per group that was asked for.
        mean_merged_iou: of the merged IoU of all groups, NaN if there are none, or if they overlap.
        harmonic_mean: of the mean IoU of two groups; NaN unless there are two.
        confusions: the mistakes that cost most IoU, the costliest first.
        pixels: ``seen``, and of these ``counted`` (truth and prediction are classes), ``void``, ``void_preds`` and
            ``outside``.
        rules: the settings under which all this holds, with the protocol and what was changed in it.
        counts: pixels, int64 ``[C + 2, C + 2]``, truth in rows; after the classes the rows have void and outside, the
            columns no answer and outside. Not in ``to_dict``.
        images: scores over images, with ``per_image``.
        intervals: how sure the numbers are, where that was asked.
    """

    mean_iou: float
    mean_dice: float
    mean_accuracy: float
    pixel_accuracy: float
    frequency_weighted_iou: float
    kappa: float
    classes: tuple[ClassReport, ...]
    class_groups: tuple[GroupReport, ...]
    mean_merged_iou: float
    harmonic_mean: float
    confusions: tuple[Confusion, ...]
    pixels: dict[str, int]
    rules: dict[str, Any]
    counts: NDArray[np.int64] = field(repr=False)
    images: ImagesReport | None = None
    intervals: Intervals | None = None

    @classmethod
    def of(
        cls,
        counts: Tensor,
        space: LabelSpace,
        policy: Policy,
        class_groups: Groups | None = None,
        protocol: Protocol | None = None,
        rows: Rows | None = None,
        bootstrap: Mapping[str, Any] | None = None,
    ) -> "Report":
        """The report of counts ``[C + 2, C + 2]`` on the CPU; raises as ``scores.areas`` and ``labels.groups_of``."""
        members = dict(space.class_groups) if class_groups is None else groups_of(space, class_groups)
        found = ratios.areas(counts, space, policy)
        iou, dice = ratios.class_iou(found, policy), ratios.class_dice(found, policy)
        precision, recall = (f(found).masked_fill(found.ignored, math.nan) for f in (ratios.precision, ratios.recall))
        columns = {"iou": iou, "dice": dice, "precision": precision, "recall": recall}
        columns |= {"truth": found.truth, "predicted": found.predicted, "intersection": found.intersection}
        of_class = zip(*(column.tolist() for column in columns.values()), strict=True)
        means = {name: float(ratios.class_mean(iou, policy, ids)) for name, ids in members.items()}
        merged = {name: ratios.merged_iou(found, ids, policy) for name, ids in members.items()}
        apart = sum(map(len, members.values())) == len(set().union(*members.values()))
        named = (*space.class_names, "(void)", "(outside)")
        return cls(
            mean_iou=float(ratios.class_mean(iou, policy)),
            mean_dice=float(ratios.class_mean(dice, policy)),
            mean_accuracy=float(ratios.class_mean(recall, policy)),
            pixel_accuracy=float(ratios.pixel_accuracy(found)),
            frequency_weighted_iou=float(ratios.weighted_iou(found, policy)),
            kappa=ratios.kappa(found),
            classes=tuple(
                ClassReport(name, **dict(zip(columns, values, strict=True)))
                for name, values in zip(space.class_names, of_class, strict=True)
            ),
            class_groups=tuple(
                GroupReport(name, tuple(space.class_names[i] for i in ids), means[name], merged[name])
                for name, ids in members.items()
            ),
            mean_merged_iou=ratios.mean_of(list(merged.values()), policy) if apart else math.nan,
            harmonic_mean=ratios.harmonic_mean(*means.values()) if len(means) == 2 else math.nan,
            confusions=tuple(
                Confusion(named[truth], named[predicted], pixels, share, cost)
                for truth, predicted, pixels, share, cost in ratios.confusions(counts, found, policy, TOP)
            ),
            pixels=account_of(counts),
            rules=rules_of(space, policy, protocol),
            counts=counts.numpy().copy(),
            images=None if rows is None else ImagesReport.of(rows, space, policy),
            intervals=None if rows is None or bootstrap is None else Intervals.of(rows, policy, bootstrap),
        )

    def to_dict(self) -> dict[str, Any]:
        """Full fractions; ``None`` where a number is undefined."""
        found = asdict(self)
        del found["counts"]
        return {name: tables.without_nan(value) for name, value in found.items()}

    def to_json(self) -> str:
        """The same as JSON, ``null`` where a number is undefined."""
        return tables.as_json(self.to_dict())

    def to_csv(self) -> str:
        """Text: a row for each class, their means, and each group, in full fractions; empty where none is defined.

        See ``tables.as_csv`` for names that a spreadsheet would take for formulas.
        """
        rows: list[dict[str, Any]] = [{"kind": "class", **asdict(c)} for c in self.classes]
        means = {column: getattr(self, name) for column, name in MEANS.items()}
        rows += [{"kind": "mean", "name": "mean", **means}]
        rows += [{"kind": "group mean", "name": g.name, "iou": g.mean_iou} for g in self.class_groups]
        rows += [{"kind": "group merged", "name": g.name, "iou": g.merged_iou} for g in self.class_groups]
        rows += [{"kind": "groups", "name": "mean merged", "iou": self.mean_merged_iou}] * bool(self.class_groups)
        rows += [{"kind": "groups", "name": "harmonic mean", "iou": self.harmonic_mean}] * (len(self.class_groups) == 2)
        return tables.as_csv(COLUMNS, ([row.get(column) for column in COLUMNS] for row in rows))

    def to_markdown(self) -> str:
        """Tables of GitHub's Markdown, in percent with two decimals, ``-`` where a number is undefined."""
        return tables.markdown(self.tables(), self.footer())

    def to_latex(self) -> str:
        """A LaTeX ``tabular`` for each table, in percent with two decimals, ``-`` where a number is undefined."""
        return tables.latex(self.tables(), self.footer())

    def __str__(self) -> str:
        """Tables in percent with two decimals, ``-`` where a number is undefined."""
        return tables.text(self.tables(), self.footer())

    def scalars(self, prefix: str = "") -> dict[str, float]:
        """Flat names and ratios for a logger, as ``prefix + "iou/road"``, the same on every rank and in every epoch.

        A number that is undefined, such as the IoU of a class that is absent, is NaN.

        Example:
            >>> import torch
            >>> from meaniou import MeanIoU
            >>> metric = MeanIoU(2, class_names=["road", "car"])
            >>> metric.update(torch.tensor([0, 1, 1, 1]), torch.tensor([0, 1, 1, 0]))
            >>> scalars = metric.report().scalars(prefix="val/")
            >>> scalars["val/mean_iou"], scalars["val/iou/road"]
            (0.5833333333333333, 0.5)
        """
        names = ("mean_iou", "mean_dice", "mean_accuracy", "pixel_accuracy", "frequency_weighted_iou", "kappa")
        found = {name: getattr(self, name) for name in names}
        found |= {f"iou/{c.name}": c.iou for c in self.classes}
        found |= {f"mean_iou/{g.name}": g.mean_iou for g in self.class_groups}
        found |= {f"merged_iou/{g.name}": g.merged_iou for g in self.class_groups}
        if self.class_groups:
            found["mean_merged_iou"] = self.mean_merged_iou
        if len(self.class_groups) == 2:
            found["harmonic_mean"] = self.harmonic_mean
        return {prefix + name: value for name, value in found.items()}

    def tables(self) -> Iterator[Table]:
        """The tables that are shown, in percent with two decimals, ``-`` where a number is undefined."""
        rows: list[tuple[str, ...]] = [
            (c.name, *(percent(getattr(c, r)) for r in RATIOS), f"{c.truth:,}", f"{c.predicted:,}")
            for c in self.classes
        ]
        means = (percent(getattr(self, MEANS[r])) if r in MEANS else "" for r in RATIOS)
        rows += [("mean", *means, "", "")]
        header: tuple[str, ...] = ("class", *RATIOS.values(), "truth px", "predicted px")
        if self.intervals:
            ends = [span(i.low, i.high) for i in (*self.intervals.classes, self.intervals.mean_iou)]
            rows = [(row[0], row[1], end, *row[2:]) for row, end in zip(rows, ends, strict=True)]
            header = (*header[:2], f"{100 * self.intervals.mean_iou.confidence:g} % interval", *header[2:])
        yield Table(header, tuple(rows), mean=True)
        if self.class_groups:
            yield Table(("group", "mean IoU", "merged IoU"), tuple(self._group_rows()))
        if self.confusions:
            found = tuple(
                (c.truth, c.predicted, f"{c.pixels:,}", percent(c.share), percent(c.iou_cost)) for c in self.confusions
            )
            yield Table(("truth", "taken for", "pixels", "% of truth", "IoU cost"), found, words=2)
        others = {
            "mIoU": self.mean_iou,
            "mean Dice": self.mean_dice,
            "mean accuracy": self.mean_accuracy,
            "pixel accuracy": self.pixel_accuracy,
            "frequency-weighted IoU": self.frequency_weighted_iou,
            "kappa": self.kappa,
        }
        yield Table(tuple(others), (tuple(map(percent, others.values())),), words=0)
        if self.images:
            over = {"mIoU over images": self.images.mean_over_images, "over classes": self.images.mean_over_classes}
            number = {"images": f"{self.images.number:,}", "without a valid pixel": f"{self.images.skipped:,}"}
            if self.intervals:
                number["% of draws that lost a class"] = percent(self.intervals.mean_iou.undefined_share)
            yield Table((*over, *number), ((*map(percent, over.values()), *number.values()),), words=0)
        seen = {f"{name.replace('_', ' ')} px": f"{number:,}" for name, number in self.pixels.items()}
        yield Table(tuple(seen), (tuple(seen.values()),), words=0)

    def headline(self) -> str:
        """The mean IoU in percent, and how many classes it is the mean of."""
        chosen = [self.classes[c].iou for c in self.rules["classes"]]
        defined = sum(not math.isnan(iou) for iou in chosen)
        mean = "undefined" if math.isnan(self.mean_iou) else f"{percent(self.mean_iou)} %"
        return f"mean IoU {mean} over {defined} of {len(chosen)} classes"

    def footer(self) -> str:
        """The protocol, and what was changed in it."""
        if "protocol" not in self.rules:
            return ""
        changed = ", ".join(f"{rule}={value!r}" for rule, value in self.rules["changed"].items())
        return f"protocol: {self.rules['protocol']}" + (f", but with {changed}" if changed else "")

    def _group_rows(self) -> Iterator[tuple[str, str, str]]:
        yield from ((g.name, percent(g.mean_iou), percent(g.merged_iou)) for g in self.class_groups)
        if not math.isnan(self.mean_merged_iou):
            yield "mean", "", percent(self.mean_merged_iou)
        if len(self.class_groups) == 2:
            yield "harmonic mean", percent(self.harmonic_mean), ""
