"""How often a 95 % interval holds the true value: python benchmarks/intervals.py [--smoke] [--output FILE]

Images are drawn from a population that is known, so that its mean IoU is known too: ten classes, from one that is in
90 % of the images to one in 5 %, with areas that vary much, in images that differ in how hard they are. Each repetition
draws a dataset and takes its interval.
"""

import argparse
import math
import time
from pathlib import Path

import numpy as np
from about import about, write

from meaniou.scores import Areas, ImageAreas
from meaniou.settings import LabelSpace, Policy
from meaniou.uncertainty import Resampling, bootstrap, compare

FIELDS = ("what", "over", "images", "repetitions", "covered", "mean_width", "lost", "seconds_each")
PRESENCE = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05])
PIXELS = 20_000  # of a class where it is, in the median
SPACE = LabelSpace(len(PRESENCE))
NOMINAL = 0.95


def main() -> None:
    """Runs the simulation and prints its table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="few repetitions: does every line run")
    parser.add_argument("--output", type=Path, help="CSV file to write")
    options = parser.parse_args()
    repetitions, population, resamples = (3, 2000, 50) if options.smoke else (400, 400_000, 1000)
    facts = about()
    print("\n".join(f"{key}: {value}" for key, value in facts.items()))
    rows = []
    for over in ("dataset", "image", "class"):
        for number in (50, 100, 500):
            rows.append(covered(over, number, repetitions, population, resamples))
            print("  ".join(f"{name} {value}" for name, value in rows[-1].items()))
    for row in paired(200, repetitions, population, resamples):
        rows.append(row)
        print("  ".join(f"{name} {value}" for name, value in row.items()))
    if options.output:
        write(options.output, facts, FIELDS, rows)


def drawn(rng: np.random.Generator, number: int, models: int = 1) -> list[ImageAreas]:
    """So many images, under one model, or two that are almost alike."""
    there = rng.random((number, len(PRESENCE))) < PRESENCE
    truth = np.where(there, rng.lognormal(math.log(PIXELS), 1.0, there.shape), 0).astype(np.int64)
    hard = rng.normal(0, 0.8, (number, 1))
    right = 1 / (1 + np.exp(-(1.5 - np.linspace(0, 1, len(PRESENCE)) + hard + rng.normal(0, 0.7, there.shape))))
    # What is wrong is taken for classes that are there, and now and then for another.
    likely = rng.dirichlet(PRESENCE * 2, number) * (there | (rng.random(there.shape) < PRESENCE / 10))
    taken_for = likely / np.maximum(likely.sum(1, keepdims=True), 1e-9)
    images = []
    for model in range(models):
        # The second model is right a little more often, on the same hard and easy images.
        share = np.clip(right + model * (0.01 + rng.normal(0, 0.005, there.shape)), 0, 1)
        both = (truth * share).astype(np.int64)
        wrong = truth.sum(1) - both.sum(1)
        predicted = both + (wrong[:, None] * taken_for).astype(np.int64)
        areas = Areas(both, truth, predicted, np.zeros(len(PRESENCE), bool))
        images.append(ImageAreas(areas, np.arange(number)))
    return images


def covered(over: str, number: int, repetitions: int, population: int, resamples: int) -> dict[str, object]:
    """How often the interval of datasets of so many images holds the value of the population."""
    policy = Policy.of(SPACE, over=over)  # type: ignore[arg-type]
    rng = np.random.default_rng(7)
    true = value(drawn(rng, population)[0], policy)
    start, hits, widths, lost = time.perf_counter(), 0, [], []
    for _ in range(repetitions):
        images = drawn(rng, number)[0]
        resampling = Resampling(NOMINAL, resamples, int(rng.integers(2**32)))
        ((interval,),) = bootstrap(images, policy, resampling, "mean")
        hits += interval.low <= true <= interval.high
        widths.append(interval.high - interval.low)
        lost.append(interval.undefined_share)
    row = {"what": "interval", "over": over, "images": number, "repetitions": repetitions}
    row |= {"covered": f"{hits / repetitions:.3f}", "mean_width": f"{np.mean(widths):.4f}"}
    return row | {"lost": f"{np.mean(lost):.3f}", "seconds_each": f"{(time.perf_counter() - start) / repetitions:.3f}"}


def paired(number: int, repetitions: int, population: int, resamples: int) -> list[dict[str, object]]:
    """The difference of two models that are almost alike: drawn together, and from each interval alone."""
    policy = Policy.of(SPACE)
    rng = np.random.default_rng(8)
    first, second = drawn(rng, population, 2)
    true = value(second, policy) - value(first, policy)
    start, together, alone = time.perf_counter(), [], []
    for _ in range(repetitions):
        one, other = drawn(rng, number, 2)
        resampling = Resampling(NOMINAL, resamples, int(rng.integers(2**32)))
        ((difference,),) = compare(other, one, policy, resampling, "mean")
        together.append((difference.low, difference.high))
        intervals = [bootstrap(images, policy, resampling, "mean")[0][0] for images in (one, other)]
        half = math.hypot(*(interval.high - interval.low for interval in intervals)) / 2
        alone.append((difference.value - half, difference.value + half))
    seconds = (time.perf_counter() - start) / repetitions
    rows: list[dict[str, object]] = []
    for what, ends in (("difference, paired", together), ("difference, unpaired", alone)):
        hits = sum(low <= true <= high for low, high in ends) / repetitions
        row = {"what": what, "over": "dataset", "images": number, "repetitions": repetitions}
        row |= {"covered": f"{hits:.3f}", "mean_width": f"{np.mean([high - low for low, high in ends]):.4f}"}
        rows.append(row | {"lost": "", "seconds_each": f"{seconds:.3f}"})
    return rows


def value(images: ImageAreas, policy: Policy) -> float:
    """The number over all images."""
    return bootstrap(images, policy, Resampling(NOMINAL, 2), "mean")[0][0].value


if __name__ == "__main__":
    main()
