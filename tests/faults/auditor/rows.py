"""PostgreSQL as an outsider reads it: the views of `report`, and the outbox."""

import json
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import psycopg
from psycopg.rows import args_row
from psycopg.types.json import set_json_loads

from tests.faults.auditor.facts import BalanceRow, Facts, InvoiceRow, LetterRow, LineRow, OutboxRow, TotalRow

T = TypeVar("T")
INVOICES: Final = b"""
SELECT r.tenant, r.customer, r.subscription, r.number, r.currency, r.issued_at, r.subtotal, r.tax, r.total,
    r.credit_applied, r.amount_due, i.invoice_id::text
FROM report.invoices AS r JOIN beaas.invoices AS i ON i.tenant_id::text = r.tenant AND i.number = r.number
"""
LINES: Final = b"""
SELECT r.tenant, r.number, r.position, r.price, r.line_group, r.quantity, r.amount, r.period_start, r.period_end,
    r.adjustment, r.discount, r.kind, l.events, l.events_digest
FROM report.invoice_lines AS r
JOIN beaas.invoices AS i ON i.tenant_id::text = r.tenant AND i.number = r.number
JOIN beaas.invoice_lines AS l ON l.tenant_id = i.tenant_id AND l.invoice_id = i.invoice_id AND l.position = r.position
"""
BALANCES: Final = b"SELECT tenant, currency, account, debit, credit FROM report.trial_balance"
TOTALS: Final = b"""
SELECT tenant, customer, subscription, price, line_group, period_start, quantity, amount FROM report.usage_totals
"""
LETTERS: Final = b'SELECT tenant, reason, topic, "partition", "offset" FROM report.dead_letters'
OUTBOX: Final = b"SELECT sequence, id::text, aggregate_type, tenant_id || '/' || aggregate_id FROM beaas.billing_events"


def read_rows(environment: Mapping[str, str], facts: Facts) -> None:
    """The rows are among the facts, all of one moment."""
    with psycopg.connect(environment["BEAAS_POSTGRES_URL"]) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True

        set_json_loads(_group, connection)

        def rows(query: bytes, make: Callable[..., T]) -> list[T]:
            return connection.cursor(row_factory=args_row(make)).execute(query).fetchall()

        facts.invoices = rows(INVOICES, InvoiceRow)
        facts.lines = rows(LINES, LineRow)
        facts.balances = rows(BALANCES, BalanceRow)
        facts.totals = rows(TOTALS, TotalRow)
        facts.letter_rows = rows(LETTERS, LetterRow)
        facts.outbox = rows(OUTBOX, OutboxRow)


def _group(text: str | bytes) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(json.loads(text).items()))
