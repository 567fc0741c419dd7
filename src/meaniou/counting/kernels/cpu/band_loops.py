"""Loops that count bands inside contours, compiled by Numba; they are independent of tensors and threads.

Codes are uint8, or uint16 with many classes: class c is c + 1, other labels are C + 1, and 0 is any label. The window
of a pixel has a code too: that of its one label (0 if all its pixels are any label), or the highest number of the dtype
if it holds several labels or leaves the image. Windows grow axis by axis. Along the rows the largest and the smallest
code come from runs whose length doubles with each step. Along the other axes a window is the end of one block of rows
and the start of the next (van Herk, 1992), so that a pixel takes the same steps for any width.
"""

import numpy as np
from numba import njit

from meaniou.counting.kernels.cpu.loops import _code, compiled, first_maxima

# Columns, or pixels, that are worked on together. With a width of 46 the windows of a block of rows take 188 KiB, which
# fit into the second-level cache; with 2^8 columns merging takes twice as long.
STRIPE = 1 << 11

# A part of another loop. Compiled on its own, it takes more time to compile, and 20 ns or more a call for its arrays.
part_of = njit(nogil=True, inline="always")


@compiled
def label_scores(scores, class_stride, num_classes, nan_above, bins, start, stop, best, buffer, labels):
    """Writes the bins of the pixels from ``start`` to ``stop`` of one image; see ``loops.count_scores``."""
    for first in range(start, stop, best.size):
        n = min(best.size, stop - first)
        predicted, of_tile = buffer[:n], labels[first : first + n]
        first_maxima(scores, first, class_stride, num_classes, nan_above, best[:n], predicted)
        for i in range(n):
            of_tile[i] = bins[np.uint32(predicted[i])]


@compiled
def code_numbers(labels, last, void, of_void, other, codes):
    """Writes the codes of class numbers up to ``last``, of void labels, and of others; labels are unsigned."""
    kind = codes.dtype.type
    for start in range(0, labels.size, STRIPE):
        part, of_part = labels[start : start + STRIPE], codes[start : start + STRIPE]
        for i in range(part.size):
            of_part[i] = kind(kind(part[i]) + kind(1)) if part[i] <= last else other
        for label in void:
            for i in range(part.size):
                of_part[i] = of_void if part[i] == label else of_part[i]


@compiled
def code_ids(labels, table, codes):
    """Writes the codes of labels with ids of their own; ``table`` as in ``loops.count_labels``."""
    entries, low, sparse = table
    for i in range(labels.size):
        codes[i] = entries[_code(labels[i], low, entries.size, sparse)]


@compiled
def settle(truth, prediction, valid, rest):
    """Turns both codes of void pixels into ``rest``, in place.

    ``rest`` is 0, or C + 1 if void is a label; then predictions remain. A prediction with the highest code makes the
    pixel void. ``valid`` may be empty.
    """
    top = truth.dtype.type(-1)
    if valid.size:
        for i in range(truth.size):
            truth[i] = truth[i] if valid[i] else rest
    for i in range(truth.size):
        t, p = truth[i], prediction[i]
        t, p = rest if p == top else t, rest if p == top else p
        truth[i], prediction[i] = t, p if t else t


@part_of
def _reach(width, length, edge):
    """The width and the padding of windows along an axis; they are cut at the edge of the image if it is no contour."""
    if edge:
        return width, 0
    return min(width, length - 1), min(width, length - 1)


@compiled
def row_windows(codes, width, edge, windows):
    """Writes the windows along the rows of codes ``[N, L]``."""
    length, top = codes.shape[1], codes.dtype.type(-1)
    width, pad = _reach(width, length, edge)
    number, size = 2 * width + 1, length + 2 * pad
    if number > size:
        windows[:] = top
        return
    # Codes less 1 are smallest where code 0 turns into the highest number.
    large, less = np.empty((2, size), codes.dtype), np.empty((2, size), codes.dtype)
    for row in range(len(codes)):
        large[0], less[0] = 0, top
        _read_row(codes[row], large[0, pad : pad + length], less[0, pad : pad + length])
        now, run = 0, 1
        while 2 * run <= number:
            n = size - 2 * run + 1
            _raise(large[now, :n], large[now, run : run + n], large[1 - now])
            _lower(less[now, :n], less[now, run : run + n], less[1 - now])
            now, run = 1 - now, 2 * run
        n, rest, of_row = size - number + 1, number - run, windows[row]
        most, least = large[now], less[now]
        _join(most[:n], most[rest : rest + n], least[:n], least[rest : rest + n], of_row[width - pad :])
        if edge:
            of_row[:width], of_row[length - width :] = top, top


@part_of
def _read_row(codes, large, less):
    for i in range(codes.size):
        large[i], less[i] = codes[i], codes[i] - codes.dtype.type(1)


@part_of
def _raise(values, others, result):
    for i in range(values.size):
        result[i] = max(values[i], others[i])


@part_of
def _lower(values, others, result):
    for i in range(values.size):
        result[i] = min(values[i], others[i])


@part_of
def _join(large, other_large, less, other_less, windows):
    kind = windows.dtype.type
    for i in range(large.size):
        most, least = max(large[i], other_large[i]), min(less[i], other_less[i])
        windows[i] = most if kind(most - kind(1)) == least else kind(-1)


@compiled
def merge_windows(windows, width, edge, start, stop):
    """Widens windows ``[A, L, N]`` along their middle axis, in place, in the columns from ``start`` to ``stop``.

    Columns are numbered over A and N.
    """
    length, inner = windows.shape[1:]
    room = np.empty((2 * min(width, length - 1) + 2, min(STRIPE, inner)), windows.dtype)
    while start < stop:
        first = start % inner
        n = min(STRIPE, inner - first, stop - start)
        _merge_stripe(windows[start // inner], first, n, width, edge, room)
        start += n


@part_of
def _merge_stripe(windows, first, n, width, edge, room):
    """Widens windows ``[L, N]`` in ``n`` columns.

    ``room`` is for the rows of a block, each merged with those after it, and for the start of a block.
    """
    (length, _), top, stop = windows.shape, windows.dtype.type(-1), first + n
    width, pad = _reach(width, length, edge)
    number, size, begun = 2 * width + 1, length + 2 * pad, room[-1, :n]
    # Rows are numbered from the start of the padding. With the last row of a window, its pixel gets its code.
    for last in range(size if number <= size else 0):
        place = last % number
        end = room[place, :n]
        if place == 0:
            begun[:] = 0
            for row in range(number - 2 if last else 0, 0, -1):
                _merge(room[row + 1, :n], room[row, :n])
        if pad <= last < length + pad:
            _read_merged(windows[last - pad, first:stop], begun, end)
        else:
            end[:] = 0
        if last >= 2 * width:
            # A whole block has no rows before it; merged with its last row, its code stays the same.
            before, row = room[min(place + 1, number - 1), :n], last - width - pad
            _write_merged(begun, before, windows[row, first:stop])
    for row in range(length if edge else 0):
        if row < width or row >= length - width:
            windows[row, first:stop] = top


@part_of
def _read_merged(row, begun, end):
    """Merges a row with the start of its block, and copies it."""
    kind = row.dtype.type
    for i in range(row.size):
        code = row[i]
        most, least = max(code, begun[i]), min(code, begun[i])
        begun[i] = most if kind(least - kind(1)) >= kind(most - kind(1)) else kind(-1)
        end[i] = code


@part_of
def _write_merged(begun, end, window):
    kind = window.dtype.type
    for i in range(window.size):
        most, least = max(end[i], begun[i]), min(end[i], begun[i])
        window[i] = most if kind(least - kind(1)) >= kind(most - kind(1)) else kind(-1)


@part_of
def _merge(row, result):
    """Merges a row with another: code 0 gives way to any code, and two codes turn into the highest number."""
    kind = row.dtype.type
    for i in range(row.size):
        most, least = max(row[i], result[i]), min(row[i], result[i])
        result[i] = most if kind(least - kind(1)) >= kind(most - kind(1)) else kind(-1)


@compiled
def count_codes(codes, windows, num_classes, start, stop, counts):
    """Adds the pixels from ``start`` to ``stop`` to ``counts``, int64 ``[3, C + 1]``, for each code.

    ``codes`` and ``windows`` are those of ground truth and prediction, ``[2, n]``.
    """
    of_truth, of_preds = np.empty(STRIPE, codes.dtype), np.empty(STRIPE, codes.dtype)
    for first in range(start, stop, STRIPE):
        n = min(STRIPE, stop - first)
        truth, whole = codes[0, first : first + n], -(-n * codes.itemsize // 64) * 64 // codes.itemsize
        _in_band(truth, truth, windows[0, first : first + n], num_classes, of_truth[:n])
        _in_band(codes[1, first : first + n], truth, windows[1, first : first + n], num_classes, of_preds[:n])
        of_truth[n:whole], of_preds[n:whole] = 0, 0
        _count_pairs(of_preds[:whole], of_truth[:whole], counts)


@part_of
def _in_band(codes, truth, windows, num_classes, result):
    """Writes the codes of classes in their bands where the ground truth is a class; 0 elsewhere."""
    kind = codes.dtype.type
    classes, top = kind(num_classes), kind(-1)
    for i in range(codes.size):
        counted = (kind(truth[i] - kind(1)) < classes) & (codes[i] <= classes) & (windows[i] == top)
        result[i] = codes[i] if counted else kind(0)


@part_of
def _count_pairs(prediction, truth, counts):
    """Counts pairs of codes, whose number is a multiple of 8 words of 8 bytes.

    Neighbours are mostly alike, so 8 words are compared at once, then word by word.
    """
    lanes, bits = 8 // truth.itemsize, np.uint64(8 * truth.itemsize)
    code, ones = (np.uint64(1) << bits) - np.uint64(1), np.uint64(0)
    for lane in range(lanes):
        ones |= np.uint64(1) << (bits * np.uint64(lane))
    words, of_truth = prediction.view(np.uint64), truth.view(np.uint64)
    for i in range(words.size // 8):
        block = 8 * i
        p, t = words[block] & code, of_truth[block] & code
        differ = np.uint64(0)
        for k in range(8):
            differ |= (words[block + k] ^ (p * ones)) | (of_truth[block + k] ^ (t * ones))
        if differ == 0:
            _add(p, t, 8 * lanes, counts)
            continue
        for k in range(8):
            x, y = words[block + k], of_truth[block + k]
            p, t = x & code, y & code
            if (x == p * ones) & (y == t * ones):
                _add(p, t, lanes, counts)
                continue
            for lane in range(lanes):
                shift = bits * np.uint64(lane)
                _add((x >> shift) & code, (y >> shift) & code, 1, counts)


@part_of
def _add(prediction, truth, number, counts):
    counts[0, truth if truth == prediction else np.uint64(0)] += number
    counts[1, truth] += number
    counts[2, prediction] += number
