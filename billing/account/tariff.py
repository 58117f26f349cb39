"""Terms, parsed once: what an account asks of them."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from billing.currency import Currency, currency
from billing.entry import Terms
from billing.errors import InvalidDefinition, RefusedUsage
from billing.instant import instant, micros
from billing.meter import KEEPING, Meter, parse_meter
from billing.money import round_to_minor
from billing.period import BillingPeriod, Span, billing_period, containing, nth, zone
from billing.price import Billed, RecurringPrice, UsagePrice, needs_events, parse_price, require_measurable
from billing.proration import prorated
from billing.quantity import EXACT, canonical, parse_quantity
from billing.schedule import period_end
from billing.statement import Line, LineKind

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Terms).decode


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One usage price with the meter that it prices; `number` is its place in the plan."""

    number: int
    meter: Meter
    price: UsagePrice
    by_event: bool
    """Whether the price asks for every single event and not only for the quantity."""

    @property
    def grows(self) -> bool:
        """Whether usage makes cells more or larger: it has groups, or values are kept one by one."""
        return self.by_event or bool(self.meter.group_by) or self.meter.aggregation in KEEPING


@dataclass(frozen=True, slots=True, eq=False)
class Fee:
    """One recurring price; `number` is its place in the plan."""

    number: int
    price: RecurringPrice


@dataclass(frozen=True, slots=True, eq=False)
class Tariff:
    """The terms of one plan version, ready to be asked; `written` is what they are stored as."""

    written: bytes
    terms: Terms
    currency: Currency
    period: BillingPeriod
    zone: ZoneInfo
    measured: tuple[Measured, ...]
    fees: tuple[Fee, ...]

    def end_of_period(self, anchor_us: int, at_us: int) -> int:
        """Returns the first boundary after `at_us`."""
        return micros(period_end(instant(anchor_us), self.period, self.zone, instant(at_us)))

    def period_of(self, anchor_us: int, at_us: int) -> tuple[int, int]:
        """Returns the full period that contains `at_us`, from and to."""
        anchor, at = instant(anchor_us), instant(at_us)
        full = nth(anchor, self.period, self.zone, containing(anchor, self.period, self.zone, at))
        return micros(full.start), micros(full.end)

    def fee_lines(
        self, kind: LineKind, billed: Billed, anchor_us: int, start_us: int, end_us: int
    ) -> list[tuple[int, Line]]:
        """Returns a line for each fee that is `billed` so, for the time served, by its place; none for no time.

        `LineKind.UNUSED_FEE` makes it the credit of that time.
        """
        if start_us >= end_us:
            return []
        sign = -1 if kind is LineKind.UNUSED_FEE else 1
        share = self._periods_served(instant(anchor_us), instant(start_us), instant(end_us))
        return [
            (fee.number, self._fee_line(kind, fee.price, share * sign, start_us, end_us))
            for fee in self.fees
            if fee.price.billed is billed
        ]

    def _fee_line(self, kind: LineKind, price: RecurringPrice, share: Fraction, start_us: int, end_us: int) -> Line:
        amount = share * Fraction(EXACT.multiply(price.amount, price.quantity))
        return Line(
            kind=kind,
            price=price.code,
            group={},
            quantity=canonical(price.quantity),
            amount_minor=round_to_minor(amount, self.currency),
            period_start_us=start_us,
            period_end_us=end_us,
            taxable=price.taxable,
            events=0,
        )

    def _periods_served(self, anchor: datetime, start: datetime, end: datetime) -> Fraction:
        """How many periods the time is, exactly: more than one where a change of plan shortened the period."""
        served = Fraction(0)
        index = containing(anchor, self.period, self.zone, start)
        while start < end:
            full = nth(anchor, self.period, self.zone, index)
            part = Span(start, min(end, full.end))
            served += prorated(_WHOLE, part, full)
            start, index = part.end, index + 1
        return served


_WHOLE: Final = parse_quantity("1")


def written(terms: Terms) -> bytes:
    """Returns the terms as they are kept."""
    return _encode(terms)


@lru_cache(maxsize=4096)  # accounts of one plan version share its tariff; parsing one takes about 200 µs
def tariff(terms: bytes) -> Tariff:
    """Returns the tariff of terms as `written`.

    Raises:
        InvalidDefinition: a definition is refused, or a price names a meter that the terms do not have.
    """
    agreed = _decode(terms)
    meters = {one.code: one for one in _meters(agreed)}
    prices = [parse_price(raw, f"prices[{number}]") for number, raw in enumerate(agreed.prices)]
    if len({price.code for price in prices}) < len(prices):
        raise InvalidDefinition("prices", "two prices have the same code; each needs its own")
    _tax_percent(agreed)
    return Tariff(
        written=terms,
        terms=agreed,
        currency=currency(agreed.currency),
        period=billing_period(agreed.billing_period),
        zone=zone(agreed.timezone),
        measured=tuple(
            Measured(number, _meter_of(price, number, meters), price, needs_events(price))
            for number, price in enumerate(prices)
            if isinstance(price, UsagePrice)
        ),
        fees=tuple(Fee(number, price) for number, price in enumerate(prices) if isinstance(price, RecurringPrice)),
    )


def _meters(agreed: Terms) -> list[Meter]:
    meters = [parse_meter(raw, f"meters[{number}]") for number, raw in enumerate(agreed.meters)]
    if len({one.code for one in meters}) < len(meters):
        raise InvalidDefinition("meters", "two meters have the same code; each needs its own")
    return meters


def _meter_of(price: UsagePrice, number: int, meters: dict[str, Meter]) -> Meter:
    found = meters.get(price.meter)
    if found is None:
        known = ", ".join(meters) or "none"
        raise InvalidDefinition(f"prices[{number}].meter", f"there is no meter {price.meter!r}; the terms have {known}")
    require_measurable(price, found, f"prices[{number}]")
    return found


def _tax_percent(agreed: Terms) -> None:
    try:
        percent = parse_quantity(agreed.tax_percent)
    except RefusedUsage as refusal:
        raise InvalidDefinition("tax_percent", refusal.detail) from None
    if percent < 0:
        raise InvalidDefinition("tax_percent", f"is {agreed.tax_percent}; 0 or more is allowed")
