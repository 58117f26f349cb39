from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from billing.errors import Disposition, RefusedUsage
from billing.quantity import EXACT, add, canonical, parse_quantity, plain, rounded, subtract

LARGEST = Decimal("9" * 30 + "." + "9" * 18)
quantities = st.integers(1 - 10**48, 10**48 - 1).map(lambda units: Decimal(units).scaleb(-18, EXACT))
fractions = st.fractions(min_value=-(10**12), max_value=10**12, max_denominator=10**15)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1400", "1400"),
        ("12.5", "12.5"),
        ("-0.000000000000000001", "-1e-18"),
        ("9" * 30, "9" * 30),
        ("+7", "7"),
        ("007", "7"),
        (".5", "0.5"),
        ("5.", "5"),
        ("1e3", "1000"),
        ("1.5E+2", "150"),
        ("25e-18", "0.000000000000000025"),
        ("10e-19", "1e-18"),
        ("1e29", "1" + "0" * 29),
        ("0e999", "0"),
        ("-0", "0"),
        ("7".rjust(64, "0"), "7"),
    ],
)
def test_a_plain_or_exponent_decimal_is_read_exactly(text: str, number: str) -> None:
    assert parse_quantity(text) == Decimal(number)
    assert not (parse_quantity(text).is_zero() and parse_quantity(text).is_signed())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not-a-decimal"),
        (" ", "not-a-decimal"),
        (" 5", "not-a-decimal"),
        ("5\n", "not-a-decimal"),
        ("1_000", "not-a-decimal"),
        ("1,5", "not-a-decimal"),
        ("NaN", "not-a-decimal"),
        ("sNaN123", "not-a-decimal"),
        ("Infinity", "not-a-decimal"),
        ("-inf", "not-a-decimal"),
        ("0x10", "not-a-decimal"),
        ("\u0661\u0662", "not-a-decimal"),
        ("\uff11\uff12", "not-a-decimal"),
        ("²", "not-a-decimal"),
        ("1e", "not-a-decimal"),
        (".", "not-a-decimal"),
        ("-", "not-a-decimal"),
        ("--1", "not-a-decimal"),
        ("1e999999", "not-a-decimal"),
        ("\ud800", "not-a-decimal"),
        ("1e999", "out-of-range"),
        ("1e30", "out-of-range"),
        ("1e-19", "out-of-range"),
        ("1" * 31, "out-of-range"),
        ("0.0000000000000000001", "out-of-range"),
        ("1" * 400, "out-of-range"),
        ("7".rjust(65, "0"), "out-of-range"),
        ("0" * 1_000_000, "out-of-range"),
    ],
)
def test_what_is_no_bounded_decimal_is_refused_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(RefusedUsage) as refusal:
        parse_quantity(text)
    assert (refusal.value.reason, refusal.value.disposition) == (reason, Disposition.DEAD_LETTER)
    assert len(str(refusal.value)) < 250


@given(st.text(alphabet="0123456789+-.eE_ NaIf٣", max_size=70))
def test_any_text_is_a_bounded_number_or_refused(text: str) -> None:
    try:
        number = parse_quantity(text)
    except RefusedUsage:
        return
    units = Fraction(number) * 10**18
    assert (number, units.denominator) == (Decimal(text), 1)
    assert abs(units) < 10**48


@given(quantities)
@example(LARGEST)
def test_the_plain_text_of_a_number_reads_as_that_number(number: Decimal) -> None:
    assert parse_quantity(plain(number)) == number


@given(st.lists(quantities, max_size=20), st.integers(1, 30))
def test_sums_are_exact_whatever_the_surrounding_context_says(numbers: list[Decimal], precision: int) -> None:
    total = left = Decimal(0)
    with localcontext(prec=precision):
        for number in numbers:
            total = add(total, number)
        left = total
        for number in numbers:
            left = subtract(left, number)
        text = canonical(total)
    assert (Fraction(total), left) == (sum(map(Fraction, numbers), Fraction(0)), Decimal(0))
    assert text == canonical(Fraction(total))


def test_a_million_million_of_the_largest_values_still_sum_exactly() -> None:
    total = EXACT.multiply(LARGEST, Decimal(10**12))
    assert Fraction(add(total, Decimal("1e-18"))) == Fraction(LARGEST) * 10**12 + Fraction(1, 10**18)


def test_arithmetic_that_would_lose_a_digit_raises() -> None:
    with pytest.raises(Inexact):
        EXACT.divide(Decimal(1), Decimal(3))


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        (Decimal(1400), "1400"),
        (Decimal("1E+3"), "1000"),
        (Decimal("5.300"), "5.3"),
        (Decimal("-0"), "0"),
        (Decimal("-0.0000000000004"), "0"),
        (Decimal("0.0000000000005"), "0.000000000001"),
        (Decimal("-0.0000000000005"), "-0.000000000001"),
        (Fraction(2, 3), "0.666666666667"),
        (Fraction(-2, 3), "-0.666666666667"),
        (Fraction(5, 10**13), "0.000000000001"),
        (Fraction(49999999999999999999, 10**32), "0"),
        (Fraction(0), "0"),
        (LARGEST, "1" + "0" * 30),
    ],
)
def test_a_quantity_shows_twelve_decimals_half_away_from_zero(quantity: Decimal | Fraction, text: str) -> None:
    assert canonical(quantity) == text


def test_a_quantity_that_rounds_to_nothing_has_no_sign() -> None:
    assert [str(rounded(nothing)) for nothing in (Decimal("-0.0000000000004"), Fraction(-4, 10**13))] == ["0", "0"]


@given(st.one_of(quantities, fractions))
def test_a_shown_quantity_is_within_half_a_digit_and_shows_as_itself(quantity: Decimal | Fraction) -> None:
    shown = rounded(quantity)
    assert abs(Fraction(shown) - Fraction(quantity)) <= Fraction(1, 2 * 10**12)
    assert (rounded(shown), canonical(quantity)) == (shown, plain(shown))
    assert canonical(-Fraction(quantity)) == plain(shown.copy_negate())
