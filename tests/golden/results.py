"""All results of a golden case, as plain values, and their text; the one place that calls the package.

Whole numbers, single ratios and sums of few of them are the same on every machine, and so are intervals over the
dataset, which are made of products of whole numbers. Intervals and comparisons ``over`` images or classes are matrix
products of fractions, whose last bit depends on whether the BLAS of NumPy fuses multiplication and addition: x86 with
FMA gives the stored bits, an older processor does not.
"""

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from golden.cases import Case
from numpy.typing import NDArray

from meaniou import IoUCurve, MeanIoU, MultilabelMeanIoU, Resampling
from meaniou.metrics import comparison_report
from meaniou.uncertainty import OverallStatistic

FOLDER = Path(__file__).parent
MAPS = FOLDER / "maps.npz"
DRAWS: Mapping[str, Any] = {"resamples": 100, "seed": 3}
OF: tuple[OverallStatistic, ...] = ("mean", "accuracy")
MEAN_ALONE = {"average", "over", "worst_percent"}  # settings that change no report
GROUPED = ("class_groups", "mean_merged_iou", "harmonic_mean")  # of a report
DENSE = 1600  # whole numbers in an array, of which more are listed where they are not 0
WIDTH = 120

Maps = Mapping[str, list[NDArray[Any]]]


def maps_of(case: Case) -> dict[str, list[NDArray[Any]]]:
    """The stored maps of a case by side: ``a`` and ``b`` (the predictions), ``target`` and perhaps ``valid``."""
    sides: dict[str, list[NDArray[Any]]] = {}
    with np.load(MAPS, allow_pickle=False) as stored:
        for name in stored.files:  # in the order in which they were written
            of, side, _ = name.split(".")
            if of == case.scenes:
                image = stored[name]
                image.flags.writeable = False
                sides.setdefault(side, []).append(image)
    return sides


def results(case: Case, impl: str, maps: Maps) -> dict[str, Any]:
    """Counts and rows, and for each policy every number."""
    found: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # doubts about maps that are made up
        for name, policy in case.policies.items():
            if case.metric is IoUCurve:
                found[name] = _of_curve(_counted(case, impl, maps, "a", policy))
                continue
            a, b = (_counted(case, impl, maps, side, policy) for side in "ab")
            first = not found
            found |= {"counts": _whole(a.report().counts), **_rows(a)} if first else {}
            found[name] = {"value": a.compute().tolist(), **_of_images(a), **_of_resamples(case, a, b, first)}
            if not policy or not policy.keys() <= MEAN_ALONE:
                found[name]["report"] = json.loads(a.report().to_json())
                if case.metric is not MeanIoU:
                    del found[name]["report"]["rules"]  # settings, and no results
                if case.groups is not None:
                    grouped = json.loads(a.report(class_groups=case.groups).to_json())
                    found[name]["report of groups"] = {key: grouped[key] for key in GROUPED}
    return _plain(found)


def _counted(case: Case, impl: str, maps: Maps, side: str, policy: Mapping[str, Any]) -> Any:
    """A metric that has counted two batches."""
    if case.metric is IoUCurve:
        curve = IoUCurve(**{**case.settings, **policy}, impl=impl)
        for image, target in zip(maps[side], maps["target"], strict=True):
            curve.update(image[None], target[None])
        return curve
    metric = case.metric(**{**case.settings, **policy}, per_image=True, impl=impl)
    number = len(maps["target"])
    ids = [10 * (number - i) for i in range(number)] if case.with_ids else None
    if "valid" in maps:
        ids = [*range(number - 1), 0]  # the last image repeats the first, as a sampler does, and is not valid
    for part in (slice(0, number // 2), slice(number // 2, None)):
        batch = {name: images[part] for name, images in maps.items() if name in (side, "target", "valid")}
        sides = {name: images if case.of_list else np.stack(images) for name, images in batch.items()}
        metric.update(sides[side], sides["target"], sides.get("valid"), image_ids=None if ids is None else ids[part])
    return metric


def _of_curve(curve: IoUCurve) -> dict[str, Any]:
    best, common = curve.best(), curve.best(common=True)
    value = {"value": [part.tolist() for part in curve.compute()], "area": curve.area().tolist()}
    value |= {"best": [part.tolist() for part in best], "common": [part.tolist() for part in common]}
    return {**value, "counts": _whole(curve.report().counts), "report": json.loads(curve.report().to_json())}


def _rows(metric: MeanIoU | MultilabelMeanIoU) -> dict[str, Any]:
    return {"rows": _whole(torch.cat(metric.image_rows).numpy()), "ids": torch.cat(metric.image_ids).tolist()}


def _of_images(metric: MeanIoU | MultilabelMeanIoU) -> dict[str, Any]:
    table = metric.image_scores()
    lines = zip(table.images, table.mean_iou, table.iou.tolist(), strict=True)
    return {"images": [[image, mean, *iou] for image, mean, iou in lines]}


def _of_resamples(
    case: Case, a: MeanIoU | MultilabelMeanIoU, b: MeanIoU | MultilabelMeanIoU, first: bool
) -> dict[str, Any]:
    clusters = (lambda i: i % 7 // 2) if case.with_ids else None
    intervals: dict[str, Any] = {of: asdict(a.bootstrap(of, **DRAWS)) for of in OF}
    if case.by_class:
        intervals["class"] = [asdict(interval) for interval in a.bootstrap_classes(**DRAWS)]
    if clusters:
        intervals["mean of groups"] = asdict(a.bootstrap("mean", clusters=clusters, confidence=0.8, **DRAWS))
    comparison = comparison_report(a, b, ("first", "second"), Resampling(clusters=clusters, **DRAWS)).to_dict()
    values: dict[str, Any] = {"intervals": intervals, "comparison": comparison}
    if first and case.by_class:  # else much of it would be stored twice, or be very long
        values["intervals of the report"] = asdict(a.report(bootstrap=Resampling(**DRAWS)).intervals)
    else:
        del comparison["classes"]
    return values


def _whole(numbers: NDArray[np.int64]) -> Any:
    """Nested lists, or where there are many ``[*index, number]`` of those that are not 0."""
    if numbers.size <= DENSE:
        return numbers.tolist()
    cells = [[*map(int, at), int(numbers[tuple(at)])] for at in np.argwhere(numbers)]
    return {"shape": list(numbers.shape), "cells": cells}


def _plain(value: Any) -> Any:
    """What JSON gives back: ``None`` for NaN, lists for tuples."""
    if isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def text(value: Any, indent: str = "") -> str:
    """JSON with one line for each innermost list or object, and for all that fits into a line."""
    line = json.dumps(value, allow_nan=False)
    items = list(value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
    if len(indent + line) <= WIDTH or not any(isinstance(item, dict | list) for item in items):
        return line
    inner = indent + " "
    names = [f"{json.dumps(name)}: " for name in value] if isinstance(value, dict) else [""] * len(items)
    lines = [f"{inner}{name}{text(item, inner)}" for name, item in zip(names, items, strict=True)]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return "\n".join([first, ",\n".join(lines), indent + last])


def difference(actual: Any, expected: Any, path: str = "") -> str:
    """The first place where a value of JSON is not the expected one in any bit, with both values; else empty.

    Numbers that are new beside those expected, such as another ratio of each class, are no difference.
    """
    if type(actual) is not type(expected):
        return f"{path}: {actual!r} is not {expected!r}"
    if isinstance(actual, dict):
        if missing := sorted(expected.keys() - actual.keys()):
            return f"{path}: keys {missing} are missing"
        pairs = [(actual[name], expected[name], f"{path}/{name}") for name in expected]
    elif isinstance(actual, list):
        if len(actual) != len(expected):
            return f"{path}: {len(actual)} items are not {len(expected)}"
        pairs = [(a, b, f"{path}/{i}") for i, (a, b) in enumerate(zip(actual, expected, strict=True))]
    else:
        return "" if repr(actual) == repr(expected) else f"{path}: {actual!r} is not {expected!r}"
    return next((where for pair in pairs if (where := difference(*pair))), "")
