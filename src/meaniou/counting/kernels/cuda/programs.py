"""Triton programs that count label or score maps on a GPU; they are independent of tensors and devices.

A pixel is counted in the cell ``truth * (C + 2) + prediction`` of its two bins. A program processes many tiles and
keeps its own histogram of all cells. If that does not fit, runs of pixels with the same cell are added to copies of the
counts.
"""

import triton
import triton.language as tl


@triton.jit(do_not_specialize=["programs"])
def count_in_histograms(
    preds, preds_strides, preds_table, target, target_strides, target_table, valid, valid_strides,
    counts, image_counts, pixels, programs,
    C: tl.constexpr, PREDS_IGNORED: tl.constexpr, TARGET_IGNORED: tl.constexpr, BINS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Counts labels against labels, with ``programs`` programs per image of ``pixels`` pixels."""
    image = (tl.program_id(0) // programs).to(tl.int64)
    histogram = tl.zeros([BINS], tl.int32)
    for start in range((tl.program_id(0) % programs).to(tl.int64) * BLOCK, pixels, tl.cast(programs, tl.int64) * BLOCK):
        i = start + tl.arange(0, BLOCK)
        inside = i < pixels
        truth = _truth(
            target, target_strides, target_table, valid, valid_strides, image * pixels + i, inside, C, TARGET_IGNORED
        )
        predicted = _label_bins(_load(preds, preds_strides, image * pixels + i, inside), preds_table, C, PREDS_IGNORED)
        histogram += tl.histogram(tl.where(inside, truth * (C + 2) + predicted, 0), BINS, mask=inside)
    _add_histogram(histogram, counts, image_counts, image, C, BINS)


@triton.jit(do_not_specialize=["programs"])
def count_scores_in_histograms(
    scores, image_stride, class_stride, target, target_strides, target_table, valid, valid_strides,
    counts, image_counts, pixels, programs,
    C: tl.constexpr, PREDS_IGNORED: tl.constexpr, TARGET_IGNORED: tl.constexpr, BINS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The same for scores with contiguous pixels: class c begins at ``c * class_stride`` of its image."""
    image = (tl.program_id(0) // programs).to(tl.int64)
    histogram = tl.zeros([BINS], tl.int32)
    for start in range((tl.program_id(0) % programs).to(tl.int64) * BLOCK, pixels, tl.cast(programs, tl.int64) * BLOCK):
        i = start + tl.arange(0, BLOCK)
        inside = i < pixels
        truth = _truth(
            target, target_strides, target_table, valid, valid_strides, image * pixels + i, inside, C, TARGET_IGNORED
        )
        predicted = _first_of_the_best(scores + image * image_stride + i, class_stride, inside, C, PREDS_IGNORED)
        histogram += tl.histogram(tl.where(inside, truth * (C + 2) + predicted, 0), BINS, mask=inside)
    _add_histogram(histogram, counts, image_counts, image, C, BINS)


@triton.jit(do_not_specialize=["programs"])
def count_runs(
    preds, preds_strides, preds_table, target, target_strides, target_table, valid, valid_strides,
    copies, image_counts, pixels, programs,
    C: tl.constexpr, PREDS_IGNORED: tl.constexpr, TARGET_IGNORED: tl.constexpr, COPIES: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Counts labels against labels of many classes by runs: adds the end of a run to its cell and subtracts its start.

    Positions are relative to the tile, so the sums are at most ``BLOCK``.
    """
    i = tl.arange(0, BLOCK)
    image = (tl.program_id(0) // programs).to(tl.int64)
    place = (tl.program_id(0) % programs).to(tl.int64) * BLOCK + i
    inside = place < pixels
    p = image * pixels + place
    truth = _truth(target, target_strides, target_table, valid, valid_strides, p, inside, C, TARGET_IGNORED)
    predicted = _label_bins(_load(preds, preds_strides, p, inside), preds_table, C, PREDS_IGNORED)
    follows = inside & (i > 0)
    truth_before = _truth(target, target_strides, target_table, valid, valid_strides, p - 1, follows, C, TARGET_IGNORED)
    predicted_before = _label_bins(_load(preds, preds_strides, p - 1, follows), preds_table, C, PREDS_IGNORED)
    begins = follows & ((truth != truth_before) | (predicted != predicted_before))
    ends = inside & ((i == BLOCK - 1) | (place == pixels - 1))
    mine = copies + (tl.program_id(0) % COPIES) * ((C + 2) * (C + 2))
    _add_run(mine, image_counts, image, truth_before, predicted_before, i, begins, C)
    _add_run(
        mine, image_counts, image, truth, predicted, tl.where(ends, i + 1, 0) - tl.where(begins, i, 0), begins | ends, C
    )


@triton.jit(do_not_specialize=["programs"])
def argmax_scores(
    scores, image_stride, class_stride, labels, pixels, programs,
    C: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Writes the predicted class of each pixel, C for void predictions, for scores with contiguous pixels."""
    image = (tl.program_id(0) // programs).to(tl.int64)
    i = (tl.program_id(0) % programs).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = i < pixels
    predicted = _first_of_the_best(scores + image * image_stride + i, class_stride, inside, C, ())
    tl.store(labels + image * pixels + i, predicted.to(labels.dtype.element_ty), mask=inside)


@triton.jit
def argmax_scores_last(
    scores, pixel_stride, labels, pixels,
    C: tl.constexpr, WIDTH: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The same for scores with contiguous classes, of at most 32 bits; ``WIDTH`` is C rounded up to a power of two.

    It finds the largest key, then the first class with that key. These are two integer reductions of one instruction
    each; one reduction over pairs of score and class takes three times as long.
    """
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    c = tl.arange(0, WIDTH)
    there = (i < pixels)[:, None] & (c < C)[None, :]
    key = _key(tl.load(scores + i[:, None] * pixel_stride + c[None, :], mask=there, other=0))
    best = tl.max(tl.where(there, key, -0x80000000), axis=1)
    predicted = tl.min(tl.where(there & (key == best[:, None]), c[None, :], C), axis=1)
    predicted = tl.where(best == 0x7FFFFFFF, C, predicted)
    tl.store(labels + i, predicted.to(labels.dtype.element_ty), mask=i < pixels)


@triton.jit
def _key(score):
    """Integers in the order of the scores, with NaN on top; both zeros are 0."""
    score = score.to(tl.float32)
    bits = score.to(tl.int32, bitcast=True)
    bits = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return tl.where(score != score, 0x7FFFFFFF, tl.where(score == 0, 0, bits))


@triton.jit
def _first_of_the_best(scores, class_stride, inside, C: tl.constexpr, IGNORED: tl.constexpr):
    """Class of the first maximum; C if it is ignored or a score is NaN."""
    best = _wide(tl.load(scores, mask=inside, other=0))
    predicted = tl.zeros(best.shape, tl.int32)
    undefined = best != best
    for c in tl.range(1, C, loop_unroll_factor=4):
        score = _wide(tl.load(scores + tl.cast(c, tl.int64) * class_stride, mask=inside, other=0))
        predicted = tl.where(score > best, c, predicted)
        best = tl.where(score > best, score, best)
        undefined |= score != score
    for k in tl.static_range(len(IGNORED)):
        undefined |= predicted == IGNORED[k]
    return tl.where(undefined, C, predicted)


@triton.jit
def _wide(score):
    return score if score.dtype.primitive_bitwidth >= 32 else score.to(tl.float32)


@triton.jit
def _truth(
    target, target_strides, target_table, valid, valid_strides, i, inside, C: tl.constexpr, IGNORED: tl.constexpr
):
    """Bins of the ground truth; void for invalid pixels."""
    truth = _label_bins(_load(target, target_strides, i, inside), target_table, C, IGNORED)
    if valid is not None:
        truth = tl.where(_load(valid, valid_strides, i, inside) != 0, truth, C)
    return truth


@triton.jit
def _label_bins(label, table, C: tl.constexpr, IGNORED: tl.constexpr):
    """The bin of a label: a class, C if ignored, C + 1 if out of range; 64-bit labels are compared before narrowing.

    With a ``table`` bins are looked up: it holds the address of the bins, the lowest label, and the number of bins.
    """
    label = label if label.dtype.primitive_bitwidth == 64 else label.to(tl.int32)
    if table is not None:
        there = (label >= table[1]) & (label < table[1] + table[2])
        bins = tl.load(table[0] + (label - table[1]), mask=there, other=C + 1)
    else:
        bins = tl.where((label >= 0) & (label < C), label.to(tl.int32), C + 1)
        for k in tl.static_range(len(IGNORED)):
            bins = tl.where(label == IGNORED[k], C, bins)
    return bins


@triton.jit
def _load(start, strides, i, inside):
    """Elements i of a contiguous map, or by ``strides`` (n1, n2, s0, s1, s2: inner sizes, strides), of under 2^31."""
    if strides is not None:
        i = i.to(tl.int32)  # a 64-bit division takes many times as long, on AMD also to compile
        row = i // strides[1]
        outer, middle = (row // strides[0]).to(tl.int64), (row % strides[0]).to(tl.int64)
        inner = (i % strides[1]).to(tl.int64)
        i = outer * strides[2] + middle * strides[3] + inner * strides[4]
    return tl.load(start + i, mask=inside, other=0)


@triton.jit
def _add_histogram(histogram, counts, image_counts, image, C: tl.constexpr, BINS: tl.constexpr):
    """Adds the histogram of a program to the counts and to the counts of its image."""
    cell = tl.arange(0, BINS)
    number = histogram.to(tl.int64)
    some = histogram != 0
    tl.atomic_add(counts + cell, number, mask=some, sem="relaxed")
    if image_counts is not None:
        _add_to_image(image_counts, image, cell // (C + 2), cell % (C + 2), number, some, C)


@triton.jit
def _add_run(copy, image_counts, image, truth, predicted, number, some, C: tl.constexpr):
    tl.atomic_add(copy + truth * (C + 2) + predicted, number.to(copy.dtype.element_ty), mask=some, sem="relaxed")
    if image_counts is not None:
        _add_to_image(image_counts, image, truth, predicted, number.to(tl.int64), some, C)


@triton.jit
def _add_to_image(image_counts, image, truth, predicted, number, some, C: tl.constexpr):
    """Adds pixels to the four image counts: both maps, ground truth, prediction, void prediction."""
    mine = image_counts + image * (4 * C)
    of_classes = some & (truth < C)
    tl.atomic_add(mine + truth, number, mask=of_classes & (truth == predicted), sem="relaxed")
    tl.atomic_add(mine + C + truth, number, mask=of_classes, sem="relaxed")
    tl.atomic_add(mine + 2 * C + predicted, number, mask=of_classes & (predicted < C), sem="relaxed")
    tl.atomic_add(mine + 3 * C + truth, number, mask=of_classes & (predicted == C), sem="relaxed")
