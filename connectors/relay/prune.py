"""Deletes old rows of the outbox, and only those that are on the bus.

How it knows: rows are picked first, the end of the log is noted after. A picked row was visible, so its transaction
ended before the noted position; once the slot's confirmed position has passed that, the row has been carried. A shard
without a usable slot is never pruned: it is rebuilt from these rows.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from connectors.relay.slots import Connection, Shard, inspect_slot

_LOOK_AGAIN_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Retention:
    """How carried rows are deleted.

    Attributes:
        keep: how long they stay.
        batch_rows: how many are deleted at a time.
        interval_s: how long to wait after a batch that was not full.
        confirmed_within_s: how long to wait for the slot to confirm what was picked.
    """

    keep: timedelta = timedelta(days=7)
    batch_rows: int = 5_000
    interval_s: float = 60.0
    confirmed_within_s: float = 10.0


_PICK: Final = """
SELECT id FROM beaas.billing_events WHERE shard = %s AND created_at < now() - %s LIMIT %s
"""
_AS_READER: Final = "SET LOCAL ROLE beaas_service"
_DELETE: Final = "DELETE FROM beaas.billing_events WHERE id = ANY(%s)"
_END_OF_LOG: Final = "SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint"


async def prune(connection: Connection, shard: Shard, retention: Retention) -> int:
    """Deletes one batch of carried rows that are older than the retention; returns how many.

    Returns 0 where nothing is old enough, or the slot does not confirm in time.
    """
    picked = await _pick(connection, shard, retention)
    if not picked or not await _is_carried(connection, shard, retention.confirmed_within_s):
        return 0
    async with connection.transaction():
        await connection.execute(_AS_READER)
        return (await connection.execute(_DELETE, [picked])).rowcount


async def _pick(connection: Connection, shard: Shard, retention: Retention) -> list[UUID]:
    async with connection.transaction():
        await connection.execute(_AS_READER)
        rows = await (await connection.execute(_PICK, [shard.number, retention.keep, retention.batch_rows])).fetchall()
    return [event_id for (event_id,) in rows]


async def _is_carried(connection: Connection, shard: Shard, within_s: float) -> bool:
    """Waits until the slot has confirmed all that is in the log now; false if it does not in time."""
    row = await (await connection.execute(_END_OF_LOG)).fetchone()
    assert row is not None
    noted = row[0]
    try:
        async with asyncio.timeout(within_s):
            while True:
                health = await inspect_slot(connection, shard)
                if not health.is_usable:
                    return False
                if health.confirmed_lsn >= noted:
                    return True
                await asyncio.sleep(_LOOK_AGAIN_S)
    except TimeoutError:
        return False
