"""Coupons: what is taken off the lines of a subscription, and for how long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from billing.currency import Currency
from billing.definition import Fields
from billing.entry import Coupon
from billing.errors import InvalidDefinition
from billing.money import Money, round_to_minor
from billing.period import BillingPeriod, Where, boundary, containing
from billing.quantity import parse_quantity

MOST_PERIODS: Final = 10_000
_PERCENT: Final = 100


@dataclass(frozen=True, slots=True)
class Discount:
    """A coupon, read: a part of each line (`percent_off`), or so many minor units a period (`off_minor`)."""

    code: str
    percent_off: Decimal | None
    off_minor: int | None
    prices: frozenset[str]

    def covers(self, price: str) -> bool:
        """Whether lines of the price are discounted: of those that it names, or of all."""
        return not self.prices or price in self.prices


def parse_coupon(raw: Mapping[str, object], where: str) -> Coupon:
    """Returns the coupon that `raw` defines; `where` is the path that errors begin with, such as `coupons[0]`.

    Raises:
        InvalidDefinition: a field is unknown, missing, of the wrong type, out of its bounds, or contradicts another.
    """
    given = Fields(raw, where)
    code = given.text("code")
    if given.has("percent_off") == given.has("amount_off"):
        raise given.refusal("percent_off", "one of percent_off and amount_off is allowed, and needed")
    if given.has("percent_off"):
        given.decimal("percent_off", most=_PERCENT, above=True)
    else:
        given.decimal("amount_off", above=True)
    periods = given.optional_count("periods", most=MOST_PERIODS)
    if periods == 0:
        raise given.refusal("periods", "is 0; at least 1 is allowed, or none for a coupon without end")
    coupon = Coupon(
        code=code,
        percent_off=_text(given, "percent_off"),
        amount_off=_text(given, "amount_off"),
        periods=periods,
        prices=given.optional_names("prices"),
    )
    given.close("a coupon")
    return coupon


def discount(coupon: Coupon, currency: Currency) -> Discount:
    """Returns what a coupon takes off.

    Raises:
        InvalidDefinition: an amount that has more digits than the currency, or a definition that is refused.
    """
    raw = {
        name: found for name in ("percent_off", "amount_off", "periods") if (found := getattr(coupon, name)) is not None
    }
    parse_coupon({"code": coupon.code, "prices": list(coupon.prices), **raw}, "coupon")
    return Discount(
        code=coupon.code,
        percent_off=None if coupon.percent_off is None else parse_quantity(coupon.percent_off),
        off_minor=amount_off_minor(coupon, currency, "coupon"),
        prices=frozenset(coupon.prices),
    )


def amount_off_minor(coupon: Coupon, currency: Currency, where: str) -> int | None:
    """Returns the minor units that a coupon takes off a period; None for one in percent.

    Raises:
        InvalidDefinition: the amount has more digits than the currency; `where` is the path of the coupon.
    """
    if coupon.amount_off is None:
        return None
    try:
        return Money.of(coupon.amount_off, currency).minor
    except InvalidDefinition as refusal:
        raise InvalidDefinition(f"{where}.amount_off", refusal.problem) from None


def end_of(  # noqa: PLR0913, PLR0917 - a coupon, and the calendar that it is counted in
    coupon: Coupon,
    anchor: datetime,
    period: BillingPeriod,
    zone: Where,
    since: datetime,
    trial_end: datetime | None = None,
) -> datetime | None:
    """Returns when the coupon ends: the end of its last period, the one that contains `since` counted; None for never.

    Of a coupon that is applied in a trial the period that contains the trial's end is the first.
    """
    if coupon.periods is None:
        return None
    first = containing(anchor, period, zone, max(since, trial_end or since))
    return boundary(anchor, period, zone, first + coupon.periods)


def percent_off(amount_minor: int, discounts: Sequence[Discount]) -> int:
    """Returns what the coupons in percent take off an amount: amount x (1 - product(1 - p / 100)), rounded once.

    Half away from zero, in minor units; 0 where none of them is in percent.
    """
    percents = tuple([one.percent_off for one in discounts if one.percent_off is not None])
    return round_to_minor(amount_minor * _taken(percents), _MINOR)


@lru_cache(maxsize=1024)
def _taken(percents: tuple[Decimal, ...]) -> Fraction:
    """The part that percents take off together."""
    left = Fraction(1)
    for percent in percents:
        left *= 1 - Fraction(percent) / _PERCENT
    return 1 - left


def _text(given: Fields, field: str) -> str | None:
    found = given.value(field) if given.has(field) else None
    return None if found is None else str(found)


_MINOR: Final = Currency("XXX", 0)  # amounts here are minor units already
