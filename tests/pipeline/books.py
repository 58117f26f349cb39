"""What an outsider finds in the report views, in the oracle's words, and the checks that hold for every tenant."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.pipeline.oracle import Event, Invoice, Line
from tests.support.pipeline import Pipeline

INVOICES = """
SELECT number, customer, subscription, issued_at, currency, subtotal, tax, total FROM report.invoices
WHERE tenant = %s
"""
LINES = """
SELECT number, price, line_group, quantity, amount, period_start, period_end, adjustment FROM report.invoice_lines
WHERE tenant = %s ORDER BY number, position
"""
TRIAL_BALANCE = "SELECT currency, sum(debit), sum(credit) FROM report.trial_balance WHERE tenant = %s GROUP BY currency"


def invoices_of(pipeline: Pipeline, tenant: str) -> list[Invoice]:
    """Every invoice of the tenant, by subscription and time."""
    lines: dict[str, list[Line]] = {}
    for number, price, group, quantity, amount, start, end, adjustment in pipeline.rows(LINES, tenant):
        key = tuple(sorted(group.items()))
        lines.setdefault(number, []).append(Line(price, key, quantity, amount, start, end, adjustment))
    found = [
        Invoice(customer, subscription, issued_at, currency, subtotal, tax, total, tuple(lines.pop(number)))
        for number, customer, subscription, issued_at, currency, subtotal, tax, total in pipeline.rows(INVOICES, tenant)
    ]
    return sorted(found, key=lambda invoice: (invoice.subscription, invoice.issued_at))


def check_books(pipeline: Pipeline, tenant: str, expected: Sequence[Invoice]) -> None:
    """The tenant's invoices are exactly these, numbered without a gap, and its ledger balances at their sum."""
    found = invoices_of(pipeline, tenant)
    issued = Counter((invoice.subscription, invoice.issued_at) for invoice in found)
    assert not [key for key, times in issued.items() if times > 1], "an invoice was issued twice"
    for have, want in zip(found, expected, strict=False):
        assert have == want
    assert found == list(expected)
    numbers = sorted(number for (number, *_) in pipeline.rows(INVOICES, tenant))
    assert numbers == [f"INV-{place:06}" for place in range(1, len(expected) + 1)]
    balances = {currency: (debit, credit) for currency, debit, credit in pipeline.rows(TRIAL_BALANCE, tenant)}
    owed = sum((invoice.total for invoice in expected), Decimal(0))
    assert all(debit == credit for debit, credit in balances.values()), balances
    assert sum((debit for debit, _ in balances.values()), Decimal(0)) >= owed
    receivable = pipeline.rows(
        "SELECT sum(debit - credit) FROM report.trial_balance WHERE tenant = %s AND account ~ 'receivable'", tenant
    )
    assert receivable == [(owed,)]


def write_catalogue(path: Path, *tenants: Mapping[str, Any]) -> Path:
    """An apply file."""
    path.write_text(yaml.safe_dump({"tenants": list(tenants)}, sort_keys=False), encoding="utf-8")
    return path


def write_usage(path: Path, usage: Iterable[tuple[str, Event]]) -> Path:
    """A CSV file of events with their tenants; an absent property is an empty cell."""
    rows = list(usage)
    names = sorted({name for _, event in rows for name in event.properties})
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["tenant", "customer", "id", "type", "occurred_at", *names])
    for tenant, event in rows:
        properties = [event.properties.get(name, "") for name in names]
        writer.writerow([tenant, event.customer, event.id, event.type, event.at.isoformat(), *properties])
    path.write_text(text.getvalue(), encoding="utf-8")
    return path


def write_json_lines(path: Path, usage: Iterable[tuple[str, Event]]) -> Path:
    """The same as JSON lines."""
    lines = [
        json.dumps(
            {
                "tenant_id": tenant,
                "customer_id": event.customer,
                "id": event.id,
                "type": event.type,
                "occurred_at": event.at.isoformat(),
                "properties": dict(event.properties),
            }
        )
        for tenant, event in usage
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def cloudevent(tenant: str, event: Event, **more: object) -> bytes:
    """The same as a CloudEvents 1.0 object; properties that are numbers become JSON numbers as they are written."""
    head = {
        "specversion": "1.0",
        "id": event.id,
        "source": "",
        "type": event.type,
        "time": event.at.isoformat(),
        "subject": event.customer,
        "tenantid": tenant,
    }
    body = ", ".join(f"{json.dumps(name)}: {_written(value)}" for name, value in event.properties.items())
    return (json.dumps(head | more)[:-1] + f', "data": {{{body}}}}}').encode()


def _written(value: str) -> str:
    return value if value.replace(".", "", 1).lstrip("-").isdigit() else json.dumps(value)


def instants(*texts: str) -> list[datetime]:
    """RFC 3339 texts as instants."""
    return [datetime.fromisoformat(text) for text in texts]
