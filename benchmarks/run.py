"""Times meaniou beside others on the same arrays: python benchmarks/run.py [--smoke] [--threads N ...] [--output FILE]

Equal counts come first, then times: the contenders of a case run in turn, round after round, so that a machine which
changes its speed changes it for all. Ratios are of the times per pixel within a round. ``--labels`` times labels that
overlap in place of classes; pixels are then summed over labels. ``--boundary`` times bands inside contours.
"""

import argparse
import statistics
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from about import about, write
from boundary_cases import boundary_cases
from boundary_peers import boundary_contenders
from cases import Case, cases
from label_cases import LabelCase, label_cases
from label_peers import label_contenders
from meter import peak_bytes
from peers import Contender, contenders
from torch.utils.benchmark import Timer

AnyCase = Case | LabelCase
Enter = Callable[[Any], Iterable[Contender]]
FIELDS = ("case", "threads", "contender", "pixels", "p20_us", "p50_us", "p80_us", "ns_per_pixel")
FIELDS += ("times_meaniou", "peak_extra_bytes", "counts", "note")
ROUND = 0.05  # seconds that a contender runs in a round, at least once


def main() -> None:
    """Runs the benchmark and prints its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small inputs and two rounds: does every line run")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--labels", action="store_true", help="labels that overlap, at one threshold and at 100")
    kinds.add_argument("--boundary", action="store_true", help="bands inside contours, narrow and wide")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--megapixels", type=float, default=32, help="size of the label maps")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, help="CSV file to write")
    options = parser.parse_args()
    rounds, megapixels, span = (2, 0.13, 0.0) if options.smoke else (options.rounds, options.megapixels, ROUND)
    facts = about()
    print("\n".join(f"{key}: {value}" for key, value in facts.items()))
    rows: list[dict[str, object]] = []
    kind: tuple[Callable[[float], Iterable[Any]], Enter] = cases, contenders
    if options.labels:
        kind = label_cases, label_contenders
    elif options.boundary:
        kind = boundary_cases, boundary_contenders
    make, enter = kind
    for case in make(megapixels):
        entered = list(enter(case))
        equal = compare(case, entered, enter)
        for threads in options.threads:
            torch.set_num_threads(threads)
            rows += timed(case, entered, equal, threads, rounds, span)
        show(rows, case)
    if options.output:
        write(options.output, facts, FIELDS, rows)


def compare(case: AnyCase, entered: list[Contender], enter: Enter) -> dict[str, str]:
    """Whether each contender counts as meaniou does; stops with the reason if one does not."""
    ours: dict[int, torch.Tensor] = {}
    found = {}
    for contender in entered:
        found[contender.name] = "equal" if contender.counts else "none"
        if contender.counts is None:
            continue
        if contender.pixels not in ours:
            first = next(iter(enter(case.up_to(contender.pixels))))
            assert first.counts is not None
            ours[contender.pixels] = first.counts()
        if not torch.equal(contender.counts(), ours[contender.pixels]):
            sys.exit(f"{contender.name} and meaniou count differently on {case.name}; there is nothing to time.")
    return found


def timed(
    case: AnyCase, entered: list[Contender], equal: dict[str, str], threads: int, rounds: int, span: float
) -> list[dict[str, object]]:
    """A row for each contender, without times for those that cannot run here or on that many threads."""
    entered = [c for c in entered if threads == 1 or not c.one_thread]
    runs = [c for c in entered if c.run is not None]
    timers = [Timer("run()", globals={"run": c.run}, num_threads=threads) for c in runs]
    calls = [max(1, int(span / timer.timeit(1).mean)) for timer in timers]
    found = [[timer.timeit(n).mean for timer, n in zip(timers, calls, strict=True)] for _ in range(rounds)]
    times = list(zip(*found, strict=True))
    rows: list[dict[str, object]] = []
    for contender in entered:
        row: dict[str, object] = {"case": case.name, "threads": threads, "contender": contender.name}
        row |= {"pixels": contender.pixels, "counts": equal[contender.name], "note": contender.note}
        if contender.run is not None:
            mine = times[runs.index(contender)]
            p20, p50, p80 = (statistics.quantiles(mine, n=10, method="inclusive")[i] for i in (1, 4, 7))
            row |= {"p20_us": f"{1e6 * p20:.1f}", "p50_us": f"{1e6 * p50:.1f}", "p80_us": f"{1e6 * p80:.1f}"}
            ratios = [t / contender.pixels / (o / runs[0].pixels) for t, o in zip(mine, times[0], strict=True)]
            row |= {"ns_per_pixel": f"{1e9 * p50 / contender.pixels:.3f}"}
            row |= {"times_meaniou": f"{statistics.median(ratios):.2f}", "peak_extra_bytes": peak_bytes(contender.run)}
        rows.append(row)
    return rows


def show(rows: list[dict[str, object]], case: AnyCase) -> None:
    """Prints the rows of a case, and what meaniou's time is beside the fastest peer, torchmetrics and the limit."""
    for threads in sorted({row["threads"] for row in rows if row["case"] == case.name}, key=str):
        mine = [row for row in rows if (row["case"], row["threads"]) == (case.name, threads)]
        print(f"\n{case.name}, {case.pixels:,} pixels, {threads} threads (counts are equal where there are any)")
        for row in mine:
            if "p50_us" in row:
                print(
                    f"  {row['contender']:28}{row['p50_us']:>12} µs {row['ns_per_pixel']:>10} ns/px "
                    f"{row['times_meaniou']:>9} x {int(str(row['peak_extra_bytes'])) / 2**20:10.1f} MiB  {row['note']}"
                )
            else:
                print(f"  {row['contender']:28}{row['note']:>25}")
        print(f"  {summary(mine)}")


def summary(rows: list[dict[str, object]]) -> str:
    """Ratios to meaniou's time per pixel, of one case and number of threads."""
    times = {str(row["contender"]): float(str(row["times_meaniou"])) for row in rows if "times_meaniou" in row}
    limits = {name: ratio for name, ratio in times.items() if name.startswith("limit: read") or "amax" in name}
    counted = {str(row["contender"]) for row in rows if row["counts"] == "equal"}
    peers = {name: ratio for name, ratio in times.items() if name in counted and not name.startswith("meaniou")}
    beside = []
    if peers:
        fastest = min(peers, key=lambda name: peers[name])
        beside.append(f"fastest peer, {fastest}: {peers[fastest]:.1f} x meaniou; ")
    if "torchmetrics" in times:
        beside.append(f"torchmetrics: {times['torchmetrics']:.1f} x; ")
    limit = next(iter(limits))
    of_limit = next(float(str(row["p50_us"])) / int(str(row["pixels"])) for row in rows if row["contender"] == limit)
    ours = float(str(rows[0]["p50_us"])) / int(str(rows[0]["pixels"]))
    return "".join(beside) + f"meaniou takes {ours / of_limit:.2f} x the {limit}"


if __name__ == "__main__":
    main()
