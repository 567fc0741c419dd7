"""The grid that other tests use."""

from itertools import combinations, product

import pytest

from support.grid import covering, grid


@pytest.mark.parametrize("strength", [2, 3])
@pytest.mark.parametrize(
    ("sizes", "most"), [((3,), (3, 3)), ((4, 5), (20, 20)), ((8, 8, 7), (64, 448)), ((3,) * 4, (12, 40))]
)
def test_the_values_of_different_axes_meet(sizes, most, strength):
    cells = covering(sizes, strength)
    assert len(cells) <= most[strength - 2]
    for axes in combinations(range(len(sizes)), min(strength, len(sizes))):
        assert {tuple(cell[i] for i in axes) for cell in cells} == set(product(*(range(sizes[i]) for i in axes)))
    assert {cell[0] for cell in cells} == set(range(sizes[0]))


def test_of_many_axes_not_all_combinations_are_there():
    (_, cells) = grid(a="012", b="012", c="012", d="012").args
    assert len(cells) < 3**4
    assert any(cell.marks for cell in cells)


def test_a_grid_of_three_axes_is_whole_and_most_of_it_is_slow():
    axes = {"number": [1, 2, 3], "letter": {"A": "a", "B": "b"}, "sign": "+-"}
    (names, cells), indirect = grid("sign", **axes).args, grid("sign", **axes).kwargs["indirect"]
    assert names == ("number", "letter", "sign")
    assert indirect == ["sign"]
    assert [cell.values for cell in cells] == list(product([1, 2, 3], "ab", "+-"))
    assert cells[0].id == "1-A-+"
    slow = [cell for cell in cells if cell.marks]
    assert 0 < len(slow) <= 6
    assert all(mark.name == "slow" for cell in slow for mark in cell.marks)
