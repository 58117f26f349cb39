"""Publications and slots of the shards: their names, how they stand, and that they are there."""

import hashlib
import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow, class_row

from connectors.relay.errors import SlotBusy, Unreachable, WrongSetup
from connectors.relay.layout import TABLE_NAME, TABLE_SCHEMA

Connection = psycopg.AsyncConnection[TupleRow]


PLUGIN: Final = "pgoutput"
_PREFIX: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")
_SLUG_LENGTH: Final = 32
_MAX_SHARD: Final = 32_767  # the column is a smallint


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of the outbox; its slot and its publication have one name."""

    number: int
    slot: str

    @property
    def publication(self) -> str:
        """The publication that the slot is read with."""
        return self.slot

    @property
    def rebuilding_slot(self) -> str:
        """The temporary slot of whoever rebuilds the shard; that it exists keeps others from doing the same."""
        return f"{self.slot}_rebuild"


def shard_of(topic_prefix: str, number: int) -> Shard:
    """Returns the shard's names: `beaas_relay_0` for prefix `beaas.`; no two prefixes share a name.

    Raises:
        WrongSetup: the prefix or the number cannot be.
    """
    if not _PREFIX.fullmatch(topic_prefix) or not 0 <= number <= _MAX_SHARD:
        raise WrongSetup(
            f"shard {number} of topic prefix {topic_prefix!r}: a prefix holds letters, digits, '.', '_' and '-', "
            f"and shards count from 0 to {_MAX_SHARD}."
        )
    slug = re.sub(r"[^a-z0-9]", "_", topic_prefix.removesuffix(".").lower())[:_SLUG_LENGTH]
    if f"{slug}." != topic_prefix or not slug[0].isalpha() or slug.startswith("p_"):
        slug = f"p_{slug}_{hashlib.blake2b(topic_prefix.encode(), digest_size=4).hexdigest()}"
    return Shard(number, f"{slug}_relay_{number}")


class SlotState(Enum):
    """How a slot stands."""

    MISSING = "missing"
    """There is none: the shard was never read, or the slot was dropped."""
    LOST = "lost"
    """PostgreSQL has removed log that the slot needed; it will never stream again."""
    IDLE = "idle"
    """Nobody reads it."""
    STREAMING = "streaming"
    """A relay reads it."""


@dataclass(frozen=True, slots=True)
class SlotHealth:
    """One slot at one moment.

    Attributes:
        slot: its name.
        state: whether it can be read, and is.
        wal_status: PostgreSQL's word: `reserved`, `extended`, `unreserved` (about to be lost), `lost`; None if missing.
        reason: why it was invalidated, such as `wal_removed`.
        lag_bytes: log written since the confirmed position, of all tables.
        safe_wal_size_bytes: how much may still be written before the slot is in danger; None without a limit.
        confirmed_lsn: everything that committed up to here is on the bus.
    """

    slot: str
    state: SlotState
    wal_status: str | None = None
    reason: str | None = None
    lag_bytes: int = 0
    safe_wal_size_bytes: int | None = None
    confirmed_lsn: int = 0

    @property
    def is_usable(self) -> bool:
        """Whether the slot goes on where it was."""
        return self.state in (SlotState.IDLE, SlotState.STREAMING)


async def connect(postgres_url: str) -> Connection:
    """Returns an ordinary connection for looking after slots, in autocommit.

    Raises:
        Unreachable: PostgreSQL does not answer.
    """
    try:
        return await psycopg.AsyncConnection.connect(postgres_url, autocommit=True)
    except psycopg.OperationalError as error:
        raise Unreachable(f"PostgreSQL does not answer: {error}") from error


_HEALTH: Final = """
SELECT slot_name::text AS slot,
       active,
       wal_status,
       invalidation_reason AS reason,
       coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn), 0)::bigint AS lag_bytes,
       safe_wal_size AS safe_wal_size_bytes,
       coalesce(confirmed_flush_lsn - '0/0'::pg_lsn, 0)::bigint AS confirmed_lsn
  FROM pg_replication_slots
 WHERE slot_name = %(slot)s AND NOT temporary
"""


@dataclass(frozen=True, slots=True)
class _SlotRow:
    slot: str
    active: bool
    wal_status: str | None
    reason: str | None
    lag_bytes: int
    safe_wal_size_bytes: int | None
    confirmed_lsn: int


async def inspect_slot(connection: Connection, shard: Shard) -> SlotHealth:
    """Returns how the shard's slot stands."""
    async with connection.cursor(row_factory=class_row(_SlotRow)) as cursor:
        row = await (await cursor.execute(_HEALTH, {"slot": shard.slot})).fetchone()
    if row is None:
        return SlotHealth(shard.slot, SlotState.MISSING)
    lost = row.wal_status == "lost" or row.reason is not None
    state = SlotState.LOST if lost else SlotState.STREAMING if row.active else SlotState.IDLE
    return SlotHealth(
        slot=row.slot,
        state=state,
        wal_status=row.wal_status,
        reason=row.reason,
        lag_bytes=max(row.lag_bytes, 0),
        safe_wal_size_bytes=row.safe_wal_size_bytes,
        confirmed_lsn=row.confirmed_lsn,
    )


_OLDEST: Final = """
SELECT 946684800 + (('x' || encode(substring(change FROM 10 FOR 8), 'hex'))::bit(64)::bigint)::double precision / 1e6
  FROM pg_logical_slot_peek_binary_changes(
           %(slot)s, NULL, 1, 'proto_version', '1', 'publication_names', %(publication)s) AS peeked (lsn, xid, change)
 WHERE get_byte(change, 0) = 66  -- 'B', a transaction's beginning: commit position, then commit time
 LIMIT 1
"""


async def oldest_unconfirmed_s(connection: Connection, shard: Shard) -> float | None:
    """Returns when the oldest event that is not confirmed committed, in seconds since 1970; None if there is none.

    For a slot that nobody reads; what a running relay holds stands in its metrics. Costs the decoding of the log up to
    the first event.

    Raises:
        SlotBusy: a relay reads the slot.
    """
    try:
        cursor = await connection.execute(_OLDEST, {"slot": shard.slot, "publication": shard.publication})
    except psycopg.errors.ObjectInUse as error:
        raise SlotBusy(f"slot {shard.slot} is being read: ask the metrics of its relay.") from error
    row = await cursor.fetchone()
    return None if row is None else float(str(row[0]))


async def ensure_publication(connection: Connection, shard: Shard) -> None:
    """The shard's publication is there: inserts of its rows only.

    Raises:
        WrongSetup: one of this name publishes something else, or the table is missing.
    """
    if await _is_published(connection, shard):
        return
    try:
        await connection.execute(
            sql.SQL("CREATE PUBLICATION {} FOR TABLE {} WHERE (shard = {}) WITH (publish = 'insert')").format(
                sql.Identifier(shard.publication), sql.Identifier(TABLE_SCHEMA, TABLE_NAME), sql.Literal(shard.number)
            )
        )
    except (psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
        await _is_published(connection, shard)  # another relay was quicker
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise WrongSetup(f"there is no table {TABLE_SCHEMA}.{TABLE_NAME}: run the migrations first.") from error


_PUBLISHED: Final = """
SELECT p.pubinsert, p.pubupdate OR p.pubdelete OR p.pubtruncate OR p.puballtables,
       t.schemaname, t.tablename, t.rowfilter
  FROM pg_publication p LEFT JOIN pg_publication_tables t USING (pubname)
 WHERE p.pubname = %(publication)s
"""


async def _is_published(connection: Connection, shard: Shard) -> bool:
    found = await (await connection.execute(_PUBLISHED, {"publication": shard.publication})).fetchall()
    if found and found != [(True, False, TABLE_SCHEMA, TABLE_NAME, f"(shard = {shard.number})")]:
        raise WrongSetup(
            f"publication {shard.publication} is not the relay's ({found}): drop it, or choose another topic prefix."
        )
    return bool(found)


async def drop_slot(connection: Connection, slot: str) -> None:
    """The slot is gone; one that was not there is no error.

    Raises:
        SlotBusy: somebody reads it.
    """
    try:
        await connection.execute(
            "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s", [slot]
        )
    except psycopg.errors.ObjectInUse as error:
        raise SlotBusy(f"slot {slot} is being read: stop that relay first.") from error
    except psycopg.errors.UndefinedObject:
        pass  # gone between the two
