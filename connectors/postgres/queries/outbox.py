"""The statements of ../sql/outbox.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

_SET_TENANT: Final[LiteralString] = """
SELECT set_config('beaas.tenant_id', %(tenant_id)s, true) AS tenant_id
"""


@dataclass(frozen=True, slots=True)
class SetTenant:
    """A row of `set_tenant`."""

    tenant_id: str


async def set_tenant(connection: AsyncConnection[Any], *, tenant_id: str) -> SetTenant | None:
    """Row-level security shows beaas_api this tenant until the transaction ends; none for the empty string."""
    async with connection.cursor(row_factory=args_row(SetTenant)) as cursor:
        await cursor.execute(_SET_TENANT, {"tenant_id": tenant_id})
        return await cursor.fetchone()


_INSERT_EVENTS: Final[LiteralString] = """
INSERT INTO beaas.billing_events (
    id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, traceparent, occurred_at,
    shard
)
SELECT id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, traceparent,
    occurred_at, shard
FROM unnest(
    %(ids)b::uuid[], %(aggregate_types)b::text[], %(aggregate_ids)b::text[], %(types)b::text[], %(tenant_ids)b::text[],
    %(payloads)b::bytea[], %(correlation_ids)b::text[], %(causation_ids)b::text[], %(traceparents)b::text[],
    %(occurred_ats)b::timestamptz[], %(shards)b::smallint[]
) WITH ORDINALITY AS given (
    id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, traceparent, occurred_at,
    shard, place
)
ORDER BY place
"""


async def insert_events(
    connection: AsyncConnection[Any],
    *,
    ids: list[UUID],
    aggregate_types: list[str],
    aggregate_ids: list[str],
    types: list[str],
    tenant_ids: list[str],
    payloads: list[bytes],
    correlation_ids: list[str],
    causation_ids: list[str],
    traceparents: list[str],
    occurred_ats: list[datetime],
    shards: list[int],
) -> None:
    """The events are in the outbox, in the order given."""
    await connection.execute(
        _INSERT_EVENTS,
        {
            "ids": ids,
            "aggregate_types": aggregate_types,
            "aggregate_ids": aggregate_ids,
            "types": types,
            "tenant_ids": tenant_ids,
            "payloads": payloads,
            "correlation_ids": correlation_ids,
            "causation_ids": causation_ids,
            "traceparents": traceparents,
            "occurred_ats": occurred_ats,
            "shards": shards,
        },
    )
