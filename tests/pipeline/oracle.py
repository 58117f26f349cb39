"""What must be billed of a tenant of an apply file, by the oracle of tests/oracle, as the report views write it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from tests.oracle import lines as oracle_lines
from tests.oracle import story
from tests.oracle.meters import Event, Group, matches, once
from tests.oracle.meters import readable as meter_reads
from tests.oracle.numbers import Raw, decimal, instant

__all__ = ["Event", "Group", "Invoice", "Line", "invoices", "once", "readable"]


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


def readable(tenant: Raw, code: str, event: Event) -> bool:
    """Whether every meter of a subscription's plan finds what it reads; if not, all of the event is refused."""
    plan = next(raw["plan"] for raw in tenant["subscriptions"] if raw["code"] == code)
    prices = next(raw["prices"] for raw in tenant["plans"] if raw["code"] == plan)
    used = {price["meter"] for price in prices if price["type"] == "usage"}
    return all(meter_reads(raw, event) for raw in tenant["meters"] if raw["code"] in used and matches(raw, event))


def invoices(tenant: Raw, events: Iterable[Event], until: datetime) -> list[Invoice]:
    """Every invoice of a tenant by the time its clock has reached, by subscription and time."""
    told = story.begun(tenant, tenant)
    starts = [(instant(raw["start"]), raw) for raw in tenant["subscriptions"]]
    entries: list[tuple[datetime, Raw | Event]] = [*starts, *((event.arrived, event) for event in events)]
    for at, entry in sorted(entries, key=lambda one: one[0]):
        if at > until:
            break
        told.pass_time(at)
        if isinstance(entry, Event):
            told.arrive(entry)
        else:
            told.subscribe(at, {**entry, "subscription": entry["code"]})
    told.pass_time(until)
    digits = told.catalog.digits
    found = [_invoice(one, tenant["currency"], digits) for one in told.invoices]
    return sorted(found, key=lambda invoice: (invoice.subscription, invoice.issued_at))


def _invoice(one: story.Invoice, currency: str, digits: int) -> Invoice:
    subtotal, tax, total = (_major(amount, digits) for amount in (one.subtotal, one.tax, one.total))
    assert one.total == one.subtotal + one.tax, "these views know no credit"
    lines = tuple(_lines(one.lines, digits))
    return Invoice(one.customer, one.subscription, one.issued_at, currency, subtotal, tax, total, lines)


def _lines(lines: Sequence[oracle_lines.Line], digits: int) -> Iterable[Line]:
    for line in lines:
        amount, adjustment = _major(line.amount, digits), line.kind == "adjustment"
        yield Line(line.price, line.group, decimal(line.quantity, 12), amount, line.start, line.end, adjustment)


def _major(units: int, digits: int) -> Decimal:
    return decimal(Fraction(units, 10**digits), digits)
