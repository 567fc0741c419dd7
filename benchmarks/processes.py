"""What computing over several processes costs: python benchmarks/processes.py [--smoke] [--output FILE]

Each process has counted a share of 2,000 images; then all compute. Collectives and what a process puts into them are
counted at the functions of torch.distributed, the bytes that are really sent at the loopback device (gloo), and memory
is what a process holds of the states of others.
"""

import argparse
import csv
import statistics
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
import torch.distributed as dist
from about import about, write
from torchmetrics.classification import MulticlassJaccardIndex

from meaniou import MeanIoU

FIELDS = ("processes", "metric", "num_classes", "collectives", "put_in_bytes", "received_bytes", "sent_bytes", "ms")
IMAGES = 2000
COLLECTIVES = ("all_reduce", "all_gather", "all_gather_into_tensor", "barrier", "broadcast")


def main() -> None:
    """Runs the benchmark and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="two processes and few rounds: does every line run")
    parser.add_argument("--output", type=Path, help="CSV file to write")
    options = parser.parse_args()
    facts = about()
    print("\n".join(f"{key}: {value}" for key, value in facts.items()))
    rows = []
    for size in (2,) if options.smoke else (1, 2, 4, 8):
        with tempfile.TemporaryDirectory() as folder:
            rounds = 2 if options.smoke else 11
            torch.multiprocessing.spawn(_process, (size, folder, rounds), nprocs=size)
            with Path(folder, "rows.csv").open(newline="", encoding="utf-8") as file:
                found = list(csv.DictReader(file))
        rows += found
        for row in found:
            print("  ".join(f"{key} {value}" for key, value in row.items()))
    if options.output:
        write(options.output, facts, FIELDS, rows)


def _process(rank: int, size: int, folder: str, rounds: int) -> None:
    torch.set_num_threads(1)
    store = dist.FileStore(f"{folder}/store", size)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=timedelta(seconds=120))
    rows = [
        _measured(size, name, classes, metric, rounds)
        for classes in (19, 150)
        for name, metric in _metrics(classes, range(rank, IMAGES, size))
    ]
    dist.destroy_process_group()
    if rank == 0:
        with Path(folder, "rows.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(rows)


def _metrics(classes: int, share: range) -> list[tuple[str, Any]]:
    generator = torch.Generator().manual_seed(share.start)
    target = torch.randint(0, classes, (len(share), 4, 4), generator=generator)
    found: list[tuple[str, Any]] = []
    for name, metric in (
        ("meaniou", MeanIoU(classes)),
        ("meaniou per_image", MeanIoU(classes, per_image=True)),
        ("torchmetrics Jaccard", MulticlassJaccardIndex(classes, validate_args=False)),
    ):
        metric.update(target, target, **({"image_ids": share} if "per_image" in name else {}))
        found.append((name, metric))
    return found


def _measured(size: int, name: str, classes: int, metric: Any, rounds: int) -> dict[str, Any]:
    """What one computation puts into collectives, gets out of them, sends, and takes."""
    put, got = [], []

    def counted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            tensors = [a for a in args if isinstance(a, torch.Tensor)]
            lists = [t for a in args if isinstance(a, list) for t in a]
            put.append(sum(t.nbytes for t in tensors))
            got.append(sum(t.nbytes for t in lists or tensors))
            return function(*args, **kwargs)

        return call

    times, sent = [], []
    for _ in range(rounds):
        metric._computed = None
        dist.barrier()
        before = _loopback()
        start = time.perf_counter()
        metric.compute()
        times.append(time.perf_counter() - start)
        dist.barrier()
        sent.append(_loopback() - before)
    metric._computed = None
    patches = [patch.object(dist, f, counted(getattr(dist, f))) for f in COLLECTIVES]
    patches += [
        patch.object(torch.distributed.distributed_c10d, f, p.new) for f, p in zip(COLLECTIVES, patches, strict=True)
    ]
    for p in patches:
        p.start()
    metric.compute()
    for p in patches:
        p.stop()
    numbers = (len(put), sum(put), sum(got), round(statistics.median(sent) / size))
    return dict(zip(FIELDS, (size, name, classes, *numbers, f"{1e3 * statistics.median(times):.2f}"), strict=True))


def _loopback() -> int:
    """Bytes that the loopback device has sent."""
    for line in Path("/proc/net/dev").read_text(encoding="ascii").splitlines():
        if line.strip().startswith("lo:"):
            return int(line.split()[9])
    raise OSError("There is no loopback device.")


if __name__ == "__main__":
    main()
