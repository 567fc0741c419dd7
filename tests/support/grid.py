"""Grids of parameters: combinations of two values by default, of three values with slow tests."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest

from support import name_of


def grid(*indirect: str, **axes: Iterable[Any] | Mapping[str, Any]) -> pytest.MarkDecorator:
    """Parametrizes a test with combinations of the values of its axes.

    Any three values of different axes occur together at least once, so a grid of up to three axes is complete. Any two
    occur together at least once in a combination that is not slow. The keys of a mapping name its values. ``indirect``
    names axes that are fixtures.
    """
    named = [_named(values) for values in axes.values()]
    sizes = [len(values) for values in named]
    fast = covering(sizes, 2)
    cells = []
    for cell in sorted(fast | covering(sizes, 3)):
        names, values = zip(*(values[i] for values, i in zip(named, cell, strict=True)), strict=True)
        cells.append(pytest.param(*values, id="-".join(names), marks=() if cell in fast else pytest.mark.slow))
    return pytest.mark.parametrize(tuple(axes), cells, indirect=list(indirect))


def number_of_examples(*, fast: int, slow: int) -> pytest.MarkDecorator:
    """Parametrizes a test with ``examples``, the number of generated examples: few, and many in a slow test."""
    return pytest.mark.parametrize("examples", [fast, pytest.param(slow, marks=pytest.mark.slow)])


def _named(values: Iterable[Any] | Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(values.items()) if isinstance(values, Mapping) else [(name_of(value), value) for value in values]


def covering(sizes: Sequence[int], strength: int) -> set[tuple[int, ...]]:
    """Cells of a grid, as indices, that contain every combination of indices of ``strength`` axes.

    Greedy: first all cells in which every combination is new, then those in which all but one are, and so on.
    """
    if len(sizes) <= strength:
        return set(product(*map(range, sizes)))
    met: set[tuple[tuple[int, int], ...]] = set()
    cells = set()
    for wanted in range(math.comb(len(sizes), strength), 0, -1):
        for cell in product(*map(range, sizes)):
            new = set(combinations(enumerate(cell), strength)) - met
            if len(new) >= wanted:
                cells.add(cell)
                met |= new
    return cells
