"""The statements of ../sql/invoicing.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

_INVOICED_STATEMENTS: Final[LiteralString] = """
SELECT i.tenant_id, i.statement_id
FROM beaas.invoices AS i
JOIN unnest(%(tenant_ids)b::text[], %(statement_ids)b::text[]) AS s (tenant_id, statement_id)
    ON i.tenant_id = s.tenant_id AND i.statement_id = s.statement_id
"""


@dataclass(frozen=True, slots=True)
class InvoicedStatements:
    """A row of `invoiced_statements`."""

    tenant_id: str
    statement_id: str


async def invoiced_statements(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], statement_ids: list[str]
) -> list[InvoicedStatements]:
    """Those of the statements that have an invoice."""
    async with connection.cursor(row_factory=args_row(InvoicedStatements)) as cursor:
        await cursor.execute(_INVOICED_STATEMENTS, {"tenant_ids": tenant_ids, "statement_ids": statement_ids})
        return await cursor.fetchall()


_OPEN_GRANTS: Final[LiteralString] = """
SELECT g.tenant_id, g.customer_id, g.grant_id, g.currency, g.remaining_minor, g.priority, g.granted_at, g.expires_at
FROM beaas.credit_grants AS g
JOIN unnest(%(tenant_ids)b::text[], %(customer_ids)b::text[]) AS a (tenant_id, customer_id)
    ON g.tenant_id = a.tenant_id AND g.customer_id = a.customer_id
WHERE g.remaining_minor > 0
ORDER BY g.granted_at, g.sequence
"""


@dataclass(frozen=True, slots=True)
class OpenGrants:
    """A row of `open_grants`."""

    tenant_id: str
    customer_id: str
    grant_id: str
    currency: str
    remaining_minor: Decimal
    priority: int
    granted_at: datetime
    expires_at: datetime | None


async def open_grants(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], customer_ids: list[str]
) -> list[OpenGrants]:
    """What is left of the customers' credit, in the order in which it was granted."""
    async with connection.cursor(row_factory=args_row(OpenGrants)) as cursor:
        await cursor.execute(_OPEN_GRANTS, {"tenant_ids": tenant_ids, "customer_ids": customer_ids})
        return await cursor.fetchall()


_TAKE_NUMBERS: Final[LiteralString] = """
INSERT INTO beaas.invoice_series AS s (tenant_id, last_number)
SELECT t.tenant_id, t.invoices
FROM unnest(%(tenant_ids)b::text[], %(counts)b::bigint[]) AS t (tenant_id, invoices)
ORDER BY t.tenant_id
ON CONFLICT (tenant_id) DO UPDATE SET last_number = s.last_number + excluded.last_number
RETURNING tenant_id, last_number
"""


@dataclass(frozen=True, slots=True)
class TakeNumbers:
    """A row of `take_numbers`."""

    tenant_id: str
    last_number: int


async def take_numbers(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], counts: list[int]
) -> list[TakeNumbers]:
    """Each tenant's series has moved on by its count; returns where it stands. Other takers wait for the commit."""
    async with connection.cursor(row_factory=args_row(TakeNumbers)) as cursor:
        await cursor.execute(_TAKE_NUMBERS, {"tenant_ids": tenant_ids, "counts": counts})
        return await cursor.fetchall()


_INSERT_INVOICES: Final[LiteralString] = """
WITH invoices AS (
    INSERT INTO beaas.invoices (
        tenant_id, invoice_id, statement_id, customer_id, subscription_id, plan_id, plan_version, series_position,
        currency, timezone, tax_percent, issued_at, subtotal_minor, tax_minor, total_minor, credit_applied_minor,
        amount_due_minor, command_id, correlation_id, journal_position, tzdata
    )
    SELECT * FROM unnest(
        %(tenant_ids)b::text[], %(invoice_ids)b::uuid[], %(statement_ids)b::text[], %(customer_ids)b::text[],
        %(subscription_ids)b::text[], %(plan_ids)b::text[], %(plan_versions)b::integer[],
        %(series_positions)b::bigint[], %(currencies)b::text[], %(timezones)b::text[], %(tax_percents)b::numeric[],
        %(issued_ats)b::timestamptz[], %(subtotals_minor)b::numeric[], %(taxes_minor)b::numeric[],
        %(totals_minor)b::numeric[], %(credits_applied_minor)b::numeric[], %(amounts_due_minor)b::numeric[],
        %(command_ids)b::text[], %(correlation_ids)b::text[], %(journal_positions)b::bigint[], %(tzdata)b::text[])
)
INSERT INTO beaas.invoice_lines (
    tenant_id, invoice_id, position, kind, price_id, line_group, quantity, amount_minor, period_start, period_end,
    taxable, events, discount_minor, events_digest
)
SELECT * FROM unnest(
    %(line_tenant_ids)b::text[], %(line_invoice_ids)b::uuid[], %(positions)b::integer[], %(kinds)b::text[],
    %(price_ids)b::text[], %(line_groups)b::jsonb[], %(quantities)b::numeric[], %(amounts_minor)b::numeric[],
    %(period_starts)b::timestamptz[], %(period_ends)b::timestamptz[], %(taxables)b::boolean[], %(events)b::bigint[],
    %(discounts_minor)b::numeric[], %(events_digests)b::bytea[]
)
"""


async def insert_invoices(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    invoice_ids: list[UUID],
    statement_ids: list[str],
    customer_ids: list[str],
    subscription_ids: list[str],
    plan_ids: list[str],
    plan_versions: list[int],
    series_positions: list[int],
    currencies: list[str],
    timezones: list[str],
    tax_percents: list[Decimal] | list[int],
    issued_ats: list[datetime],
    subtotals_minor: list[Decimal] | list[int],
    taxes_minor: list[Decimal] | list[int],
    totals_minor: list[Decimal] | list[int],
    credits_applied_minor: list[Decimal] | list[int],
    amounts_due_minor: list[Decimal] | list[int],
    command_ids: list[str],
    correlation_ids: list[str],
    journal_positions: list[int],
    tzdata: list[str],
    line_tenant_ids: list[str],
    line_invoice_ids: list[UUID],
    positions: list[int],
    kinds: list[str],
    price_ids: list[str],
    line_groups: list[str],
    quantities: list[Decimal] | list[int],
    amounts_minor: list[Decimal] | list[int],
    period_starts: list[datetime],
    period_ends: list[datetime],
    taxables: list[bool],
    events: list[int],
    discounts_minor: list[Decimal] | list[int],
    events_digests: list[bytes],
) -> None:
    """The invoices are there with their lines, final: in one statement, as the database wants it."""
    await connection.execute(
        _INSERT_INVOICES,
        {
            "tenant_ids": tenant_ids,
            "invoice_ids": invoice_ids,
            "statement_ids": statement_ids,
            "customer_ids": customer_ids,
            "subscription_ids": subscription_ids,
            "plan_ids": plan_ids,
            "plan_versions": plan_versions,
            "series_positions": series_positions,
            "currencies": currencies,
            "timezones": timezones,
            "tax_percents": tax_percents,
            "issued_ats": issued_ats,
            "subtotals_minor": subtotals_minor,
            "taxes_minor": taxes_minor,
            "totals_minor": totals_minor,
            "credits_applied_minor": credits_applied_minor,
            "amounts_due_minor": amounts_due_minor,
            "command_ids": command_ids,
            "correlation_ids": correlation_ids,
            "journal_positions": journal_positions,
            "tzdata": tzdata,
            "line_tenant_ids": line_tenant_ids,
            "line_invoice_ids": line_invoice_ids,
            "positions": positions,
            "kinds": kinds,
            "price_ids": price_ids,
            "line_groups": line_groups,
            "quantities": quantities,
            "amounts_minor": amounts_minor,
            "period_starts": period_starts,
            "period_ends": period_ends,
            "taxables": taxables,
            "events": events,
            "discounts_minor": discounts_minor,
            "events_digests": events_digests,
        },
    )


_BURN_CREDIT: Final[LiteralString] = """
WITH burned AS (
    INSERT INTO beaas.credit_burns (tenant_id, invoice_id, grant_id, amount_minor)
    SELECT * FROM unnest(
        %(tenant_ids)b::text[], %(invoice_ids)b::uuid[], %(grant_ids)b::text[], %(amounts_minor)b::numeric[])
    RETURNING tenant_id, grant_id, amount_minor
)
UPDATE beaas.credit_grants AS g SET remaining_minor = g.remaining_minor - b.amount_minor
FROM (
    SELECT tenant_id, grant_id, sum(amount_minor) AS amount_minor FROM burned GROUP BY tenant_id, grant_id
) AS b
WHERE g.tenant_id = b.tenant_id AND g.grant_id = b.grant_id
"""


async def burn_credit(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    invoice_ids: list[UUID],
    grant_ids: list[str],
    amounts_minor: list[Decimal] | list[int],
) -> None:
    """The grants have paid what they paid of the invoices."""
    await connection.execute(
        _BURN_CREDIT,
        {"tenant_ids": tenant_ids, "invoice_ids": invoice_ids, "grant_ids": grant_ids, "amounts_minor": amounts_minor},
    )


_SETTLE_COMMANDS: Final[LiteralString] = """
UPDATE beaas.journal_commands AS j SET settled_at = now(), refusal = s.refusal
FROM unnest(%(tenant_ids)b::text[], %(command_ids)b::uuid[], %(refusals)b::text[]) AS s (tenant_id, command_id, refusal)
WHERE j.tenant_id = s.tenant_id AND j.command_id = s.command_id AND j.settled_at IS NULL
"""


async def settle_commands(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], command_ids: list[UUID], refusals: list[str]
) -> None:
    """The commands are answered: what they caused is invoiced, there was nothing to invoice, or they were refused."""
    await connection.execute(
        _SETTLE_COMMANDS, {"tenant_ids": tenant_ids, "command_ids": command_ids, "refusals": refusals}
    )
