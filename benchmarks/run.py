"""Times meaniou beside others on the same arrays: python benchmarks/run.py [--smoke] [--output FILE]

Equal counts come first, then times: the contenders of a case run in turn, round after round, so that a machine which
changes its speed changes it for all; a row holds the median over the rounds and its ratio to meaniou's.
"""

import argparse
import csv
import platform
import shlex
import statistics
import sys
from pathlib import Path

import numpy as np
import torch
import torchmetrics
from cases import Case, cases, contenders
from torch.utils.benchmark import Timer

import meaniou

FIELDS = ("case", "contender", "pixels", "median_us", "low_us", "high_us", "ns_per_pixel", "ratio_to_meaniou")


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--smoke", action="store_true", help="small inputs and few rounds: does it run, are counts equal"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--megapixels", type=float, default=32, help="size of the label maps")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, help="CSV file to write")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rounds, megapixels = (2, 0.13) if options.smoke else (options.rounds, options.megapixels)
    about = _about(options.threads)
    print("\n".join(f"{key}: {value}" for key, value in about.items()))
    rows = []
    for case in cases(megapixels):
        found = _time(case, rounds)
        rows += found
        print(f"\n{case.name}, {case.pixels:,} pixels (counts are equal)")
        for row in found:
            print(
                f"  {row['contender']:28}{row['median_us']:>12} µs {row['ns_per_pixel']:>10} ns/px"
                f"{row['ratio_to_meaniou']:>10} x meaniou"
            )
    if options.output:
        with options.output.open("w", newline="", encoding="utf-8") as file:
            file.writelines(f"# {key}: {value}\n" for key, value in about.items())
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)


def _time(case: Case, rounds: int) -> list[dict[str, object]]:
    """A row for each contender; stops with the reason if two counts differ."""
    entered = contenders(case)
    expected = entered[0].counts()
    for contender in entered[1:]:
        if contender.counts is not None and not torch.equal(contender.counts(), expected):
            sys.exit(
                f"{contender.name} and {entered[0].name} count differently on {case.name}; there is nothing to time."
            )
    timers = [
        Timer("run()", globals={"run": contender.run}, num_threads=torch.get_num_threads()) for contender in entered
    ]
    calls = [max(1, int(0.05 / timer.timeit(1).mean)) for timer in timers]
    times = [[timer.timeit(n).mean for timer, n in zip(timers, calls, strict=True)] for _ in range(rounds)]
    ours = [row[0] for row in times]
    rows = []
    for contender, theirs in zip(entered, zip(*times, strict=True), strict=True):
        median = statistics.median(theirs)
        ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
        values = (*(f"{1e6 * t:.1f}" for t in (median, min(theirs), max(theirs))), f"{1e9 * median / case.pixels:.3f}")
        rows.append(dict(zip(FIELDS, (case.name, contender.name, case.pixels, *values, f"{ratio:.2f}"), strict=True)))
    return rows


def _about(threads: int) -> dict[str, object]:
    cpu = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in cpu.read_text().splitlines() if "model name" in line]
        if cpu.exists()
        else []
    )
    return {
        "command": "python " + shlex.join(sys.argv),
        "machine": f"{names[0] if names else platform.processor() or platform.machine()}, {platform.system()}",
        "threads": threads,
        "versions": f"python {platform.python_version()}, torch {torch.__version__}, numpy {np.__version__}, "
        f"torchmetrics {torchmetrics.__version__}, meaniou {meaniou.__version__}",
    }


if __name__ == "__main__":
    main()
