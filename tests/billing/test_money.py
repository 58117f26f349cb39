from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.currency import EXPONENTS, Currency, currency
from billing.errors import Defect, InvalidDefinition
from billing.money import Money, round_to_minor

USD, JPY, KWD, CLF = (currency(code) for code in ("USD", "JPY", "KWD", "CLF"))
exact_amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=9)


def test_every_currency_has_the_digits_that_iso_4217_gives_it() -> None:
    assert (JPY.exponent, USD.exponent, KWD.exponent, CLF.exponent) == (0, 2, 3, 4)
    assert len(EXPONENTS) > 150
    assert all(len(code) == 3 and code.isupper() and 0 <= digits <= 4 for code, digits in EXPONENTS.items())


@pytest.mark.parametrize("code", ["usd", "XAU", "XXX", "ZZZ", "", "US D", "U" * 1000])
def test_a_code_that_iso_4217_gives_no_digits_is_refused(code: str) -> None:
    with pytest.raises(InvalidDefinition) as refusal:
        currency(code)
    assert refusal.value.field == "currency"
    assert len(str(refusal.value)) < 120


@pytest.mark.parametrize(
    ("amount", "unit", "minor"),
    [
        ("0.005", USD, 1),
        ("-0.005", USD, -1),
        ("0.0049999999999999999999999999999", USD, 0),
        ("2.675", USD, 268),
        ("1000.5", JPY, 1001),
        ("-1000.5", JPY, -1001),
        ("0.0125", KWD, 13),
        ("0.00005", CLF, 1),
        ("99999999999999999999999999999999999999.995", USD, 10**40),
    ],
)
def test_a_half_is_rounded_away_from_zero(amount: str, unit: Currency, minor: int) -> None:
    assert round_to_minor(Decimal(amount), unit) == minor
    assert round_to_minor(Fraction(amount), unit) == minor


@given(exact_amounts, st.sampled_from([USD, JPY, KWD, CLF]))
def test_rounding_moves_an_amount_by_half_a_unit_at_most_and_is_the_same_below_zero(
    amount: Decimal, unit: Currency
) -> None:
    minor = round_to_minor(amount, unit)
    assert abs(Fraction(minor, 10**unit.exponent) - Fraction(amount)) <= Fraction(1, 2 * 10**unit.exponent)
    assert round_to_minor(Fraction(amount), unit) == minor
    assert round_to_minor(-Fraction(amount), unit) == -minor


@given(st.integers(-(10**40), 10**40), st.sampled_from([USD, JPY, KWD, CLF]))
def test_money_written_and_read_again_is_the_same(minor: int, unit: Currency) -> None:
    money = Money(minor, unit)
    digits = f"{money.major():f}".partition(".")[2]
    assert (len(digits), Money.of(money.major(), unit)) == (unit.exponent, money)


@pytest.mark.parametrize(
    "amount", ["1.005", "NaN", "Infinity", "1_0", "", "1e40", *map(Decimal, ["0.001", "NaN", "-Infinity"])]
)
def test_money_of_what_the_currency_cannot_say_is_refused(amount: str | Decimal) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        Money.of(amount, USD)
    assert refused.value.field == "amount"


def test_a_refused_amount_says_what_is_allowed() -> None:
    with pytest.raises(InvalidDefinition, match=r"1\.005 is not a whole number of minor units; USD has 2 decimals"):
        Money.of("1.005", USD)
    with pytest.raises(InvalidDefinition, match=r"a decimal such as '12\.50' is allowed"):
        Money.of("1_0", USD)


def test_money_adds_subtracts_and_negates_within_its_currency() -> None:
    assert Money.of("1.50", USD) + Money.of("0.75", USD) == Money(225, USD)
    assert Money.of("1.50", USD) - Money.of("2", USD) == -Money(50, USD)
    assert str(Money(5, KWD)) == "0.005 KWD"


def test_two_currencies_never_meet() -> None:
    with pytest.raises(Defect, match="USD and JPY"):
        Money(1, USD) + Money(1, JPY)
    with pytest.raises(Defect, match="USD and KWD"):
        Money(1, USD) - Money(1, KWD)
