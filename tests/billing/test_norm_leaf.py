"""Runs the norm's price, meter and period cases through `billing`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from billing.currency import currency
from billing.errors import InvalidDefinition
from billing.meter import new_accumulator, parse_meter
from billing.money import Money
from billing.period import Window, billing_period, nth, zone
from billing.price import UsagePrice, charge, parse_price
from billing.quantity import canonical, parse_quantity

Case: TypeAlias = dict[str, Any]
NORM = Path(__file__).parent.parent / "conformance" / "norm"
MICROSECONDS = 1_000_000
FIELDS = {
    "price": ({"currency", "price"}, {"quantity", "events", "already_billed_quantity"}),
    "meter": ({"meter", "window", "events"}, {"carried"}),
    "period": ({"anchor", "billing_period", "timezone", "index"}, set()),
}


def run_price(case: Case) -> Mapping[str, str]:
    price = parse_price({"code": "p", "type": "usage", "meter": "m", **case["price"]}, "price")
    assert isinstance(price, UsagePrice)
    assert ("quantity" in case) != ("events" in case)
    events = [parse_quantity(value) for value in case["events"]] if "events" in case else None
    unit = currency(case["currency"])
    minor = charge(price, parse_quantity(case.get("quantity", "0")), unit, events)
    if "already_billed_quantity" in case:
        minor -= charge(price, parse_quantity(case["already_billed_quantity"]), unit)
    return {"amount": f"{Money(minor, unit).major():f}"}


def run_meter(case: Case) -> Mapping[str, str]:
    meter = parse_meter({"code": "m", "event": "e", **case["meter"]}, "meter")
    window = Window(*map(datetime.fromisoformat, case["window"]))
    accumulator = new_accumulator(meter)
    seen = set()
    for position, event in enumerate(case["events"]):
        assert event.keys() == {"id", "timestamp", "properties"}
        at = datetime.fromisoformat(event["timestamp"])
        if event["id"] not in seen and at in window and meter.matches(event["properties"]):
            at_us = int(at.timestamp()) * MICROSECONDS + at.microsecond
            accumulator.add(meter.value(event["properties"]), at_us, position)
        seen.add(event["id"])
    carried = Decimal(case["carried"]) if "carried" in case else None
    return {"quantity": canonical(accumulator.quantity(window, carried))}


def run_period(case: Case) -> Mapping[str, str]:
    anchor = datetime.fromisoformat(case["anchor"])
    window = nth(anchor, billing_period(case["billing_period"]), zone(case["timezone"]), case["index"])
    return {"start": f"{window.start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{window.end:%Y-%m-%dT%H:%M:%SZ}"}


RUN: Mapping[str, Callable[[Case], Mapping[str, str]]] = {
    "price": run_price,
    "meter": run_meter,
    "period": run_period,
}


def outcome(kind: str, case: Case) -> Mapping[str, str]:
    """Returns what a case came to, for the fields that it expects; a field that its kind does not have is an error."""
    needed, optional = FIELDS[kind]
    given = case.keys() - {"name", "expect"}
    assert needed <= given <= needed | optional, f"unknown or missing: {sorted(given ^ needed)}"
    found = RUN[kind](case)
    return {field: found[field] for field in case["expect"]}


def cases() -> Iterator[Any]:
    for name in ("prices", "meters", "periods"):
        norm = yaml.safe_load((NORM / f"{name}.yaml").read_text())
        assert norm.keys() == {"kind", "cases"}
        for case in norm["cases"]:
            yield pytest.param(norm["kind"], case, id=f"{norm['kind']}: {case['name']}")


@pytest.mark.parametrize(("kind", "case"), list(cases()))
def test_the_norm_holds(kind: str, case: Case) -> None:
    assert case["expect"]
    assert outcome(kind, case) == case["expect"]


def test_a_case_with_an_unknown_field_is_an_error() -> None:
    period = {"anchor": "2026-01-31T15:00:00Z", "billing_period": "P1M", "timezone": "UTC", "index": 0}
    assert outcome("period", {**period, "expect": {"start": "2026-01-31T15:00:00Z"}})
    with pytest.raises(AssertionError, match="step"):
        outcome("period", {**period, "step": 1, "expect": {"start": "2026-01-31T15:00:00Z"}})
    price = {"currency": "USD", "quantity": "1", "price": {"model": "per_unit", "unit_amount": "1", "tax": "1"}}
    with pytest.raises(InvalidDefinition, match=r"price\.tax"):
        outcome("price", {**price, "expect": {"amount": "1.00"}})


def test_a_case_that_expects_something_else_fails() -> None:
    price = {"currency": "USD", "quantity": "1", "price": {"model": "per_unit", "unit_amount": "1"}}
    assert outcome("price", {**price, "expect": {"amount": "1.01"}}) == {"amount": "1.00"}
