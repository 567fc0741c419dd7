"""Grids of parameters: pairwise combinations by default, all combinations with slow tests."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any

import pytest

from support import name_of


def grid(*indirect: str, **axes: Iterable[Any] | Mapping[str, Any]) -> pytest.MarkDecorator:
    """Parametrizes a test with all combinations of the values of its axes.

    In the combinations that are not slow, each two values of different axes meet at least once, so that only two of
    three axes or more are whole. The keys of a mapping name its values. ``indirect`` names axes that are fixtures.
    """
    named = [_named(values) for values in axes.values()]
    fast = pairwise([len(values) for values in named])
    cells = []
    for cell in product(*(range(len(values)) for values in named)):
        names, values = zip(*(values[i] for values, i in zip(named, cell, strict=True)), strict=True)
        cells.append(pytest.param(*values, id="-".join(names), marks=() if cell in fast else pytest.mark.slow))
    return pytest.mark.parametrize(tuple(axes), cells, indirect=list(indirect))


def number_of_examples(*, fast: int, slow: int) -> pytest.MarkDecorator:
    """Parametrizes a test with ``examples``, the number of generated examples: few, and many in a slow test."""
    return pytest.mark.parametrize("examples", [fast, pytest.param(slow, marks=pytest.mark.slow)])


def _named(values: Iterable[Any] | Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(values.items()) if isinstance(values, Mapping) else [(name_of(value), value) for value in values]


def pairwise(sizes: Sequence[int]) -> set[tuple[int, ...]]:
    """Cells of a grid, as indices, that contain every pair of indices of two axes.

    Greedy: first all cells in which every pair is new, then those in which all pairs but one are, and so on.
    """
    if len(sizes) < 2:
        return set(product(*map(range, sizes)))
    met: set[tuple[tuple[int, int], ...]] = set()
    cells = set()
    for wanted in range(len(sizes) * (len(sizes) - 1) // 2, 0, -1):
        for cell in product(*map(range, sizes)):
            new = set(combinations(enumerate(cell), 2)) - met
            if len(new) >= wanted:
                cells.add(cell)
                met |= new
    return cells
