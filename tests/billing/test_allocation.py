"""Spreading an amount."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.allocation import spread

weights = st.lists(st.decimals(min_value=0, max_value=10**6, places=3), min_size=1, max_size=12)
amounts = st.integers(-(10**9), 10**9)


@given(amounts, weights)
def test_shares_sum_to_the_amount_and_none_is_a_unit_off(amount: int, parts: list[Decimal]) -> None:
    shares, total = spread(amount, parts), sum(map(Fraction, parts))
    assert sum(shares) == amount
    for share, part in zip(shares, parts, strict=True):
        assert not total or abs(share - Fraction(amount) * Fraction(part) / total) < 1


@given(amounts, weights)
def test_a_negative_amount_is_spread_as_the_positive_one(amount: int, parts: list[Decimal]) -> None:
    assert spread(-amount, parts) == [-share for share in spread(amount, parts)]


@pytest.mark.parametrize(
    ("amount", "parts", "shares"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (101, [1, 1, 1], [34, 34, 33]),
        (10, [1, 2, 3], [2, 3, 5]),  # 1.67, 3.33, 5
        (1, [1, 2, 2], [0, 1, 0]),
        (-5, [3, 0, 3], [-3, 0, -2]),
        (7, [0, 0], [7, 0]),
        (-1, [1, 1], [-1, 0]),
        (0, [5, 5], [0, 0]),
        (3, [Decimal("0.5")], [3]),
    ],
)
def test_units_left_over_go_to_the_largest_remainders_and_of_equal_ones_to_the_first(
    amount: int, parts: list[int], shares: list[int]
) -> None:
    assert spread(amount, parts) == shares
