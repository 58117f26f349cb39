"""The statements of ../sql/report.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: D205 - a long promise is wrapped

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import args_row

_SETTLED_TENANTS: Final[LiteralString] = """
SELECT t.tenant_id,
    (SELECT min(s.next_due_at) FROM beaas.subscriptions AS s WHERE s.tenant_id = t.tenant_id) AS next_due_at
FROM beaas.tenants AS t
WHERE t.tenant_id = ANY(%(tenant_ids)b::text[])
AND NOT EXISTS (
    SELECT FROM beaas.journal_commands AS c WHERE c.tenant_id = t.tenant_id AND c.settled_at IS NULL)
AND NOT EXISTS (
    SELECT FROM beaas.subscriptions AS s WHERE s.tenant_id = t.tenant_id AND s.next_due_at <= t.test_clock)
"""


@dataclass(frozen=True, slots=True)
class SettledTenants:
    """A row of `settled_tenants`."""

    tenant_id: str
    next_due_at: datetime | None


async def settled_tenants(connection: AsyncConnection[Any], *, tenant_ids: list[str]) -> list[SettledTenants]:
    """Those of the tenants of which nothing is due by their test clocks and every command is settled, with the
    moment at which something falls due next.
    """
    async with connection.cursor(row_factory=args_row(SettledTenants)) as cursor:
        await cursor.execute(_SETTLED_TENANTS, {"tenant_ids": tenant_ids})
        return await cursor.fetchall()


_INVOICES_OF: Final[LiteralString] = """
SELECT number, customer, subscription, issued_at, subtotal, tax, total, credit_applied, amount_due
FROM report.invoices
WHERE tenant = %(tenant)s
ORDER BY number
"""


@dataclass(frozen=True, slots=True)
class InvoicesOf:
    """A row of `invoices_of`."""

    number: str
    customer: str
    subscription: str
    issued_at: datetime
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    credit_applied: Decimal
    amount_due: Decimal


async def invoices_of(connection: AsyncConnection[Any], *, tenant: str) -> list[InvoicesOf]:
    """The tenant's invoices in the order of their numbers."""
    async with connection.cursor(row_factory=args_row(InvoicesOf)) as cursor:
        await cursor.execute(_INVOICES_OF, {"tenant": tenant})
        return await cursor.fetchall()


_INVOICE_LINES_OF: Final[LiteralString] = """
SELECT number, price, line_group, quantity, amount, period_start, period_end, adjustment, kind, discount
FROM report.invoice_lines
WHERE tenant = %(tenant)s
ORDER BY number, position
"""


@dataclass(frozen=True, slots=True)
class InvoiceLinesOf:
    """A row of `invoice_lines_of`."""

    number: str
    price: str
    line_group: str
    quantity: Decimal
    amount: Decimal
    period_start: datetime
    period_end: datetime
    adjustment: bool
    kind: str
    discount: Decimal


async def invoice_lines_of(connection: AsyncConnection[Any], *, tenant: str) -> list[InvoiceLinesOf]:
    """The lines of the tenant's invoices, invoice by invoice in their order."""
    async with connection.cursor(row_factory=args_row(InvoiceLinesOf)) as cursor:
        await cursor.execute(_INVOICE_LINES_OF, {"tenant": tenant})
        return await cursor.fetchall()


_CREDIT_OF: Final[LiteralString] = """
SELECT customer, balance
FROM report.credit
WHERE tenant = %(tenant)s
"""


@dataclass(frozen=True, slots=True)
class CreditOf:
    """A row of `credit_of`."""

    customer: str
    balance: Decimal


async def credit_of(connection: AsyncConnection[Any], *, tenant: str) -> list[CreditOf]:
    """What credit the tenant's customers have left."""
    async with connection.cursor(row_factory=args_row(CreditOf)) as cursor:
        await cursor.execute(_CREDIT_OF, {"tenant": tenant})
        return await cursor.fetchall()


_REFUSALS_OF: Final[LiteralString] = """
SELECT reason, count(*) AS records
FROM report.dead_letters
WHERE tenant = %(tenant)s
GROUP BY reason
ORDER BY reason
"""


@dataclass(frozen=True, slots=True)
class RefusalsOf:
    """A row of `refusals_of`."""

    reason: str
    records: int


async def refusals_of(connection: AsyncConnection[Any], *, tenant: str) -> list[RefusalsOf]:
    """Why records of the tenant became dead letters."""
    async with connection.cursor(row_factory=args_row(RefusalsOf)) as cursor:
        await cursor.execute(_REFUSALS_OF, {"tenant": tenant})
        return await cursor.fetchall()
