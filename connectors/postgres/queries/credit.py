"""The statements of ../sql/credit.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

_INSERT_GRANTS: Final[LiteralString] = """
INSERT INTO beaas.credit_grants (
    tenant_id, grant_id, customer_id, currency, amount_minor, remaining_minor, priority, granted_at, expires_at,
    invoice_id
)
SELECT g.tenant_id, g.grant_id, g.customer_id, g.currency, g.amount_minor, g.amount_minor, g.priority, g.granted_at,
    g.expires_at, g.invoice_id
FROM unnest(
    %(tenant_ids)b::text[], %(grant_ids)b::text[], %(customer_ids)b::text[], %(currencies)b::text[],
    %(amounts_minor)b::numeric[], %(priorities)b::integer[], %(granted_ats)b::timestamptz[],
    %(expires_ats)b::timestamptz[], %(invoice_ids)b::uuid[]
) WITH ORDINALITY AS g (
    tenant_id, grant_id, customer_id, currency, amount_minor, priority, granted_at, expires_at, invoice_id, place)
ORDER BY g.place
ON CONFLICT (tenant_id, grant_id) DO NOTHING
RETURNING tenant_id, grant_id
"""


@dataclass(frozen=True, slots=True)
class InsertGrants:
    """A row of `insert_grants`."""

    tenant_id: str
    grant_id: str


async def insert_grants(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    grant_ids: list[str],
    customer_ids: list[str],
    currencies: list[str],
    amounts_minor: list[Decimal] | list[int],
    priorities: list[int],
    granted_ats: list[datetime],
    expires_ats: list[datetime | None],
    invoice_ids: list[UUID | None],
) -> list[InsertGrants]:
    """The grants are there, whole; returns the ids of those that were not there before."""
    async with connection.cursor(row_factory=args_row(InsertGrants)) as cursor:
        await cursor.execute(
            _INSERT_GRANTS,
            {
                "tenant_ids": tenant_ids,
                "grant_ids": grant_ids,
                "customer_ids": customer_ids,
                "currencies": currencies,
                "amounts_minor": amounts_minor,
                "priorities": priorities,
                "granted_ats": granted_ats,
                "expires_ats": expires_ats,
                "invoice_ids": invoice_ids,
            },
        )
        return await cursor.fetchall()
