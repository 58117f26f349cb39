from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.currency import currency
from billing.errors import Defect
from billing.money import round_to_minor
from billing.period import Span
from billing.proration import prorated

START = datetime(2026, 3, 1, tzinfo=UTC)
MARCH = Span(START, datetime(2026, 4, 1, tzinfo=UTC))
amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)


def test_a_part_of_a_month_owes_its_seconds() -> None:
    rest = Span(datetime(2026, 3, 15, tzinfo=UTC), MARCH.end)
    assert prorated(Decimal("10.00"), rest, MARCH) == Fraction(170, 31)
    assert round_to_minor(prorated(Decimal(-10), rest, MARCH), currency("USD")) == -548


def test_all_of_a_period_owes_all_and_an_empty_part_nothing() -> None:
    assert prorated(Decimal("9.99"), MARCH, MARCH) == Fraction("9.99")
    assert prorated(Decimal("9.99"), Span(START, START), MARCH) == 0


@given(amounts, st.lists(st.integers(0, MARCH.length_us), max_size=6))
def test_the_parts_of_a_period_cut_anywhere_sum_to_the_whole(amount: Decimal, cuts: list[int]) -> None:
    edges = [START + timedelta(microseconds=cut) for cut in sorted([0, *cuts, MARCH.length_us])]
    parts = [Span(start, end) for start, end in pairwise(edges)]
    assert sum(prorated(amount, part, MARCH) for part in parts) == Fraction(amount)


@pytest.mark.parametrize(
    "served",
    [
        Span(START - timedelta(microseconds=1), MARCH.end),
        Span(START, MARCH.end + timedelta(microseconds=1)),
        Span(MARCH.end, START),
    ],
)
def test_time_served_outside_of_its_period_is_a_defect(served: Span) -> None:
    with pytest.raises(Defect, match="inside"):
        prorated(Decimal(1), served, MARCH)


def test_a_period_without_length_prorates_nothing() -> None:
    empty = Span(START, START)
    with pytest.raises(Defect):
        prorated(Decimal(1), empty, empty)
