"""What must be billed, computed the slow and plain way from the list of events, by the norm alone.

The norm is tests/conformance/norm (its README and the head of its scenarios). This shares no code with the product: it
recomputes everything at every close, in fractions.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from math import ceil, floor
from typing import Any
from zoneinfo import ZoneInfo

Raw = Mapping[str, Any]
Group = tuple[tuple[str, str], ...]
DIGITS = {"JPY": 0, "USD": 2, "EUR": 2, "KWD": 3, "TND": 3}


@dataclass(frozen=True, slots=True)
class Event:
    """One usage event as its producer meant it; `arrived` is the tenant's clock when it came."""

    id: str
    customer: str
    type: str
    at: datetime
    properties: Mapping[str, str]
    arrived: datetime


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an invoice, in major units."""

    price: str
    group: Group
    quantity: Decimal
    amount: Decimal
    start: datetime
    end: datetime
    adjustment: bool = False


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice without its number."""

    customer: str
    subscription: str
    issued_at: datetime
    currency: str
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    lines: tuple[Line, ...]


# Numbers --------------------------------------------------------------------------------------------------------------


def half_away(value: Fraction) -> int:
    """Rounds to a whole number, half away from zero."""
    whole = floor(abs(value) + Fraction(1, 2))
    return whole if value >= 0 else -whole


def twelve(value: Fraction) -> Fraction:
    """Rounds to twelve decimals."""
    return Fraction(half_away(value * 10**12), 10**12)


def decimal(value: Fraction, digits: int) -> Decimal:
    """A fraction that has so many decimal digits, as a decimal."""
    scaled = value * 10**digits
    assert scaled.denominator == 1, value
    return Decimal(f"{scaled.numerator}E-{digits}")  # exact, where an operation would round to 28 digits


def number(raw: Raw, name: str, default: str | int = 0) -> Fraction:
    """A decimal field."""
    return Fraction(str(raw.get(name, default)))


# Periods --------------------------------------------------------------------------------------------------------------


def boundary(anchor: datetime, period: str, zone: ZoneInfo, n: int) -> datetime:
    """The n-th boundary: the anchor's local wall time plus n periods, its day clamped."""
    found = re.fullmatch(r"P(\d+)([DWMY])", period)
    assert found, period
    amount, unit = int(found[1]) * n, found[2]
    wall = anchor.astimezone(zone).replace(tzinfo=None, fold=0)
    if unit in "DW":
        moved = wall + timedelta(days=amount * (7 if unit == "W" else 1))
    else:
        months = wall.year * 12 + wall.month - 1 + amount * (12 if unit == "Y" else 1)
        year, month = divmod(months, 12)
        following = datetime(year + (month == 11), (month + 1) % 12 + 1, 1)  # noqa: DTZ001 - a wall time
        moved = wall.replace(year=year, month=month + 1, day=min(wall.day, (following - timedelta(days=1)).day))
    return moved.replace(tzinfo=zone).astimezone(UTC)  # fold 0: the first of two, and past a gap by its length


def calendar(start: datetime, period: str, zone: ZoneInfo) -> datetime:
    """The first of the month or year, or the Monday, at or before the start, in the zone."""
    wall = start.astimezone(zone).replace(tzinfo=None, hour=0, minute=0, second=0, microsecond=0)
    match period[-1]:
        case "W":
            wall -= timedelta(days=wall.weekday())
        case "M":
            wall = wall.replace(day=1)
        case _:
            wall = wall.replace(month=1, day=1)
    return wall.replace(tzinfo=zone).astimezone(UTC)


# Meters ---------------------------------------------------------------------------------------------------------------


def matches(meter: Raw, event: Event) -> bool:
    """Whether the event is for the meter."""
    filters = meter.get("filters", {})
    return event.type == meter["event"] and all(event.properties.get(name) in ok for name, ok in filters.items())


def level(meter: Raw, events: Sequence[Event], carried: Fraction | None) -> Fraction | None:
    """What a meter that carries over brings into the next window."""
    if not meter.get("carry_over"):
        return None
    if meter["aggregation"] == "latest":
        return values(meter, sorted(events, key=lambda event: event.at))[-1] if events else carried
    return (carried or Fraction(0)) + sum(values(meter, events))


def values(meter: Raw, events: Iterable[Event]) -> list[Fraction]:
    """What the meter reads."""
    return [Fraction(event.properties[meter["property"]]) for event in events]


def measured(
    meter: Raw, events: Sequence[Event], span: tuple[datetime, datetime], carried: Fraction | None
) -> Fraction:
    """The quantity of a window's events, in order of arrival."""
    match meter["aggregation"]:
        case "count":
            return Fraction(len(events))
        case "unique":
            return Fraction(len({event.properties[meter["property"]] for event in events}))
        case "latest":
            ordered = values(meter, sorted(events, key=lambda event: event.at))
            return ordered[-1] if ordered else carried or Fraction(0)
        case "weighted_sum":
            weighted = [
                value * real(span[1] - event.at) for value, event in zip(values(meter, events), events, strict=True)
            ]
            return twelve((carried or Fraction(0)) + sum(weighted, Fraction(0)) / real(span[1] - span[0]))
    return twelve(statistic(meter, values(meter, events))) if events else Fraction(0)


def statistic(meter: Raw, read: list[Fraction]) -> Fraction:
    """Of the values alone."""
    match meter["aggregation"]:
        case "sum":
            return sum(read, Fraction(0))
        case "max":
            return max(read)
        case "min":
            return min(read)
        case "avg":
            return sum(read, Fraction(0)) / len(read)
        case "percentile":
            return sorted(read)[ceil(number(meter, "percentile") / 100 * len(read)) - 1]
        case other:
            raise ValueError(other)


def real(span: timedelta) -> Fraction:
    """Seconds."""
    return Fraction(span // timedelta(microseconds=1), 10**6)


# Prices ---------------------------------------------------------------------------------------------------------------


def owed(price: Raw, quantity: Fraction, read: Sequence[Fraction], digits: int) -> Fraction:
    """What a quantity costs, rounded once to the currency's digits."""
    if price["model"] == "percentage":
        amount = percentage(price, read or [])
    else:
        units = converted(price.get("unit_conversion"), quantity)
        amount = MODELS[price["model"]](price, max(units - number(price, "free_units"), Fraction(0)))
    amount *= 1 - number(price, "discount_percent") / 100
    if "maximum_amount" in price:
        amount = min(amount, number(price, "maximum_amount"))
    if "minimum_amount" in price:
        amount = max(amount, number(price, "minimum_amount"))
    return Fraction(half_away(amount * 10**digits), 10**digits)


def converted(conversion: Raw | None, quantity: Fraction) -> Fraction:
    """The units that are priced."""
    if conversion is None:
        return quantity
    units = quantity / number(conversion, "divide_by", 1) * number(conversion, "multiply_by", 1)
    rounding: dict[str, Callable[[Fraction], Fraction | int]] = {
        "none": lambda value: value,
        "up": ceil,
        "down": floor,
        "half_up": lambda value: floor(value + Fraction(1, 2)),
    }
    return Fraction(rounding[conversion.get("rounding", "none")](units))


def tiered(price: Raw, quantity: Fraction) -> Fraction:
    """Each tier prices its part."""
    total, below = Fraction(0), Fraction(0)
    for place, tier in enumerate(price["tiers"]):
        rate = number(tier, "unit_amount") + number(tier, "rate_percent") / 100
        above = number(tier, "up_to") if "up_to" in tier else None
        total += rate * max((quantity if above is None else min(quantity, above)) - below, Fraction(0))
        if quantity > below or (place == 0 and quantity == 0 and price.get("flat_when_zero", True)):
            total += number(tier, "flat_amount")
        below = above or below
    return total


def volume(price: Raw, quantity: Fraction) -> Fraction:
    """One tier prices all of it."""
    tier = next(tier for tier in price["tiers"] if "up_to" not in tier or number(tier, "up_to") >= quantity)
    flat = number(tier, "flat_amount") if quantity or price.get("flat_when_zero", True) else Fraction(0)
    return quantity * number(tier, "unit_amount") + flat


def package(price: Raw, quantity: Fraction) -> Fraction:
    """Whole packages."""
    whole = floor if price.get("partial_packages") == "down" else ceil
    return whole(quantity / number(price, "package_size")) * number(price, "package_amount")


def percentage(price: Raw, read: Sequence[Fraction]) -> Fraction:
    """Each event by itself."""
    owed_for, running = Fraction(0), Fraction(0)
    events, amount = price.get("free_events"), price.get("free_amount")
    for place, value in enumerate(read, start=1):
        before, running = running, running + value
        lasts = (events is not None or amount is not None) and (events is None or place <= int(events))
        if lasts and (amount is None or running <= Fraction(amount)):
            continue
        part = running - max(Fraction(amount), before) if lasts and amount is not None else value
        one = number(price, "rate_percent") / 100 * part + number(price, "per_event_amount")
        if "event_minimum" in price:
            one = max(one, number(price, "event_minimum"))
        if "event_maximum" in price:
            one = min(one, number(price, "event_maximum"))
        owed_for += one
    return owed_for


MODELS: Mapping[str, Callable[[Raw, Fraction], Fraction]] = {
    "per_unit": lambda price, quantity: quantity * number(price, "unit_amount"),
    "graduated": tiered,
    "graduated_percentage": tiered,
    "volume": volume,
    "package": package,
    "dynamic": lambda price, quantity: quantity * number(price, "multiplier"),
}


# Subscriptions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bill:
    """What one price, or one group of it, owes of a window."""

    quantity: Fraction
    amount: Fraction


class Subscription:
    """One subscription of a tenant in the form of an apply file, and the events of its customer."""

    def __init__(self, tenant: Raw, code: str, events: Iterable[Event]) -> None:
        self.raw = next(raw for raw in tenant["subscriptions"] if raw["code"] == code)
        self.tenant = tenant
        self.digits = DIGITS[tenant["currency"]]
        self.zone = ZoneInfo(tenant["timezone"])
        self.plan = next(raw for raw in tenant["plans"] if raw["code"] == self.raw["plan"])
        self.meters = {raw["code"]: raw for raw in tenant["meters"]}
        self.start = datetime.fromisoformat(self.raw["start"])
        on_calendar = self.raw.get("anchor") == "calendar"
        self.anchor = calendar(self.start, self.plan["billing_period"], self.zone) if on_calendar else self.start
        self.events = [event for event in once(events) if event.at >= self.start and self.readable(event)]
        self.billed: dict[tuple[datetime, str, Group], Bill] = {}

    def readable(self, event: Event) -> bool:
        """Whether every meter of the plan finds what it reads; if not, all of the event is refused."""
        used = [self.meters[price["meter"]] for price in self.plan["prices"] if price["type"] == "usage"]
        return all(meter.get("property", "id") in {"id", *event.properties} for meter in used if matches(meter, event))

    def windows(self) -> Iterator[tuple[datetime, datetime]]:
        """Every period from the start on, the first perhaps a part of one."""
        for n in count():
            start, end = (boundary(self.anchor, self.plan["billing_period"], self.zone, k) for k in (n, n + 1))
            if end > self.start:
                yield max(start, self.start), end

    def invoices(self, until: datetime) -> Iterator[Invoice]:
        """Every invoice that is due by then."""
        closed: list[tuple[datetime, datetime]] = []
        periods = self.raw.get("periods")
        windows = self.windows()
        opening = next(windows)
        if self.start <= until:
            yield from self.invoice(self.start, [self.fee(price, opening) for price in self.fees("in_advance")])
        while opening[1] <= until:
            ending, opening = opening, next(windows)
            adjusted = [line for window in closed for line in self.adjustments(window, ending[1])]
            closed.append(ending)
            goes_on = len(closed) != periods
            lines = [
                line
                for price in self.plan["prices"]
                for line in self.lines(price, ending, opening if goes_on else None)
            ]
            yield from self.invoice(ending[1], adjusted + lines)
            if not goes_on:
                return

    def lines(
        self, price: Raw, ending: tuple[datetime, datetime], opening: tuple[datetime, datetime] | None
    ) -> Iterator[Line]:
        """The lines of one price at an ordinary close."""
        if price["type"] == "usage":
            for group, bill in self.bills(price, ending, ending[1]).items():
                self.billed[ending[0], price["code"], group] = bill
                yield self.line(price, group, bill, ending)
        elif price.get("billed", "in_advance") == "in_arrears":
            yield self.fee(price, ending)
        elif opening is not None:
            yield self.fee(price, opening)

    def adjustments(self, window: tuple[datetime, datetime], now: datetime) -> Iterator[Line]:
        """What late usage changed in a closed window, by price and group."""
        for price in self.plan["prices"]:
            if price["type"] != "usage":
                continue
            for group, bill in self.bills(price, window, now).items():
                key = window[0], price["code"], group
                before = self.billed.get(key)
                self.billed[key] = bill
                if before is None:
                    yield self.line(price, group, bill, window, adjustment=True)
                elif bill.quantity != before.quantity:
                    change = Bill(bill.quantity - before.quantity, bill.amount - before.amount)
                    yield self.line(price, group, change, window, adjustment=True)

    def bills(self, price: Raw, window: tuple[datetime, datetime], now: datetime) -> dict[Group, Bill]:
        """What each group of a price owes of a window, by all that has arrived before now."""
        meter = self.meters[price["meter"]]
        known = [event for event in self.events if event.arrived < now and matches(meter, event)]
        inside = [event for event in known if window[0] <= event.at < window[1]]
        names = meter.get("group_by", [])
        found: dict[Group, list[Event]] = {} if names else {(): inside}
        for event in inside if names else ():
            found.setdefault(tuple((name, event.properties.get(name, "")) for name in names), []).append(event)
        carried = level(meter, [event for event in known if event.at < window[0]], None)
        bills = {}
        for group, events in sorted(found.items()):
            quantity = measured(meter, events, window, carried)
            read = values(meter, events) if price["model"] == "percentage" else []
            bills[group] = Bill(quantity, owed(price, quantity, read, self.digits))
        return bills

    def line(
        self, price: Raw, group: Group, bill: Bill, window: tuple[datetime, datetime], *, adjustment: bool = False
    ) -> Line:
        """A usage line."""
        amount = decimal(bill.amount, self.digits)
        return Line(price["code"], group, decimal(bill.quantity, 12), amount, *window, adjustment)

    def fees(self, billed: str) -> list[Raw]:
        """The recurring prices that are billed so."""
        recurring = [price for price in self.plan["prices"] if price["type"] == "recurring"]
        return [price for price in recurring if price.get("billed", "in_advance") == billed]

    def fee(self, price: Raw, served: tuple[datetime, datetime]) -> Line:
        """A recurring price, for the part of its period that is served."""
        start, end = full = self.period_around(served[0])
        assert served[1] <= full[1]
        share = real(served[1] - served[0]) / real(end - start)
        amount = number(price, "amount") * number(price, "quantity", 1) * share
        rounded = Fraction(half_away(amount * 10**self.digits), 10**self.digits)
        return Line(
            price["code"], (), decimal(number(price, "quantity", 1), 12), decimal(rounded, self.digits), *served
        )

    def period_around(self, at: datetime) -> tuple[datetime, datetime]:
        """The full period that holds the instant."""
        for n in count():
            end = boundary(self.anchor, self.plan["billing_period"], self.zone, n + 1)
            if end > at:
                return boundary(self.anchor, self.plan["billing_period"], self.zone, n), end
        raise AssertionError

    def invoice(self, issued_at: datetime, lines: list[Line]) -> Iterator[Invoice]:
        """The lines with their tax; none without lines."""
        if not lines:
            return
        taxable = {price["code"] for price in self.plan["prices"] if price.get("taxable", True)}
        subtotal = sum((line.amount for line in lines), Decimal(0))
        base = sum((Fraction(line.amount) for line in lines if line.price in taxable), Fraction(0))
        tax = base * number(self.tenant, "tax_percent") / 100
        taxed = decimal(Fraction(half_away(tax * 10**self.digits), 10**self.digits), self.digits)
        assert subtotal + taxed >= 0, "this oracle knows no credit"
        yield Invoice(
            self.raw["customer"],
            self.raw["code"],
            issued_at,
            self.tenant["currency"],
            subtotal,
            taxed,
            subtotal + taxed,
            tuple(lines),
        )


def once(events: Iterable[Event]) -> list[Event]:
    """Each id of a customer, at its first arrival."""
    return list({(event.customer, event.id): event for event in reversed(list(events))}.values())[::-1]


def invoices(tenant: Raw, events: Sequence[Event], until: datetime) -> list[Invoice]:
    """Every invoice of a tenant by the time its clock has reached, by subscription and time."""
    by_customer: dict[str, list[Event]] = {}
    for event in events:
        by_customer.setdefault(event.customer, []).append(event)
    found = [
        invoice
        for raw in tenant["subscriptions"]
        for invoice in Subscription(tenant, raw["code"], by_customer.get(raw["customer"], [])).invoices(until)
    ]
    return sorted(found, key=lambda invoice: (invoice.subscription, invoice.issued_at))
