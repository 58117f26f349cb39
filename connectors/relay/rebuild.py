"""A shard without a usable slot is read from the table: its first start, and what saves a lost slot.

Rows stay in the table until they are confirmed, so the table holds all that a lost slot would have sent. The order of
the steps makes it safe to die anywhere: the shard's slot comes into being only when the whole table is on the bus.

1. A temporary slot is made: from here on the log is kept. It goes with its session, and its name keeps others away.
2. All rows of the shard are published in the order of their sequence. Events of one aggregate have it in the order of
   their transactions, because whoever writes them has locked the aggregate, or the scheduler's rounds.
3. The temporary slot is copied to the shard's name. What committed since step 1 comes again, from the log.

Most of these events were on the bus before: consumers know a repeat by its `ce_id`.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Final

import psycopg
import structlog
from psycopg import sql

from connectors.relay.errors import SlotBusy, WrongSetup
from connectors.relay.layout import COLUMNS, TABLE_NAME, TABLE_SCHEMA, Row
from connectors.relay.slots import PLUGIN, Connection, Shard, SlotState, drop_slot, inspect_slot

Publish = Callable[[list[Row]], Awaitable[None]]


# Only this role sees all tenants' rows: forced row security would show the owner an empty table.
_AS_READER: Final = "SET LOCAL ROLE beaas_service"

_log = structlog.get_logger(__name__)


async def rebuild_slot(
    connection: Connection, shard: Shard, publish: Publish, *, max_events: int, max_bytes: int
) -> int:
    """The shard has a usable slot, and every row that was in the table is published; returns how many.

    Args:
        connection: in autocommit, with the replication attribute; used by nobody else meanwhile.
        shard: whose publication is there already.
        publish: returns when the rows are durable.
        max_events: of one call of `publish`.
        max_bytes: of one call of `publish`, about.

    Raises:
        SlotBusy: another relay rebuilds the shard.
    """
    try:
        await connection.execute(
            "SELECT pg_create_logical_replication_slot(%s, %s, true)", [shard.rebuilding_slot, PLUGIN]
        )
    except psycopg.errors.DuplicateObject as error:
        raise SlotBusy(f"slot {shard.rebuilding_slot} exists: another relay rebuilds the shard.") from error
    except psycopg.errors.ConfigurationLimitExceeded as error:
        raise WrongSetup(f"PostgreSQL has no slot left ({error}): raise max_replication_slots.") from error
    except psycopg.errors.ObjectNotInPrerequisiteState as error:
        raise WrongSetup(f"PostgreSQL makes no slot ({error}): set wal_level = logical and restart it.") from error
    try:
        return await _republish(connection, shard, publish, max_events=max_events, max_bytes=max_bytes)
    finally:
        if not connection.closed:
            await drop_slot(connection, shard.rebuilding_slot)


async def _republish(connection: Connection, shard: Shard, publish: Publish, *, max_events: int, max_bytes: int) -> int:
    found = await inspect_slot(connection, shard)
    if found.is_usable:  # another relay was quicker
        return 0
    published = 0
    async with aclosing(_batches(connection, shard, max_events=max_events, max_bytes=max_bytes)) as batches:
        async for rows in batches:
            await publish(rows)
            published += len(rows)
    if found.state is SlotState.LOST:
        await drop_slot(connection, shard.slot)
    await connection.execute(
        "SELECT pg_copy_logical_replication_slot(%s, %s, false)", [shard.rebuilding_slot, shard.slot]
    )
    _log.warning(
        "relay.rebuilt",
        shard=shard.number,
        slot=shard.slot,
        was=found.state.value,
        reason=found.reason,
        republished=published,
    )
    return published


async def _batches(
    connection: Connection, shard: Shard, *, max_events: int, max_bytes: int
) -> AsyncGenerator[list[Row], None]:
    rows: list[Row] = []
    size = 0
    async with aclosing(_rows(connection, shard)) as found:
        async for row in found:
            rows.append(row)
            size += sum(map(len, row))
            if len(rows) >= max_events or size >= max_bytes:
                yield rows
                rows, size = [], 0
    if rows:
        yield rows


async def _rows(connection: Connection, shard: Shard) -> AsyncGenerator[Row, None]:
    """All rows of the shard as the stream would send them: binary columns, by sequence."""
    query = sql.SQL("COPY (SELECT {} FROM {} WHERE shard = {} ORDER BY sequence) TO STDOUT (FORMAT binary)").format(
        sql.SQL(COLUMNS), sql.Identifier(TABLE_SCHEMA, TABLE_NAME), sql.Literal(shard.number)
    )
    async with connection.transaction(), connection.cursor() as cursor:
        await cursor.execute(_AS_READER)
        async with cursor.copy(query) as copy:
            async for row in copy.rows():
                yield row
