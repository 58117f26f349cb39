"""What the pipeline is compared with is what the oracle says; tests/oracle shows that this obeys the norm."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import yaml

from tests.pipeline import oracle

NORM = Path(__file__).parents[1] / "conformance" / "norm"


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_the_oracle_bills_late_usage_as_the_difference() -> None:
    """The scenario of this name in the norm; its figures are the norm's."""
    cases = yaml.safe_load((NORM / "scenarios.yaml").read_text(encoding="utf-8"))["cases"]
    [case] = [case for case in cases if case["name"].startswith("late usage is billed")]
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
