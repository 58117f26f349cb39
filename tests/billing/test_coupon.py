"""Coupons: what is one, what it takes off, and when it ends."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from billing.coupon import Discount, discount, end_of, parse_coupon, percent_off
from billing.currency import currency
from billing.entry import Coupon
from billing.errors import InvalidDefinition
from billing.period import billing_period, zone

MONTH, NEW_YORK = billing_period("P1M"), zone("America/New_York")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_coupon_is_read_with_all_its_fields() -> None:
    assert parse_coupon({"code": "c", "percent_off": "12.5", "periods": 3, "prices": ["a", "b"]}, "") == Coupon(
        code="c", percent_off="12.5", periods=3, prices=("a", "b")
    )
    assert parse_coupon({"code": "c", "amount_off": 10}, "") == Coupon(code="c", amount_off="10")


@pytest.mark.parametrize(
    ("raw", "field", "allowed"),
    [
        ({"percent_off": "1"}, "code", "is missing"),
        ({"code": "c"}, "percent_off", "one of percent_off and amount_off is allowed, and needed"),
        ({"code": "c", "percent_off": "1", "amount_off": "1"}, "percent_off", "one of"),
        ({"code": "c", "percent_off": "0"}, "percent_off", "above 0, at most 100"),
        ({"code": "c", "percent_off": "100.1"}, "percent_off", "above 0, at most 100"),
        ({"code": "c", "amount_off": "0"}, "amount_off", "above 0"),
        ({"code": "c", "amount_off": "-1"}, "amount_off", "above 0"),
        ({"code": "c", "amount_off": "1", "periods": 0}, "periods", "at least 1"),
        ({"code": "c", "amount_off": "1", "periods": "1.5"}, "periods", "a whole number"),
        ({"code": "c", "amount_off": "1", "periods": 10_001}, "periods", "at most 10000"),
        ({"code": "c", "amount_off": "1", "prices": ["a", "a"]}, "prices", "each once"),
        ({"code": "c", "amount_off": "1", "until": "2026"}, "until", "a coupon has no such field; allowed are "),
    ],
)
def test_a_wrong_coupon_is_refused_with_its_field_and_what_is_allowed(
    raw: dict[str, object], field: str, allowed: str
) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_coupon(raw, "coupons[1]")
    assert refused.value.field == f"coupons[1].{field}"
    assert allowed in refused.value.problem


def test_a_coupon_with_an_unknown_field_says_which_are_known() -> None:
    with pytest.raises(InvalidDefinition) as refused:
        parse_coupon({"code": "c", "amount_off": "1", "until": "2026"}, "")
    assert str(refused.value) == ("until: a coupon has no such field; allowed are amount_off, code, periods, prices")


@pytest.mark.parametrize(
    ("coupon", "field"),
    [
        (Coupon(code="", percent_off="10"), "coupon.code"),
        (Coupon(code="c"), "coupon.percent_off"),
        (Coupon(code="c", percent_off="10", periods=0), "coupon.periods"),
        (Coupon(code="c", percent_off="10", prices=("a", "a")), "coupon.prices"),
    ],
)
def test_a_coupon_that_was_never_parsed_is_refused_as_if_it_were(coupon: Coupon, field: str) -> None:
    with pytest.raises(InvalidDefinition) as refused:
        discount(coupon, currency("USD"))
    assert refused.value.field == field


def test_a_hundred_percent_and_ten_thousand_periods_are_allowed() -> None:
    assert parse_coupon({"code": "c", "percent_off": "100", "periods": 10_000}, "").periods == 10_000
    assert parse_coupon({"code": "c", "percent_off": "100", "periods": 1}, "").periods == 1


def test_an_amount_has_the_digits_of_its_currency() -> None:
    coupon = Coupon(code="c", amount_off="1.5", prices=("a",))
    assert discount(coupon, currency("USD")) == Discount("c", None, 150, frozenset({"a"}))
    with pytest.raises(InvalidDefinition, match="JPY has 0 decimals") as refused:
        discount(coupon, currency("JPY"))
    assert refused.value.field == "coupon.amount_off"


def test_a_discount_covers_the_prices_that_it_names_or_all() -> None:
    named, every = (Discount("c", Decimal(1), None, frozenset(names)) for names in ({"a"}, set[str]()))
    assert [one.covers(price) for one in (named, every) for price in ("a", "b")] == [True, False, True, True]


def test_percents_are_taken_off_what_the_ones_before_left_and_rounded_once() -> None:
    def in_percent(*percents: str) -> list[Discount]:
        return [Discount("c", Decimal(percent), None, frozenset()) for percent in percents]

    assert percent_off(1005, in_percent("10")) == 101  # 100.5
    assert percent_off(-1005, in_percent("10")) == -101
    assert percent_off(1001, in_percent("50", "50")) == 751  # 750.75, not 501 + 250
    assert percent_off(1000, in_percent("100", "10")) == 1000
    assert percent_off(1000, [Discount("c", None, 500, frozenset())]) == 0


@pytest.mark.parametrize(
    ("periods", "since", "end"),
    [
        (None, "2026-01-31T05:00", None),
        (1, "2026-01-31T05:00", "2026-02-28T05:00"),
        (1, "2026-02-28T04:59", "2026-02-28T05:00"),
        (2, "2026-02-28T05:00", "2026-04-30T04:00"),
    ],
)
def test_a_coupon_ends_with_its_last_period_the_one_that_it_begins_in_counted(
    periods: int | None, since: str, end: str | None
) -> None:
    coupon = Coupon(code="c", percent_off="1", periods=periods)
    found = end_of(coupon, at("2026-01-31T05:00"), MONTH, NEW_YORK, at(since))
    assert found == (None if end is None else at(end))
