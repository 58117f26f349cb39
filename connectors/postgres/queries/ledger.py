"""The statements of ../sql/ledger.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

_INSERT_TRANSACTIONS: Final[LiteralString] = """
INSERT INTO beaas.ledger_transactions (
    tenant_id, transaction_id, customer_id, invoice_id, currency, posted_at, grant_id
)
SELECT * FROM unnest(
    %(tenant_ids)b::text[], %(transaction_ids)b::uuid[], %(customer_ids)b::text[], %(invoice_ids)b::uuid[],
    %(currencies)b::text[], %(posted_ats)b::timestamptz[], %(grant_ids)b::text[]
)
"""


async def insert_transactions(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    transaction_ids: list[UUID],
    customer_ids: list[str],
    invoice_ids: list[UUID | None],
    currencies: list[str],
    posted_ats: list[datetime],
    grant_ids: list[str | None],
) -> None:
    """The ledger transactions are there; their postings follow before the commit."""
    await connection.execute(
        _INSERT_TRANSACTIONS,
        {
            "tenant_ids": tenant_ids,
            "transaction_ids": transaction_ids,
            "customer_ids": customer_ids,
            "invoice_ids": invoice_ids,
            "currencies": currencies,
            "posted_ats": posted_ats,
            "grant_ids": grant_ids,
        },
    )


_INSERT_POSTINGS: Final[LiteralString] = """
INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)
SELECT * FROM unnest(
    %(tenant_ids)b::text[], %(transaction_ids)b::uuid[], %(positions)b::integer[], %(accounts)b::text[],
    %(amounts_minor)b::numeric[]
)
"""


async def insert_postings(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    transaction_ids: list[UUID],
    positions: list[int],
    accounts: list[str],
    amounts_minor: list[Decimal] | list[int],
) -> None:
    """The postings stand in their transactions."""
    await connection.execute(
        _INSERT_POSTINGS,
        {
            "tenant_ids": tenant_ids,
            "transaction_ids": transaction_ids,
            "positions": positions,
            "accounts": accounts,
            "amounts_minor": amounts_minor,
        },
    )


_INSERT_ENTRIES: Final[LiteralString] = """
WITH transactions AS (
    INSERT INTO beaas.ledger_transactions (tenant_id, transaction_id, customer_id, invoice_id, currency, posted_at)
    SELECT * FROM unnest(
        %(tenant_ids)b::text[], %(transaction_ids)b::uuid[], %(customer_ids)b::text[], %(invoice_ids)b::uuid[],
        %(currencies)b::text[], %(posted_ats)b::timestamptz[])
)
INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)
SELECT * FROM unnest(
    %(posting_tenant_ids)b::text[], %(posting_transaction_ids)b::uuid[], %(positions)b::integer[],
    %(accounts)b::text[], %(amounts_minor)b::numeric[]
)
"""


async def insert_entries(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    transaction_ids: list[UUID],
    customer_ids: list[str],
    invoice_ids: list[UUID],
    currencies: list[str],
    posted_ats: list[datetime],
    posting_tenant_ids: list[str],
    posting_transaction_ids: list[UUID],
    positions: list[int],
    accounts: list[str],
    amounts_minor: list[Decimal] | list[int],
) -> None:
    """The transactions of invoices are there with their postings: in one statement, as the database wants it."""
    await connection.execute(
        _INSERT_ENTRIES,
        {
            "tenant_ids": tenant_ids,
            "transaction_ids": transaction_ids,
            "customer_ids": customer_ids,
            "invoice_ids": invoice_ids,
            "currencies": currencies,
            "posted_ats": posted_ats,
            "posting_tenant_ids": posting_tenant_ids,
            "posting_transaction_ids": posting_transaction_ids,
            "positions": positions,
            "accounts": accounts,
            "amounts_minor": amounts_minor,
        },
    )
