"""How the time of an update grows with pixels, classes and images: python benchmarks/scaling.py [--output FILE]"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from about import about, write
from cases import VOID, Case, scenes
from torch.utils.benchmark import Timer

from meaniou import MeanIoU

FIELDS = ("grows", "value", "pixels", "num_classes", "images", "median_us", "ns_per_pixel")


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="small inputs")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="CSV file to write")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    facts = about() | {"threads": str(options.threads)}
    rows = []
    for grows, value, case in _cases(256 if options.smoke else 16384):
        metric = MeanIoU(case.num_classes, ignore_index=VOID, input_format="index")
        timer = Timer(
            "metric.update(preds, target)",
            globals={"metric": metric, "preds": case.preds, "target": case.target},
            num_threads=options.threads,
        )
        timer.timeit(1)
        median = timer.blocked_autorange(min_run_time=0.01 if options.smoke else 0.5).median
        images = len(case.target)
        values = (grows, value, case.pixels, case.num_classes, images, f"{1e6 * median:.1f}")
        rows.append(dict(zip(FIELDS, (*values, f"{1e9 * median / case.pixels:.3f}"), strict=True)))
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()))
    if options.output:
        write(options.output, facts, FIELDS, rows)


def _cases(largest: int) -> Iterator[tuple[str, int, Case]]:
    preds, target = (side[:1] for side in scenes(2 if largest > 1024 else 0.1))
    side = 64
    while side <= largest:
        yield "pixels", side**2, Case("", *(_tiled(m, side, side) for m in (preds, target)), 19)
        side *= 2
    map_side = min(2048, largest)
    for classes in (2, 5, 19, 64, 150, 256, 512, 1000):
        truth = _tiled(target, map_side, map_side).long()
        spread = torch.where(truth == VOID, VOID, truth * max(1, (min(classes, 255) - 1) // 9) % classes)
        answer = _tiled(preds, map_side, map_side).long() * max(1, (min(classes, 255) - 1) // 9) % classes
        yield "classes", classes, Case("", answer.short(), spread.short(), classes)
    for images in (1, 2, 4, 8, 16, 32, 64):
        batch = [
            _tiled(m, min(512, largest), min(512, largest)).expand(images, -1, -1).clone() for m in (preds, target)
        ]
        yield "images", images, Case("", *batch, 19)


def _tiled(labels: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """A map of that size, cut or repeated."""
    repeats = (1, -(-height // labels.shape[1]), -(-width // labels.shape[2]))
    return labels.repeat(repeats)[:, :height, :width].contiguous()


if __name__ == "__main__":
    main()
