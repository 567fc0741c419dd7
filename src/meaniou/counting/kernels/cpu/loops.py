"""Loops over flat arrays, which Numba compiles for the dtypes in use; nothing here knows of tensors or threads.

Tables of ``rows`` and ``cols`` hold the part of a cell's index that a code stands for, so that a pixel is counted in
``counts[rows[truth] + cols[prediction]]``. Neighbouring pixels are mostly alike, so whole blocks of one pair are found
first, by comparisons that run many pixels at a time, and counted at once.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

ONES, BYTE = np.uint64(0x0101010101010101), np.uint64(255)
BLOCK, PART = 64, 8


def compiled(function: Callable[..., Any]) -> Any:
    """Compiled at the first call of a signature, free of the interpreter's lock, kept on disk if that is possible."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # there is no folder that can be written
        return njit(nogil=True, error_model="numpy")(function)


@compiled
def count_bytes(preds, target, start, stop, rows, cols, counts):
    """Bytes of arrays that are aligned to eight, which are read as uint64; the tables have 256 entries."""
    for i in range(start, min(stop, (start + 7) // 8 * 8)):
        counts[rows[target[i]] + cols[preds[i]]] += 1
    start = min(stop, (start + 7) // 8 * 8)
    whole = stop - (stop - start) % 64
    preds8, target8 = preds[start:whole].view(np.uint64), target[start:whole].view(np.uint64)
    # From 0 on and in steps of 1: loops whose index may be negative, or takes steps, come out a quarter slower or more.
    for i in range(preds8.size // 8):
        block = 8 * i
        a, b = preds8[block] & BYTE, target8[block] & BYTE
        differ = np.uint64(0)
        for m in range(8):
            differ |= (preds8[block + m] ^ (a * ONES)) | (target8[block + m] ^ (b * ONES))
        if differ == 0:
            counts[rows[b] + cols[a]] += 64
            continue
        for m in range(8):
            x, y = preds8[block + m], target8[block + m]
            a, b = x & BYTE, y & BYTE
            if x == a * ONES and y == b * ONES:
                counts[rows[b] + cols[a]] += 8
            else:
                for byte in range(8):
                    shift = np.uint64(8 * byte)
                    counts[rows[(y >> shift) & BYTE] + cols[(x >> shift) & BYTE]] += 1
    for i in range(whole, stop):
        counts[rows[target[i]] + cols[preds[i]]] += 1


@compiled
def count_labels(preds, target, start, stop, rows, cols, counts):
    """Labels of any two dtypes, by tables of both sides: the parts of the index, the lowest label, the sparse labels.

    The tables are plain tuples: named ones take 1 µs more to pass, of the 50 of a small update, and reading them for
    each pixel, instead of once, five times as long.
    """
    row_parts, row_low, row_sparse = rows
    col_parts, col_low, col_sparse = cols
    preds, target = preds[start:stop], target[start:stop]
    whole = preds.size - preds.size % BLOCK
    for i in range(preds.size // BLOCK):
        block = BLOCK * i
        if _alike(preds, target, block, BLOCK):
            col = col_parts[_code(preds[block], col_low, col_parts.size, col_sparse)]
            counts[row_parts[_code(target[block], row_low, row_parts.size, row_sparse)] + col] += BLOCK
            continue
        for part in range(block, block + BLOCK, PART):
            if _alike(preds, target, part, PART):
                col = col_parts[_code(preds[part], col_low, col_parts.size, col_sparse)]
                counts[row_parts[_code(target[part], row_low, row_parts.size, row_sparse)] + col] += PART
                continue
            for k in range(part, part + PART):
                col = col_parts[_code(preds[k], col_low, col_parts.size, col_sparse)]
                counts[row_parts[_code(target[k], row_low, row_parts.size, row_sparse)] + col] += 1
    for i in range(whole, preds.size):
        col = col_parts[_code(preds[i], col_low, col_parts.size, col_sparse)]
        counts[row_parts[_code(target[i], row_low, row_parts.size, row_sparse)] + col] += 1


@njit(nogil=True, inline="always")
def _alike(preds, target, start, number):
    """Whether so many pixels are all of one pair; without an early end, so that it is a few wide instructions."""
    a, b = preds[start], target[start]
    differ = (a ^ a) | (b ^ b)
    for i in range(1, number):
        differ |= (preds[start + i] ^ a) | (target[start + i] ^ b)
    return differ == 0


@njit(nogil=True, inline="always")
def _code(label, low, size, sparse):
    """Place of a label in its table: dense labels from ``low`` on, the ends for all beyond, then sparse ones."""
    place = np.uint64(np.int64(label)) - np.uint64(low)
    dense = np.uint64(size - sparse.size)
    return np.int64(place) if place < dense else _code_beyond(np.int64(label), low, size, sparse)


@compiled
def _code_beyond(label, low, size, sparse):
    first, last = 0, sparse.size
    while first < last:
        middle = (first + last) // 2
        if sparse[middle] < label:
            first = middle + 1
        else:
            last = middle
    if first < sparse.size and sparse[first] == label:
        return size - sparse.size + first
    return np.int64(0) if label < low else size - sparse.size - 1


@compiled
def count_scores(
    scores, image_stride, class_stride, num_classes, pixels, nan_above,
    target, start, stop, rows, cols, counts, best, answer,
):  # fmt: skip
    """Scores whose pixels lie side by side, beside labels: a running maximum over tiles of the size of ``best``.

    ``scores`` is flat: those of class c for image b begin at ``b * image_stride + c * class_stride``. Pixels are
    numbered over all images. Half types come as int16, where ``nan_above`` holds the bits of infinity.
    """
    while start < stop:
        image = start // pixels
        n = min(best.size, (image + 1) * pixels - start, stop - start)
        first = image * image_stride + start - image * pixels
        top, answers = best[:n], answer[:n]
        undefined = _begin(scores[first : first + n], nan_above, top, answers)
        c = 1
        while c < num_classes:
            place = first + c * class_stride
            follows = place + class_stride if c + 1 < num_classes else place  # the last one twice is the last one
            one, other = scores[place : place + n], scores[follows : follows + n]
            undefined |= _raise_by_two(one, other, nan_above, top, answers, c)
            c += 2
        if undefined:
            _void_undefined(scores, first, class_stride, num_classes, nan_above, answers)
        count_labels(answers, target[start : start + n], 0, n, rows, cols, counts)
        start += n


@compiled
def count_scores_last(
    scores, pixel_stride, num_classes, nan_above,
    target, start, stop, rows, cols, counts, answer,
):  # fmt: skip
    """The same for scores whose classes lie side by side: those of pixel i begin at ``i * pixel_stride``."""
    while start < stop:
        n = min(answer.size, stop - start)
        answers = answer[:n]
        for i in range(n):
            first = (start + i) * pixel_stride
            of_pixel = scores[first : first + num_classes]
            top, label, undefined = rank(of_pixel[0]), 0, is_nan(of_pixel[0], nan_above)
            for c in range(1, num_classes):
                undefined |= is_nan(of_pixel[c], nan_above)
                if rank(of_pixel[c]) > top:
                    top, label = rank(of_pixel[c]), c
            answers[i] = num_classes if undefined else label
        count_labels(answers, target[start : start + n], 0, n, rows, cols, counts)
        start += n


@compiled
def fold_image(one, counts, image_counts):
    """Adds the counts of an image to those of all, takes from them what is kept of it, and leaves zeros."""
    num_classes = image_counts.shape[1]
    size = num_classes + 2
    for truth in range(num_classes):
        of_truth = one[truth * size : truth * size + size]
        area = 0
        for n in of_truth:
            area += n
        for c in range(num_classes):
            image_counts[2, c] += of_truth[c]
        image_counts[0, truth], image_counts[1, truth] = of_truth[truth], area
        image_counts[3, truth] = of_truth[num_classes]
    for cell in range(one.size):
        counts[cell] += one[cell]
        one[cell] = 0


@compiled
def _begin(scores, nan_above, top, answers):
    undefined = False
    for i in range(top.size):
        top[i] = rank(scores[i])
        answers[i] = 0
        undefined |= is_nan(scores[i], nan_above)
    return undefined


@compiled
def _raise_by_two(first, second, nan_above, top, answers, c):
    """Takes two classes into the maximum, the first of equal ones; gives whether one of their scores is NaN."""
    undefined = False
    for i in range(top.size):
        a, b, old = rank(first[i]), rank(second[i]), top[i]
        new = b if b > a else a
        label = np.int32(c + 1) if b > a else np.int32(c)
        answers[i] = label if new > old else answers[i]
        top[i] = new if new > old else old
        undefined |= is_nan(first[i], nan_above) | is_nan(second[i], nan_above)
    return undefined


@compiled
def _void_undefined(scores, first, class_stride, num_classes, nan_above, answers):
    """The class is ``num_classes``, which is void, where a score is NaN."""
    for i in range(answers.size):
        for c in range(num_classes):
            if is_nan(scores[first + c * class_stride + i], nan_above):
                answers[i] = num_classes
                break


def rank(score):
    """A number in the order of the scores. Numba takes ``_rank``, which overloads it; Python has no use for it."""
    raise NotImplementedError


def is_nan(score, nan_above):
    """Whether a score is NaN. Numba takes ``_is_nan``, which overloads it; Python has no use for it."""
    raise NotImplementedError


@overload(rank, inline="always")
def _rank(score):
    if isinstance(score, types.Float):
        return lambda score: score

    def of_half(score):
        # Sign and magnitude become two's complement, and both zeros 0.
        sign = np.int16(score >> np.int16(15))
        return np.int16(np.int16(np.int16(score & np.int16(0x7FFF)) ^ sign) - sign)

    return of_half


@overload(is_nan, inline="always")
def _is_nan(score, nan_above):
    if isinstance(score, types.Float):
        return lambda score, nan_above: score != score
    return lambda score, nan_above: np.int16(score & np.int16(0x7FFF)) > nan_above
