"""Times meaniou on a GPU beside torchmetrics and the card's limits: python benchmarks/gpu.py [--smoke] [--output FILE]

Equal counts come first. Each call takes other buffers, in turn, of which there are more than the cache holds; calls are
timed by events, all contenders of a case in turn, round after round. ``--device cpu`` runs the lines without a card.
"""

import argparse
import itertools
import operator
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from about import about, write
from boundary_cases import BoundaryCase, boundary_cases
from cases import VOID, Case, cases
from label_cases import LabelCase, label_cases
from label_peers import MOST_AT_ALL_THRESHOLDS, at_thresholds
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torchmetrics.classification import (
    BinaryPrecisionRecallCurve,
    MulticlassJaccardIndex,
    MultilabelJaccardIndex,
    MultilabelPrecisionRecallCurve,
)

from meaniou import IoUCurve, MeanBoundaryIoU, MeanIoU, MultilabelMeanIoU
from meaniou.counting import bands_of

FIELDS = ("case", "contender", "pixels", "p20_us", "p50_us", "p80_us", "ps_per_pixel", "share_of_copy_bandwidth")
FIELDS += ("times_meaniou", "waits", "kernels", "peak_extra_bytes", "note")
CACHE = 1 << 29  # bytes of buffers, several times the last cache of any card


@dataclass
class Contender:
    """Something to time on one buffer of a case; if it has a ``metric``, ``counts`` reads its counts."""

    name: str
    run: Callable[[Any], Any]
    metric: Any = None
    note: str = ""
    counts: Callable[[Any], Tensor] = operator.attrgetter("confmat")


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small inputs and two rounds: does every line run")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--megapixels", type=float, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, help="CSV file to write")
    options = parser.parse_args()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        sys.exit("There is no CUDA device; run it where there is one, or --smoke with --device cpu.")
    facts = about() | {"device": torch.cuda.get_device_name(device) if device.type == "cuda" else "none"}
    print("\n".join(f"{key}: {value}" for key, value in facts.items()))
    rows = []
    for case in gpu_cases(0.13 if options.smoke else options.megapixels, device):
        bytes_of_case = sum(side.numel() * side.element_size() for side in (case.preds, case.target))
        number = 2 if options.smoke else max(2, -(-CACHE // bytes_of_case))
        buffers = [replace(case, preds=case.preds.clone(), target=case.target.clone()) for _ in range(number)]
        rows += timed(buffers, list(contenders(case)), 2 if options.smoke else options.rounds, device)
    if options.output:
        write(options.output, facts, FIELDS, rows)


def gpu_cases(megapixels: float, device: torch.device) -> Iterator[Case | LabelCase]:
    """The cases of the CPU, on the device, and beside the scores the same with classes last; then labels and bands."""
    for case in cases(megapixels):
        moved = replace(case, preds=case.preds.to(device), target=case.target.to(device))
        yield moved
        if case.has_scores:
            last = moved.preds.to(memory_format=torch.channels_last)
            yield replace(moved, name=f"{case.name}, channels last", preds=last)
    for labels in label_cases(megapixels):
        yield replace(labels, preds=labels.preds.to(device), target=labels.target.to(device))
    for bands in boundary_cases(megapixels):
        yield replace(bands, preds=bands.preds.to(device), target=bands.target.to(device))


def contenders(case: Case | LabelCase) -> Iterator[Contender]:
    """meaniou first, then torchmetrics, then the limits."""
    if isinstance(case, LabelCase):
        yield from _of_labels(case)
    else:
        yield from _of_bands(case) if isinstance(case, BoundaryCase) else _of_classes(case)
    rooms = torch.empty_like(case.preds), torch.empty_like(case.target)
    yield Contender("limit: copy both", lambda b: (rooms[0].copy_(b.preds), rooms[1].copy_(b.target)))


def _of_classes(case: Case) -> Iterator[Contender]:
    for name, impl in (("meaniou", "auto"), ("meaniou, portable", "portable")):
        metric: Any = MeanIoU(case.num_classes, ignore_index=VOID, impl=impl).to(case.preds.device)
        yield Contender(name, lambda b, m=metric: m.update(b.preds, b.target), metric, f"kernel {metric.kernel}")
    for name, validate in (("torchmetrics", True), ("torchmetrics, unvalidated", False)):
        metric = MulticlassJaccardIndex(case.num_classes, ignore_index=VOID, validate_args=validate)
        metric = metric.to(case.preds.device)
        yield Contender(name, lambda b, m=metric: m.update(b.preds, b.target), metric)
    if case.has_scores:
        yield Contender("argmax(1) alone", lambda b: b.preds.argmax(1), note="half of the work")


def _of_labels(case: LabelCase) -> Iterator[Contender]:
    """Metrics of labels that overlap. With several thresholds a score on one of them is above it in all."""
    for name, impl in (("meaniou", "auto"), ("meaniou, portable", "portable")):
        metric = _label_metric(case, impl).to(case.preds.device)
        note = f"kernel {metric.kernel}"
        yield Contender(name, lambda b, m=metric: m.update(b.preds, b.target), metric, note, _by_threshold)
    if len(case.thresholds) > 1 and case.num_labels > 1 and case.pixels > MOST_AT_ALL_THRESHOLDS:
        return  # torchmetrics holds all pixels at all thresholds, 8 bytes each and several times
    # It writes a negative number over void.
    note = "" if case.target.dtype == torch.int64 else "converts the truth to int64"
    for name, validate in (("torchmetrics", True), ("torchmetrics, unvalidated", False)):
        metric = _torchmetrics(case, validate).to(case.preds.device)
        yield Contender(name, lambda b, m=metric: m.update(b.preds, b.target.long()), metric, note, _matrices)


def _of_bands(case: BoundaryCase) -> Iterator[Contender]:
    """meaniou, and the portable kernel where it is another; torchmetrics has no metric of bands."""
    kernels = set()
    for name, impl in (("meaniou", "auto"), ("meaniou, portable", "portable")):
        settings: dict[str, Any] = {"width": case.widths, "void": case.void, "ignore_index": VOID, "impl": impl}
        metric: Any = MeanBoundaryIoU(case.num_classes, **settings).to(case.preds.device)
        if metric.kernel not in kernels:
            note, of_bands = f"kernel {metric.kernel}", lambda m: bands_of(m.counts)
            yield Contender(name, lambda b, m=metric: m.update(b.preds, b.target), metric, note, of_bands)
        kernels.add(metric.kernel)


def _label_metric(case: LabelCase, impl: Any) -> Any:
    settings: dict[str, Any] = {"ignore_index": VOID, "impl": impl}
    if len(case.thresholds) == 1:
        return MultilabelMeanIoU(case.num_labels, threshold=case.thresholds[0], **settings)
    return IoUCurve(case.num_labels, thresholds=case.thresholds, inclusive=True, **settings)


def _torchmetrics(case: LabelCase, validate: bool) -> Any:
    settings: dict[str, Any] = {"ignore_index": VOID, "validate_args": validate}
    if len(case.thresholds) == 1:
        return MultilabelJaccardIndex(case.num_labels, threshold=case.thresholds[0], **settings)
    if case.num_labels == 1:
        return BinaryPrecisionRecallCurve(thresholds=list(case.thresholds), **settings)
    return MultilabelPrecisionRecallCurve(case.num_labels, thresholds=list(case.thresholds), **settings)


def _by_threshold(metric: Any) -> Tensor:
    return at_thresholds(metric.counts).reshape(-1, 2, 2)


def _matrices(metric: Any) -> Tensor:
    confmat: Tensor = metric.confmat
    return confmat.reshape(-1, 2, 2)


def timed(buffers: list[Any], entered: list[Contender], rounds: int, device: torch.device) -> list[dict[str, object]]:
    """A row for each contender of a case, and the same printed."""
    case = buffers[0]
    expected = None
    for contender in entered:
        if contender.metric is not None:
            counts = counted(contender, case)
            expected = counts if expected is None else expected
            if not torch.equal(counts, expected):
                sys.exit(f"{contender.name} and meaniou count differently on {case.name}; there is nothing to time.")
    turn = itertools.cycle(buffers)
    times: dict[str, list[float]] = {c.name: [] for c in entered}
    for _ in range(rounds):
        for contender in entered:
            times[contender.name].append(seconds(lambda c=contender: c.run(next(turn)), len(buffers), device))
    copy = statistics.median(times["limit: copy both"])
    rows: list[dict[str, object]] = []
    print(f"\n{case.name}, {case.pixels:,} pixels")
    for contender in entered:
        p20, p50, p80 = (statistics.quantiles(times[contender.name], n=10, method="inclusive")[i] for i in (1, 4, 7))
        ratios = [a / b for a, b in zip(times[contender.name], times["meaniou"], strict=True)]
        row: dict[str, object] = {"case": case.name, "contender": contender.name, "pixels": case.pixels}
        row |= {"p20_us": f"{1e6 * p20:.1f}", "p50_us": f"{1e6 * p50:.1f}", "p80_us": f"{1e6 * p80:.1f}"}
        row |= {"ps_per_pixel": f"{1e12 * p50 / case.pixels:.2f}", "share_of_copy_bandwidth": f"{copy / 2 / p50:.3f}"}
        row |= {"times_meaniou": f"{statistics.median(ratios):.2f}", "note": contender.note}
        row |= costs(lambda c=contender: c.run(case), device)
        rows.append(row)
        print("  " + "  ".join(f"{key} {row[key]}" for key in FIELDS[1:] if key not in ("pixels", "p20_us", "p80_us")))
    return rows


def counted(contender: Contender, case: Case | LabelCase) -> Tensor:
    """The counts of a case by a metric."""
    contender.metric.reset()
    contender.run(case)
    counts = contender.counts(contender.metric).clone()
    contender.metric.reset()
    return counts


def seconds(run: Callable[[], Any], calls: int, device: torch.device) -> float:
    """Time of one call: by events on a GPU, which leave out what the host does ahead of it."""
    if device.type != "cuda":
        start = time.perf_counter()
        for _ in range(calls):
            run()
        return (time.perf_counter() - start) / calls
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    for _ in range(calls):
        run()
    end.record()
    end.synchronize()
    return begin.elapsed_time(end) / 1e3 / calls


def costs(run: Callable[[], Any], device: torch.device) -> dict[str, object]:
    """How often a call waits for the card, the kernels that it starts, and the memory that it takes meanwhile."""
    if device.type != "cuda":
        return {"waits": "", "kernels": "", "peak_extra_bytes": ""}
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        run()
        torch.cuda.set_sync_debug_mode("default")
    waits = sum("synchronizing CUDA operation" in str(w.message) for w in caught)
    peak = torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as seen:
        run()
        torch.cuda.synchronize()
    kernels = sum(e.device_type == torch.autograd.DeviceType.CUDA for e in seen.events())
    return {"waits": waits, "kernels": kernels, "peak_extra_bytes": peak}


if __name__ == "__main__":
    main()
