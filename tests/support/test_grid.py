"""The grid that other tests use."""

from itertools import combinations, product

import pytest

from support.grid import grid, pairwise


@pytest.mark.parametrize(("sizes", "most"), [((3,), 3), ((4, 5), 20), ((8, 8, 7), 64), ((3, 3, 3, 3), 12)])
def test_each_two_values_of_different_axes_meet(sizes, most):
    cells = pairwise(sizes)
    assert len(cells) <= most
    for (i, first), (j, second) in combinations(enumerate(sizes), 2):
        assert {(cell[i], cell[j]) for cell in cells} == set(product(range(first), range(second)))
    assert {cell[0] for cell in cells} == set(range(sizes[0]))


def test_the_whole_grid_is_there_and_what_is_left_out_is_slow():
    axes = {"number": [1, 2, 3], "letter": {"A": "a", "B": "b"}, "sign": "+-"}
    (names, cells), indirect = grid("sign", **axes).args, grid("sign", **axes).kwargs["indirect"]
    assert names == ("number", "letter", "sign")
    assert indirect == ["sign"]
    assert [cell.values for cell in cells] == list(product([1, 2, 3], "ab", "+-"))
    assert cells[0].id == "1-A-+"
    slow = [cell for cell in cells if cell.marks]
    assert 0 < len(slow) <= 6
    assert all(mark.name == "slow" for cell in slow for mark in cell.marks)
