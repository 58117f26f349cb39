"""The oracle that the pipeline is compared with obeys the norm itself."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from tests.pipeline import oracle

NORM = Path(__file__).parents[1] / "conformance" / "norm"
NOW = datetime(2100, 1, 1, tzinfo=UTC)


def cases(kind: str) -> list[Any]:
    content = yaml.safe_load((NORM / f"{kind}s.yaml").read_text())
    return [pytest.param(case, id=case["name"]) for case in content["cases"]]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("case", cases("price"))
def test_the_oracle_prices_as_the_norm_says(case: Any) -> None:
    digits = oracle.DIGITS.get(case["currency"], 2)
    read = [Fraction(value) for value in case.get("events", [])]
    price, quantity = case["price"], Fraction(case.get("quantity", 0))
    if price["model"] == "percentage" and not read and quantity:
        read = [quantity]
    amount = oracle.owed(price, quantity, read, digits)
    if "already_billed_quantity" in case:
        amount -= oracle.owed(price, Fraction(case["already_billed_quantity"]), [], digits)
    assert amount == Fraction(case["expect"]["amount"])


@pytest.mark.parametrize("case", cases("meter"))
def test_the_oracle_measures_as_the_norm_says(case: Any) -> None:
    meter, (start, end) = case["meter"] | {"event": "x"}, map(instant, case["window"])
    events = [
        oracle.Event(raw["id"], "c", "x", instant(raw["timestamp"]), raw["properties"], start) for raw in case["events"]
    ]
    inside = [event for event in oracle.once(events) if start <= event.at < end and oracle.matches(meter, event)]
    carried = Fraction(case["carried"]) if "carried" in case else None
    assert oracle.measured(meter, inside, (start, end), carried) == Fraction(case["expect"]["quantity"])


@pytest.mark.parametrize("case", cases("period"))
def test_the_oracle_counts_periods_as_the_norm_says(case: Any) -> None:
    found = {
        name: oracle.boundary(
            instant(case["anchor"]), case["billing_period"], ZoneInfo(case["timezone"]), case["index"] + later
        )
        for name, later in (("start", 0), ("end", 1))
    }
    assert found == {name: instant(text) for name, text in case["expect"].items()}


def test_the_oracle_bills_late_usage_as_the_difference() -> None:
    """The scenario of this name in the norm; its figures are the norm's."""
    [case] = [case.values[0] for case in cases("scenario") if case.id.startswith("late usage is billed")]
    tenant = case["tenant"] | {
        "meters": case["catalog"]["meters"],
        "plans": case["catalog"]["plans"],
        "subscriptions": [{"code": "s1", "customer": "c1", "plan": "p", "start": "2026-01-01T00:00:00Z"}],
    }
    events = [
        oracle.Event(
            raw["id"],
            "c1",
            raw["event"],
            instant(raw.get("timestamp", entry["at"])),
            raw["properties"],
            instant(entry["at"]),
        )
        for entry in case["timeline"]
        if (raw := entry.get("usage"))
    ]
    found = oracle.invoices(tenant, events, instant("2026-03-01T00:00:00Z"))
    assert [invoice.total for invoice in found] == [Decimal("150.00"), Decimal("10.00")]
    late = oracle.Line(
        "m", (), Decimal(1), Decimal("-70.00"), instant("2026-01-01T00:00:00Z"), instant("2026-02-01T00:00:00Z"), True
    )
    assert found[1].lines == (
        late,
        replace(
            late,
            quantity=Decimal(16),
            amount=Decimal("80.00"),
            start=late.end,
            end=instant("2026-03-01T00:00:00Z"),
            adjustment=False,
        ),
    )
