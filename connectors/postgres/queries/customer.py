"""The statements of ../sql/customer.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: D205 - a long promise is wrapped

from dataclasses import dataclass
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import args_row

_CUSTOMERS_OF: Final[LiteralString] = """
SELECT tenant_id, customer_id, name
FROM beaas.customers
WHERE (tenant_id, customer_id) IN (SELECT * FROM unnest(%(tenant_ids)b::text[], %(customer_ids)b::text[]))
ORDER BY tenant_id, customer_id
FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class CustomersOf:
    """A row of `customers_of`."""

    tenant_id: str
    customer_id: str
    name: str


async def customers_of(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], customer_ids: list[str]
) -> list[CustomersOf]:
    """Those of the named customers that exist, their accounts locked as `lock_accounts` does."""
    async with connection.cursor(row_factory=args_row(CustomersOf)) as cursor:
        await cursor.execute(_CUSTOMERS_OF, {"tenant_ids": tenant_ids, "customer_ids": customer_ids})
        return await cursor.fetchall()


_SAVE_CUSTOMERS: Final[LiteralString] = """
INSERT INTO beaas.customers (tenant_id, customer_id, name)
SELECT * FROM unnest(%(tenant_ids)b::text[], %(customer_ids)b::text[], %(names)b::text[])
ON CONFLICT (tenant_id, customer_id) DO UPDATE SET name = excluded.name, updated_at = now()
"""


async def save_customers(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], customer_ids: list[str], names: list[str]
) -> None:
    """Creates customers or changes their names."""
    await connection.execute(_SAVE_CUSTOMERS, {"tenant_ids": tenant_ids, "customer_ids": customer_ids, "names": names})


_LOCK_ACCOUNTS: Final[LiteralString] = """
SELECT tenant_id, customer_id
FROM beaas.customers
WHERE (tenant_id, customer_id) IN (SELECT * FROM unnest(%(tenant_ids)b::text[], %(customer_ids)b::text[]))
ORDER BY tenant_id, customer_id
FOR NO KEY UPDATE
"""


@dataclass(frozen=True, slots=True)
class LockAccounts:
    """A row of `lock_accounts`."""

    tenant_id: str
    customer_id: str


async def lock_accounts(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], customer_ids: list[str]
) -> list[LockAccounts]:
    """Locks accounts, in one order for everybody, until the transaction ends; returns those that exist. Whoever
    commands something of an account holds its lock, so `sequence` follows the order of commits.
    """
    async with connection.cursor(row_factory=args_row(LockAccounts)) as cursor:
        await cursor.execute(_LOCK_ACCOUNTS, {"tenant_ids": tenant_ids, "customer_ids": customer_ids})
        return await cursor.fetchall()
