"""Loops over flat arrays, compiled by Numba for the dtypes in use; they are independent of tensors and threads.

The tables ``rows`` and ``cols`` hold each code's part of a cell index: a pixel is counted in
``counts[rows[truth] + cols[prediction]]``. Neighbouring pixels are mostly alike, so blocks in which all pixels have the
same pair are found first, by vectorised comparisons, and counted at once.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

ONES, BYTE = np.uint64(0x0101010101010101), np.uint64(255)
BLOCK, PART = 64, 8


def compiled(function: Callable[..., Any]) -> Any:
    """Compiles at the first call with a signature, without the GIL, and caches on disk if possible."""
    try:
        return njit(cache=True, nogil=True, error_model="numpy")(function)
    except RuntimeError:  # no folder is writable
        return njit(nogil=True, error_model="numpy")(function)


@compiled
def count_bytes(preds, target, start, stop, rows, cols, counts):
    """Counts maps of bytes, aligned to 8 and read as uint64; the tables have 256 entries."""
    for i in range(start, min(stop, (start + 7) // 8 * 8)):
        counts[rows[target[i]] + cols[preds[i]]] += 1
    start = min(stop, (start + 7) // 8 * 8)
    whole = stop - (stop - start) % 64
    preds8, target8 = preds[start:whole].view(np.uint64), target[start:whole].view(np.uint64)
    # From 0 in steps of 1: with a possibly negative index or larger steps the loop is a quarter slower or more.
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
    """Counts label maps of any two dtypes; a table is the parts of the index, the lowest label and the sparse labels.

    The tables are plain tuples: named tuples take 1 µs longer to pass, of 50 µs for a small update. They are unpacked
    once: reading them for every pixel takes five times as long.
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
    """Whether ``number`` pixels all have the same pair; without an early exit, so it compiles to vector code."""
    a, b = preds[start], target[start]
    differ = (a ^ a) | (b ^ b)
    for i in range(1, number):
        differ |= (preds[start + i] ^ a) | (target[start + i] ^ b)
    return differ == 0


@njit(nogil=True, inline="always")
def _code(label, low, size, sparse):
    """Code of a label: dense labels from ``low`` on, then sparse labels; others get the code of the nearer end."""
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
    target, start, stop, rows, cols, counts, best, buffer,
):  # fmt: skip
    """Counts scores with contiguous pixels against labels: a running maximum over tiles of the size of ``best``.

    ``scores`` is flat: class c of image b begins at ``b * image_stride + c * class_stride``. Pixels are numbered over
    all images. 16-bit scores are passed as int16, with the bits of infinity as ``nan_above``.
    """
    while start < stop:
        image = start // pixels
        n = min(best.size, (image + 1) * pixels - start, stop - start)
        first = image * image_stride + start - image * pixels
        top, predicted = best[:n], buffer[:n]
        first_maxima(scores, first, class_stride, num_classes, nan_above, top, predicted)
        count_labels(predicted, target[start : start + n], 0, n, rows, cols, counts)
        start += n


@compiled
def count_scores_last(
    scores, pixel_stride, num_classes, nan_above,
    target, start, stop, rows, cols, counts, buffer,
):  # fmt: skip
    """The same for scores with contiguous classes (channels last): pixel i begins at ``i * pixel_stride``."""
    while start < stop:
        n = min(buffer.size, stop - start)
        predicted = buffer[:n]
        for i in range(n):
            first = (start + i) * pixel_stride
            of_pixel = scores[first : first + num_classes]
            top, label, undefined = rank(of_pixel[0]), 0, is_nan(of_pixel[0], nan_above)
            for c in range(1, num_classes):
                undefined |= is_nan(of_pixel[c], nan_above)
                if rank(of_pixel[c]) > top:
                    top, label = rank(of_pixel[c]), c
            predicted[i] = num_classes if undefined else label
        count_labels(predicted, target[start : start + n], 0, n, rows, cols, counts)
        start += n


@compiled
def fold_image(one, counts, image_counts):
    """Adds the counts ``one`` of an image to ``counts`` and to its image counts, and resets ``one`` to 0."""
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
def first_maxima(scores, first, class_stride, num_classes, nan_above, top, predicted):
    """Writes the class of the first maximum of each pixel from ``first`` on; ``num_classes`` where a score is NaN."""
    n = predicted.size
    undefined = _begin(scores[first : first + n], nan_above, top, predicted)
    c = 1
    while c < num_classes:
        place = first + c * class_stride
        follows = place + class_stride if c + 1 < num_classes else place  # the last class may be compared twice
        one, other = scores[place : place + n], scores[follows : follows + n]
        undefined |= _raise_by_two(one, other, nan_above, top, predicted, c)
        c += 2
    if undefined:
        _void_undefined(scores, first, class_stride, num_classes, nan_above, predicted)


@compiled
def _begin(scores, nan_above, top, predicted):
    undefined = False
    for i in range(top.size):
        top[i] = rank(scores[i])
        predicted[i] = 0
        undefined |= is_nan(scores[i], nan_above)
    return undefined


@compiled
def _raise_by_two(first, second, nan_above, top, predicted, c):
    """Updates the maximum with two classes (the first of equal ones wins); returns whether a score is NaN."""
    undefined = False
    for i in range(top.size):
        a, b, old = rank(first[i]), rank(second[i]), top[i]
        new = b if b > a else a
        label = np.int32(c + 1) if b > a else np.int32(c)
        predicted[i] = label if new > old else predicted[i]
        top[i] = new if new > old else old
        undefined |= is_nan(first[i], nan_above) | is_nan(second[i], nan_above)
    return undefined


@compiled
def _void_undefined(scores, first, class_stride, num_classes, nan_above, predicted):
    """Sets the prediction to ``num_classes``, void, where a score is NaN."""
    for i in range(predicted.size):
        for c in range(num_classes):
            if is_nan(scores[first + c * class_stride + i], nan_above):
                predicted[i] = num_classes
                break


def rank(score):
    """A number in the order of the scores; only for Numba, which compiles ``_rank`` in its place."""
    raise NotImplementedError


def is_nan(score, nan_above):
    """Whether a score is NaN; only for Numba, which compiles ``_is_nan`` in its place."""
    raise NotImplementedError


@overload(rank, inline="always")
def _rank(score):
    if isinstance(score, types.Float):
        return lambda score: score

    def of_half(score):
        # Sign and magnitude to two's complement; both zeros become 0.
        sign = np.int16(score >> np.int16(15))
        return np.int16(np.int16(np.int16(score & np.int16(0x7FFF)) ^ sign) - sign)

    return of_half


@overload(is_nan, inline="always")
def _is_nan(score, nan_above):
    if isinstance(score, types.Float):
        return lambda score, nan_above: score != score
    return lambda score, nan_above: np.int16(score & np.int16(0x7FFF)) > nan_above
