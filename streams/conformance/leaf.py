"""Single prices, meters and periods."""

from collections.abc import Iterator
from decimal import Decimal

from billing.currency import currency
from billing.errors import RefusedUsage
from billing.instant import micros
from billing.meter import new_accumulator, parse_meter
from billing.money import Money
from billing.period import Span, billing_period, nth, zone
from billing.price import UsagePrice, charge
from billing.price_definition import parse_price
from billing.quantity import canonical, parse_quantity, rounded
from streams.conformance.case import MeterCase, PeriodCase, PriceCase
from streams.conformance.compare import difference


def price_differences(case: PriceCase) -> Iterator[str]:
    """Yields what differs from the expected amount.

    Raises:
        BillingError: the price is refused.
    """
    priced = parse_price({"code": "price", "type": "usage", "meter": "meter", **case.price}, "price")
    assert isinstance(priced, UsagePrice)
    money = currency(case.currency)
    events = None if case.events is None else [parse_quantity(value) for value in case.events]
    quantity = sum(events or (), Decimal(0)) if case.quantity is None else parse_quantity(case.quantity)
    amount = charge(priced, quantity, money, events)
    if case.already_billed_quantity is not None:
        amount -= charge(priced, parse_quantity(case.already_billed_quantity), money)
    yield from difference("amount", case.expect.amount, f"{Money(amount, money).major():f}")


def meter_differences(case: MeterCase) -> Iterator[str]:
    """Yields what differs from the expected quantity; what no meter can read does not count.

    Raises:
        BillingError: the meter is refused.
    """
    meter = parse_meter({"code": "meter", "event": "event", **case.meter}, "meter")
    window = Span(*case.window)
    accumulator = new_accumulator(meter)
    counted: set[str] = set()
    for position, event in enumerate(case.events):
        if event.id in counted or event.timestamp not in window or not meter.matches(event.properties):
            continue
        try:
            accumulator.add(meter.value(event.properties), micros(event.timestamp), position)
        except RefusedUsage:
            continue
        counted.add(event.id)
    carried = None if case.carried is None else parse_quantity(case.carried)
    quantity = canonical(rounded(accumulator.quantity(window, carried)))
    yield from difference("quantity", case.expect.quantity, quantity)


def period_differences(case: PeriodCase) -> Iterator[str]:
    """Yields what differs from the expected bounds.

    Raises:
        BillingError: the period or the zone is refused.
    """
    found = nth(case.anchor, billing_period(case.billing_period), zone(case.timezone), case.index)
    yield from difference("start", case.expect.start, found.start)
    yield from difference("end", case.expect.end, found.end)
