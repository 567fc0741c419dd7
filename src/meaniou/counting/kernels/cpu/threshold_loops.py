"""Loops that count labels that overlap, compiled by Numba; they are independent of tensors and threads.

A map is a flat array with three steps: from image to image, from label to label, and from pixel to pixel. Pixels of a
label are read in chunks that stay in the first cache. The ground truth of a chunk becomes the rows of its pixels: 0, 1,
2 (void) or 3 (outside). Scores become columns, or at one threshold only sums of flags, in vector code without branches.
"""

import numpy as np
from numba import types
from numba.extending import overload

from meaniou.counting.kernels.cpu.loops import compiled, count_bytes

# Pixels of a chunk: float32 scores, rows and cells take 18 KiB, of a first cache of 32 or 48.
CHUNK = 1 << 11
# Pixels of the same cell wait for each other: 1.8 ns with one histogram, 0.5 with four in turn.
COPIES = 4
UNSET, SET, VOID, OUTSIDE = range(4)


@compiled
def count_planes(
    preds, preds_steps, preds_void, target, target_steps, target_void, valid, valid_steps, rule,
    place, numbers, start, stop, counts,
):  # fmt: skip
    """Counts the pixels from ``start`` to ``stop``, numbered over all images, of each label.

    Args:
        preds: scores, with 16 bits as int16 (float16) or uint16 (bfloat16), or labels as uint8 or uint64.
        preds_void: void values of predicted labels.
        target: labels as uint8, uint64, float32 or float64, with the void values in ``target_void``.
        valid: bool, or empty.
        rule: the edges between columns, the table and the grid of the buckets (see ``thresholds.Rule``), and whether a
            score on an edge is above it.
        place: the group of the first image in the counts, the groups from an image to the next, the first label.
        numbers: labels, pixels of an image, pixels that are read of one label before the next, and histograms in which
            neighbouring pixels are counted.
        counts: int64 ``[G, L, 4, T + 3]``.
    """
    labels, pixels, block, copies = numbers
    edges, columns = rule[0], counts.shape[3]
    several = columns > 4  # thresholds
    rows, codes, wide = np.empty(CHUNK, np.uint8), np.empty(CHUNK, np.uint8), np.empty(CHUNK, np.float32)
    rooms = np.empty(CHUNK, preds.dtype), np.empty(CHUNK, target.dtype), np.empty(CHUNK, np.bool_)
    cells = np.empty(CHUNK if several else 0, np.int32)
    histograms = np.zeros((copies, 4 * columns if several else 0), np.int64)
    while start < stop:
        image = start // pixels
        first = start - image * pixels
        end = min(first + block, pixels, first + stop - start)
        for label in range(labels):
            of_label = counts[place[0] + image * place[1], place[2] + label]
            edge = edges[min(place[2] + label, edges.size - 1)]
            for pixel in range(first, end, CHUNK):
                n = min(CHUNK, end - pixel)
                truth = _part(target, target_steps, image, label, pixel, rooms[1][:n])
                plain = _read_rows(truth, target_void, rows[:n])
                if valid.size:
                    plain &= _void_invalid(_part(valid, valid_steps, image, label, pixel, rooms[2][:n]), rows[:n])
                part = _part(preds, preds_steps, image, label, pixel, rooms[0][:n])
                add_chunk(
                    read_chunk(part, preds_void, wide, codes), rows[:n], plain, edge, rule, cells, histograms, of_label
                )
            if several and copies > 1:
                _fold(histograms, of_label)
        start += end - first


@compiled
def _part(values, steps, image, label, pixel, room):
    """A chunk of values: a view if they are adjacent, else a copy in ``room``."""
    first, step = image * steps[0] + label * steps[1] + pixel * steps[2], steps[2]
    if step == 1:
        return values[first : first + room.size]
    for i in range(room.size):
        room[i] = values[first + i * step]
    return room


@compiled
def _read_rows(values, void, rows):
    """Writes the row of each value; returns whether all are 0 or 1."""
    zero, one = values.dtype.type(0), values.dtype.type(1)
    others = np.uint8(0)
    for i in range(rows.size):
        rows[i] = np.uint8(UNSET) if values[i] == zero else np.uint8(SET) if values[i] == one else np.uint8(OUTSIDE)
        others = np.uint8(others | rows[i])
    if others > 1:
        for value in void:
            for i in range(rows.size):
                rows[i] = np.uint8(VOID) if values[i] == value else rows[i]
    return others <= 1


@compiled
def _void_invalid(valid, rows):
    """Sets the row of invalid pixels to void; returns whether there is none."""
    number = np.int32(0)
    for i in range(rows.size):
        rows[i] = rows[i] if valid[i] else np.uint8(VOID)
        number = np.int32(number + np.int32(valid[i]))
    return number == rows.size


def read_chunk(preds, void, wide, codes):
    """Scores as float32 or float64, or the rows of labels; only for Numba."""
    raise NotImplementedError


@overload(read_chunk)
def _read_chunk(preds, void, wide, codes):
    def of_bfloat16(preds, void, wide, codes):
        bits = wide.view(np.uint32)
        for i in range(preds.size):
            bits[i] = np.uint32(preds[i]) << np.uint32(16)
        return wide[: preds.size]

    def of_float16(preds, void, wide, codes):
        for i in range(preds.size):
            wide[i] = _widened(np.uint32(np.uint16(preds[i])))
        return wide[: preds.size]

    def of_labels(preds, void, wide, codes):
        _read_rows(preds, void, codes[: preds.size])
        return codes[: preds.size]

    halves = {types.int16: of_float16, types.uint16: of_bfloat16}
    whole = (lambda preds, void, wide, codes: preds) if isinstance(preds.dtype, types.Float) else of_labels
    return halves.get(preds.dtype, whole)


@compiled
def _widened(half):
    """Float16 bits to float32. Normal numbers get another bias of the exponent.

    Subnormal ones are whole multiples of 2^-24: no step makes a subnormal float32, which a processor may be set to read
    as 0.
    """
    size = half & np.uint32(0x7FFF)
    rebiased = np.uint32((size << np.uint32(13)) + np.uint32(112 << 23))
    beyond = np.uint32(rebiased + np.uint32(112 << 23))  # infinity and NaN
    bits = np.uint32(beyond if size >= np.uint32(0x7C00) else rebiased)
    normal = bits.view(np.float32)
    score = normal if size >= np.uint32(0x0400) else np.float32(np.int32(size)) * np.float32(2.0**-24)
    return -score if half & np.uint32(0x8000) else score


def add_chunk(read, rows, plain, edge, rule, cells, histograms, of_label):
    """Counts a chunk of one label; only for Numba."""
    raise NotImplementedError


@overload(add_chunk)
def _add_chunk(read, rows, plain, edge, rule, cells, histograms, of_label):
    def of_labels(read, rows, plain, edge, rule, cells, histograms, of_label):
        codes = np.arange(4)
        count_bytes(read, rows, 0, rows.size, 4 * codes, codes, of_label.reshape(-1))

    def of_scores(read, rows, plain, edge, rule, cells, histograms, of_label):
        edges, table, grid, inclusive = rule
        if cells.size == 0:
            _add_sums(read, rows, plain, edge, inclusive, of_label)
            return
        cells = cells[: rows.size]
        _find_buckets(read, rows, grid, table.size // 4, cells)
        _find_cells(read, edges, table, inclusive, cells)
        if len(histograms) > 1:
            _add_cells(cells, histograms)
        else:
            _add_cells_in_order(cells, of_label.reshape(-1))

    return of_scores if isinstance(read.dtype, types.Float) else of_labels


@compiled
def _add_sums(scores, rows, plain, edge, inclusive, of_label):
    """Adds a chunk at one threshold; what is not in the other rows is in row 0."""
    above = nan = ones = ones_above = ones_nan = np.int32(0)
    for i in range(scores.size):
        s, is_set = scores[i], rows[i] == SET
        is_above, is_nan = (s > edge) | (inclusive & (s == edge)), s != s
        above, nan = np.int32(above + np.int32(is_above)), np.int32(nan + np.int32(is_nan))
        ones = np.int32(ones + np.int32(is_set))
        ones_above = np.int32(ones_above + np.int32(is_above & is_set))
        ones_nan = np.int32(ones_nan + np.int32(is_nan & is_set))
    _add_row(of_label[SET], ones, ones_above, ones_nan)
    rest, above, nan = scores.size - ones, above - ones_above, nan - ones_nan
    if not plain:
        for row in (VOID, OUTSIDE):
            number = row_above = row_nan = np.int32(0)
            for i in range(scores.size):
                s, here = scores[i], rows[i] == row
                number = np.int32(number + np.int32(here))
                row_above = np.int32(row_above + np.int32(here & ((s > edge) | (inclusive & (s == edge)))))
                row_nan = np.int32(row_nan + np.int32(here & (s != s)))
            _add_row(of_label[row], number, row_above, row_nan)
            rest, above, nan = rest - number, above - row_above, nan - row_nan
    _add_row(of_label[UNSET], rest, above, nan)


@compiled
def _add_row(of_row, number, above, nan):
    of_row[0] += number - above - nan
    of_row[1] += above
    of_row[2] += nan


@compiled
def _find_buckets(scores, rows, grid, number, cells):
    """The bucket of each score among even ones, and the last for NaN; beside its row, as a place in a table."""
    scale, shift, zero, top = grid[0], grid[1], scores.dtype.type(0), scores.dtype.type(number - 2)
    width, last = np.int32(number), np.int32(number - 1)
    for i in range(scores.size):
        s = scores[i]
        x = s * scale + shift
        x = x if x > zero else zero  # also for NaN
        x = x if x < top else top
        bucket = np.int32(x) if s == s else last
        cells[i] = np.int32(np.int32(rows[i]) * width + bucket)


@compiled
def _find_cells(scores, edges, table, inclusive, cells):
    """The cell of each score from its bucket: the first cell of the bucket, and how many edges lie in it.

    No function is called with an array here: counting its references takes 11 ns.
    """
    for i in range(scores.size):
        entry = table[np.uint32(cells[i])]
        cell, within, s = np.int32(entry & np.int32(0xFFFF)), entry >> np.int32(16), scores[i]
        while within > 1:
            half = (within + 1) >> 1
            edge = edges[np.uint32(cell + half - 1)]
            if (s > edge) | (inclusive & (s == edge)):
                cell += half
                within -= half
            else:
                within = half - 1
        edge = edges[np.uint32(cell)]
        cells[i] = cell + np.int32((s > edge) | (inclusive & (s == edge)))


@compiled
def _add_cells(cells, histograms):
    whole = cells.size // 4 * 4
    for i in range(0, whole, 4):
        histograms[0, np.uint32(cells[i])] += 1
        histograms[1, np.uint32(cells[i + 1])] += 1
        histograms[2, np.uint32(cells[i + 2])] += 1
        histograms[3, np.uint32(cells[i + 3])] += 1
    for i in range(whole, cells.size):
        histograms[0, np.uint32(cells[i])] += 1


@compiled
def _add_cells_in_order(cells, counts):
    for cell in cells:
        counts[np.uint32(cell)] += 1


@compiled
def _fold(histograms, of_label):
    """Adds the histograms to the counts of a label, and resets them to 0."""
    width = of_label.shape[1]
    for histogram in histograms:
        for row in range(4):
            for column in range(width):
                of_label[row, column] += histogram[row * width + column]
        histogram[:] = 0
