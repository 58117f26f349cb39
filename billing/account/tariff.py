"""Terms, parsed once: what an account asks of them."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from billing.currency import Currency, currency
from billing.entry import Terms
from billing.errors import InvalidDefinition, RefusedUsage
from billing.instant import instant, micros
from billing.meter import KEEPING, Meter, parse_meter
from billing.money import round_to_minor
from billing.period import BillingPeriod, Span, Zones, billing_period, containing, nth
from billing.price import CommitmentPrice, OneOffPrice, RecurringPrice, UsagePrice, needs_events
from billing.price_definition import parse_price, require_measurable, require_whole_term
from billing.proration import prorated
from billing.quantity import EXACT, canonical, parse_quantity
from billing.schedule import period_end, zones_of
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
class OneOff:
    """One one-off price; `number` is its place in the plan."""

    number: int
    price: OneOffPrice


@dataclass(frozen=True, slots=True, eq=False)
class Commitment:
    """One commitment with its term; `number` is its place in the plan."""

    number: int
    price: CommitmentPrice
    term: BillingPeriod

    def part(self, served_us: int, full_us: int) -> Fraction:
        """Returns how much of the amount so much of a term commits to, in major units and not rounded."""
        return Fraction(self.price.amount) * served_us / full_us


class Served(NamedTuple):
    """How long a billing period was served, and how long it is in full."""

    served: Span
    full: Span


@dataclass(frozen=True, slots=True, eq=False)
class Tariff:
    """The terms of one plan version, ready to be asked; `written` is what they are stored as."""

    written: bytes
    terms: Terms
    currency: Currency
    period: BillingPeriod
    zones: Zones
    measured: tuple[Measured, ...]
    fees: tuple[Fee, ...]
    one_offs: tuple[OneOff, ...]
    commitments: tuple[Commitment, ...]

    def end_of_period(self, anchor_us: int, at_us: int) -> int:
        """Returns the first boundary after `at_us`."""
        return micros(period_end(instant(anchor_us), self.period, self.zones, instant(at_us)))

    def period_of(self, anchor_us: int, at_us: int) -> tuple[int, int]:
        """Returns the full period that contains `at_us`, from and to."""
        return self._full(self.period, anchor_us, at_us)

    def term_of(self, commitment: Commitment, anchor_us: int, at_us: int) -> tuple[int, int]:
        """Returns the full term that contains `at_us`, from and to."""
        return self._full(commitment.term, anchor_us, at_us)

    def commitment(self, number: int) -> Commitment:
        """Returns the commitment at this place of the plan."""
        return next(one for one in self.commitments if one.number == number)

    def fee(self, code: str) -> Fee | None:
        """Returns the recurring price of this code; None where the plan has none."""
        return next((fee for fee in self.fees if fee.price.code == code), None)

    def fee_line(  # noqa: PLR0913, PLR0917 - a line's fields, no two of which belong together
        self, kind: LineKind, fee: Fee, quantity: Decimal, anchor_us: int, start_us: int, end_us: int
    ) -> Line:
        """Returns what a fee owes for the time served; `LineKind.UNUSED_FEE` gives that time back."""
        share = self.periods(anchor_us, start_us, end_us)
        amount = share * Fraction(EXACT.multiply(fee.price.amount, quantity))
        return Line(
            kind=kind,
            price=fee.price.code,
            group={},
            quantity=canonical(quantity),
            amount_minor=round_to_minor(-amount if kind is LineKind.UNUSED_FEE else amount, self.currency),
            period_start_us=start_us,
            period_end_us=end_us,
            taxable=fee.price.taxable,
            events=0,
        )

    def periods(self, anchor_us: int, start_us: int, end_us: int) -> Fraction:
        """Returns how many periods the time is, exactly."""
        return _periods_served(self, anchor_us, start_us, end_us)

    def served(self, anchor_us: int, start_us: int, end_us: int) -> tuple[Served, ...]:
        """Returns the parts of periods that the time is made of; their shares sum to `periods`.

        More than one where a change of plan shortened the period.
        """
        anchor, start, end = instant(anchor_us), instant(start_us), instant(end_us)
        parts = []
        index = containing(anchor, self.period, self.zones, start)
        while start < end:
            full = nth(anchor, self.period, self.zones, index)
            until = min(end, full.end)
            if start < until:  # a day that a zone skipped is a period without length
                parts.append(Served(Span(start, until), full))
                start = until
            index += 1
        return tuple(parts)

    def _full(self, period: BillingPeriod, anchor_us: int, at_us: int) -> tuple[int, int]:
        anchor, at = instant(anchor_us), instant(at_us)
        full = nth(anchor, period, self.zones, containing(anchor, period, self.zones, at))
        return micros(full.start), micros(full.end)


@lru_cache(maxsize=4096)  # at a month's end all accounts of a plan ask for the same; one answer takes about 50 µs
def _periods_served(tariff: Tariff, anchor_us: int, start_us: int, end_us: int) -> Fraction:
    """How many periods the time is, exactly: more than one where a change of plan shortened the period."""
    parts = tariff.served(anchor_us, start_us, end_us)
    return sum((prorated(_WHOLE, part.served, part.full) for part in parts), start=Fraction(0))


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
    period = billing_period(agreed.billing_period)
    return Tariff(
        written=terms,
        terms=agreed,
        currency=currency(agreed.currency),
        period=period,
        zones=zones_of(agreed),
        measured=tuple(
            Measured(number, _meter_of(price, number, meters), price, needs_events(price))
            for number, price in enumerate(prices)
            if isinstance(price, UsagePrice)
        ),
        fees=tuple(Fee(number, price) for number, price in enumerate(prices) if isinstance(price, RecurringPrice)),
        one_offs=tuple(OneOff(number, price) for number, price in enumerate(prices) if isinstance(price, OneOffPrice)),
        commitments=tuple(
            _commitment(price, number, period)
            for number, price in enumerate(prices)
            if isinstance(price, CommitmentPrice)
        ),
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


def _commitment(price: CommitmentPrice, number: int, period: BillingPeriod) -> Commitment:
    require_whole_term(price, period, f"prices[{number}]")
    return Commitment(number, price, price.term or period)


def _tax_percent(agreed: Terms) -> None:
    try:
        percent = parse_quantity(agreed.tax_percent)
    except RefusedUsage as refusal:
        raise InvalidDefinition("tax_percent", refusal.detail) from None
    if percent < 0:
        raise InvalidDefinition("tax_percent", f"is {agreed.tax_percent}; 0 or more is allowed")
