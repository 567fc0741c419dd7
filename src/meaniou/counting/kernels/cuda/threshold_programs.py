"""The Triton program that counts labels that overlap on a GPU; it is independent of tensors and devices.

A pixel of a label is counted in the cell ``row * (T + 3) + column`` of its ground truth and its score. A program
processes many tiles of one label of one image and keeps its own histogram. If there are more cells than bins, several
programs read the same tiles, and each counts the pixels of its part of the cells.
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["programs"])
def count_above_thresholds(
    preds, preds_strides, target, target_strides, valid, valid_strides,
    edges, counts, labels, pixels, programs,
    T: tl.constexpr, STEPS: tl.constexpr, PER_LABEL: tl.constexpr, INCLUSIVE: tl.constexpr, IMAGES: tl.constexpr,
    PREDS_IGNORED: tl.constexpr, TARGET_IGNORED: tl.constexpr, PARTS: tl.constexpr, BINS: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Counts with ``programs * PARTS`` programs for each label of an image, which has ``pixels`` pixels.

    ``STEPS`` is that of ``_column``; strides are those of image, label and pixel.
    """
    cells: tl.constexpr = 4 * (T + 3)
    first = tl.program_id(0) % PARTS * BINS
    place = tl.program_id(0) // PARTS
    label = (place // programs % labels).to(tl.int64)
    image = (place // programs // labels).to(tl.int64)
    histogram = tl.zeros([BINS], tl.int32)
    for start in range((place % programs).to(tl.int64) * BLOCK, pixels, tl.cast(programs, tl.int64) * BLOCK):
        i = start + tl.arange(0, BLOCK).to(tl.int64)
        inside = i < pixels
        row = _flags(_load(target, target_strides, image, label, i, inside), 2, 3, TARGET_IGNORED)
        if valid is not None:
            row = tl.where(_load(valid, valid_strides, image, label, i, inside) != 0, row, 2)
        value = _load(preds, preds_strides, image, label, i, inside)
        if value.dtype.is_floating():
            column = _column(value, edges, label, T, STEPS, PER_LABEL, INCLUSIVE)
        else:
            column = _flags(value, T + 1, T + 2, PREDS_IGNORED)
        cell = row * (T + 3) + column - first
        mine = inside & (cell >= 0) & (cell < BINS)
        histogram += tl.histogram(tl.where(mine, cell, 0), BINS, mask=mine)
    start = label * cells + first
    if IMAGES:
        start += image * labels * cells
    bins = tl.arange(0, BINS)
    tl.atomic_add(counts + start + bins, histogram.to(tl.int64), mask=histogram != 0, sem="relaxed")


@triton.jit
def _load(start, strides, image, label, i, inside):
    return tl.load(start + image * strides[0] + label * strides[1] + i * strides[2], mask=inside, other=0)


@triton.jit
def _column(
    score, edges, label, T: tl.constexpr, STEPS: tl.constexpr, PER_LABEL: tl.constexpr, INCLUSIVE: tl.constexpr
):
    """The number of thresholds below a score, T + 1 for NaN.

    With ``STEPS`` it is a binary search of that many steps. Without, the thresholds are even, and the table holds after
    them an origin and a factor, which give the number with an error of one at most.
    """
    score = _wide(score)
    if T == 1:
        column = _above(score, tl.load(edges + label * PER_LABEL), INCLUSIVE)
    elif STEPS == 0:
        guess = (score - tl.load(edges + T)) * tl.load(edges + T + 1)
        guess = tl.where(guess > 1, guess, 1)  # NaN too, which has no integer
        guess = tl.where(guess < T - 1, guess, T - 1).to(tl.int32)
        column = guess - 1 + _above(score, tl.load(edges + guess - 1), INCLUSIVE)
        column += _above(score, tl.load(edges + guess), INCLUSIVE)
    else:
        column = tl.zeros(score.shape, tl.int32)
        for step in tl.static_range(STEPS):
            further = column + (1 << (STEPS - 1 - step))
            there = further <= T
            edge = tl.load(edges + further - 1, mask=there, other=0)
            column = tl.where(there & (_above(score, edge, INCLUSIVE) != 0), further, column)
    return tl.where(score == score, column, T + 1)


@triton.jit
def _above(score, edge, INCLUSIVE: tl.constexpr):
    """1 where a score is above a threshold, else 0."""
    above = score >= edge if INCLUSIVE else score > edge
    return above.to(tl.int32)


@triton.jit
def _flags(value, VOID: tl.constexpr, OUTSIDE: tl.constexpr, IGNORED: tl.constexpr):
    """0 and 1 as they are, ``VOID`` for ignored values, ``OUTSIDE`` for all others."""
    value = _wide(value)
    flags = tl.where(value == 0, 0, tl.where(value == 1, 1, OUTSIDE))
    for k in tl.static_range(len(IGNORED)):
        flags = tl.where(value == IGNORED[k], VOID, flags)
    return flags


@triton.jit
def _wide(value):
    """The value in at least 32 bits, which hold all values of its own dtype."""
    wide: tl.constexpr = tl.float32 if value.dtype.is_floating() else tl.int32
    return value if value.dtype.primitive_bitwidth >= 32 else value.to(wide)
