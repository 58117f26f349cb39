"""The statements of ../sql/schedule.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: D205 - a long promise is wrapped

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

_TRY_TO_LEAD: Final[LiteralString] = """
SELECT pg_try_advisory_lock(hashtextextended('beaas.scheduler', 0)) AS leads
"""


@dataclass(frozen=True, slots=True)
class TryToLead:
    """A row of `try_to_lead`."""

    leads: bool


async def try_to_lead(connection: AsyncConnection[Any]) -> TryToLead | None:
    """Whether this session is the one scheduler now; it stays so until the session ends."""
    async with connection.cursor(row_factory=args_row(TryToLead)) as cursor:
        await cursor.execute(_TRY_TO_LEAD)
        return await cursor.fetchone()


_SERIALIZE_ROUNDS: Final[LiteralString] = """
SELECT FROM pg_advisory_xact_lock(hashtextextended('beaas.scheduler.round', 0))
"""


async def serialize_rounds(connection: AsyncConnection[Any]) -> None:
    """Lets one scheduler's transaction run at a time: one that lost its lead without knowing can't come between."""
    await connection.execute(_SERIALIZE_ROUNDS)


_LISTEN: Final[LiteralString] = """
LISTEN beaas_scheduler
"""


async def listen(connection: AsyncConnection[Any]) -> None:
    """Tells this session, from now on, when the scheduler is woken."""
    await connection.execute(_LISTEN)


_WAKE_SCHEDULER: Final[LiteralString] = """
SELECT FROM pg_notify('beaas_scheduler', '')
"""


async def wake_scheduler(connection: AsyncConnection[Any]) -> None:
    """Wakes the scheduler once this transaction is committed."""
    await connection.execute(_WAKE_SCHEDULER)


_APPEND_COMMANDS: Final[LiteralString] = """
INSERT INTO beaas.journal_commands (
    tenant_id, command_id, customer_id, subscription_id, kind, at, payload, barrier, correlation_id, causation_id)
SELECT tenant_id, command_id, customer_id, subscription_id, kind, at, payload, barrier, correlation_id, causation_id
FROM unnest(
    %(tenant_ids)b::text[], %(command_ids)b::uuid[], %(customer_ids)b::text[], %(subscription_ids)b::text[],
    %(kinds)b::text[], %(ats)b::timestamptz[], %(payloads)b::bytea[], %(barriers)b::boolean[],
    %(correlation_ids)b::text[], %(causation_ids)b::text[])
    WITH ORDINALITY AS given (
        tenant_id, command_id, customer_id, subscription_id, kind, at, payload, barrier, correlation_id, causation_id,
        position)
ORDER BY position
"""


async def append_commands(
    connection: AsyncConnection[Any],
    *,
    tenant_ids: list[str],
    command_ids: list[UUID],
    customer_ids: list[str],
    subscription_ids: list[str | None],
    kinds: list[str],
    ats: list[datetime],
    payloads: list[bytes],
    barriers: list[bool],
    correlation_ids: list[str],
    causation_ids: list[str],
) -> None:
    """Adds commands, in this order, behind every other of their accounts."""
    await connection.execute(
        _APPEND_COMMANDS,
        {
            "tenant_ids": tenant_ids,
            "command_ids": command_ids,
            "customer_ids": customer_ids,
            "subscription_ids": subscription_ids,
            "kinds": kinds,
            "ats": ats,
            "payloads": payloads,
            "barriers": barriers,
            "correlation_ids": correlation_ids,
            "causation_ids": causation_ids,
        },
    )


_COMMAND_BY_ID: Final[LiteralString] = """
SELECT sequence::bigint AS sequence FROM beaas.journal_commands
WHERE tenant_id = %(tenant_id)s AND command_id = %(command_id)s
"""


@dataclass(frozen=True, slots=True)
class CommandById:
    """A row of `command_by_id`."""

    sequence: int


async def command_by_id(connection: AsyncConnection[Any], *, tenant_id: str, command_id: UUID) -> CommandById | None:
    """The command, if there is one."""
    async with connection.cursor(row_factory=args_row(CommandById)) as cursor:
        await cursor.execute(_COMMAND_BY_ID, {"tenant_id": tenant_id, "command_id": command_id})
        return await cursor.fetchone()


_RECORD_TICKS: Final[LiteralString] = """
INSERT INTO beaas.ticks (tenant_id, job, due_at)
SELECT * FROM unnest(%(tenant_ids)b::text[], %(jobs)b::text[], %(due_ats)b::timestamptz[])
"""


async def record_ticks(
    connection: AsyncConnection[Any], *, tenant_ids: list[str], jobs: list[str], due_ats: list[datetime]
) -> None:
    """Notes that these jobs ran for these moments; a moment that was noted before is refused as not unique."""
    await connection.execute(_RECORD_TICKS, {"tenant_ids": tenant_ids, "jobs": jobs, "due_ats": due_ats})


_UNNOTED_COMMANDS: Final[LiteralString] = """
SELECT tenant_id, command_id
FROM beaas.journal_commands
WHERE released_at IS NULL AND barrier AND noted_at IS NULL
ORDER BY sequence
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class UnnotedCommands:
    """A row of `unnoted_commands`."""

    tenant_id: str
    command_id: UUID


async def unnoted_commands(connection: AsyncConnection[Any], *, most: int) -> list[UnnotedCommands]:
    """The commands, committed by now, for which no offsets are noted yet."""
    async with connection.cursor(row_factory=args_row(UnnotedCommands)) as cursor:
        await cursor.execute(_UNNOTED_COMMANDS, {"most": most})
        return await cursor.fetchall()


_NOTE_COMMANDS: Final[LiteralString] = """
UPDATE beaas.journal_commands
SET noted_at = %(noted_at)s, noted_offsets = %(offsets)s::text::jsonb
WHERE tenant_id = ANY(%(tenant_ids)b::text[]) AND command_id = ANY(%(command_ids)b::uuid[])
AND noted_at IS NULL AND released_at IS NULL
"""


async def note_commands(
    connection: AsyncConnection[Any],
    *,
    noted_at: datetime,
    offsets: str,
    tenant_ids: list[str],
    command_ids: list[UUID],
) -> int:
    """Notes the offsets that intake has to pass for exactly these commands, whose ids no two tenants share."""
    cursor = await connection.execute(
        _NOTE_COMMANDS, {"noted_at": noted_at, "offsets": offsets, "tenant_ids": tenant_ids, "command_ids": command_ids}
    )
    return cursor.rowcount


_NOTED_OFFSETS: Final[LiteralString] = """
SELECT DISTINCT noted_at::timestamptz AS noted_at, noted_offsets::jsonb AS offsets
FROM beaas.journal_commands
WHERE released_at IS NULL AND noted_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class NotedOffsets:
    """A row of `noted_offsets`."""

    noted_at: datetime
    offsets: str


async def noted_offsets(connection: AsyncConnection[Any]) -> list[NotedOffsets]:
    """The different offsets that commands still wait for."""
    async with connection.cursor(row_factory=args_row(NotedOffsets)) as cursor:
        await cursor.execute(_NOTED_OFFSETS)
        return await cursor.fetchall()


_RELEASABLE_COMMANDS: Final[LiteralString] = """
WITH held AS (
    SELECT tenant_id, customer_id, min(sequence) AS sequence
    FROM beaas.journal_commands
    WHERE released_at IS NULL AND barrier AND NOT coalesce(noted_at = ANY(%(passed)b::timestamptz[]), false)
    GROUP BY tenant_id, customer_id
)
SELECT c.tenant_id, c.command_id, c.customer_id, c.kind, c.at, c.payload, c.correlation_id, c.causation_id
FROM beaas.journal_commands AS c
LEFT JOIN held AS h USING (tenant_id, customer_id)
WHERE c.released_at IS NULL AND (h.sequence IS NULL OR c.sequence < h.sequence)
ORDER BY c.sequence
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class ReleasableCommands:
    """A row of `releasable_commands`."""

    tenant_id: str
    command_id: UUID
    customer_id: str
    kind: str
    at: datetime
    payload: bytes
    correlation_id: str
    causation_id: str


async def releasable_commands(
    connection: AsyncConnection[Any], *, passed: list[datetime], most: int
) -> list[ReleasableCommands]:
    """The next commands with nothing of their account before them that still has to wait, in their order. `passed`
    names the notes that intake has passed.
    """
    async with connection.cursor(row_factory=args_row(ReleasableCommands)) as cursor:
        await cursor.execute(_RELEASABLE_COMMANDS, {"passed": passed, "most": most})
        return await cursor.fetchall()


_MARK_RELEASED: Final[LiteralString] = """
UPDATE beaas.journal_commands
SET released_at = %(released_at)s,
    settled_at = CASE WHEN kind = 'UsageVoided' THEN %(released_at)s ELSE settled_at END
WHERE tenant_id = ANY(%(tenant_ids)b::text[]) AND command_id = ANY(%(command_ids)b::uuid[])
AND released_at IS NULL
"""


async def mark_released(
    connection: AsyncConnection[Any], *, released_at: datetime, tenant_ids: list[str], command_ids: list[UUID]
) -> int:
    """Marks commands, whose ids no two tenants share, as released; those that no statement answers are settled by
    that.
    """
    cursor = await connection.execute(
        _MARK_RELEASED, {"released_at": released_at, "tenant_ids": tenant_ids, "command_ids": command_ids}
    )
    return cursor.rowcount


_COUNT_WAITING: Final[LiteralString] = """
SELECT count(*) AS unreleased, count(*) FILTER (WHERE barrier) AS at_barrier
FROM beaas.journal_commands
WHERE released_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class CountWaiting:
    """A row of `count_waiting`."""

    unreleased: int
    at_barrier: int


async def count_waiting(connection: AsyncConnection[Any]) -> CountWaiting | None:
    """How many commands are not released, and how many of them wait for intake."""
    async with connection.cursor(row_factory=args_row(CountWaiting)) as cursor:
        await cursor.execute(_COUNT_WAITING)
        return await cursor.fetchone()


_SETTLEMENT: Final[LiteralString] = """
SELECT
    (SELECT count(*) FROM beaas.journal_commands AS c
     WHERE c.tenant_id = %(tenant_id)s AND c.at <= %(instant)s) AS commands,
    (SELECT count(*) FROM beaas.journal_commands AS c
     WHERE c.tenant_id = %(tenant_id)s AND c.at <= %(instant)s AND c.settled_at IS NULL) AS unsettled,
    (SELECT count(*) FROM beaas.subscriptions AS s
     WHERE s.tenant_id = %(tenant_id)s AND s.next_due_at <= %(instant)s) AS due
"""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A row of `settlement`."""

    commands: int
    unsettled: int
    due: int


async def settlement(connection: AsyncConnection[Any], *, tenant_id: str, instant: datetime) -> Settlement | None:
    """How far a tenant's commands with a moment at or before the instant have come, and how many subscriptions still
    have something due by then.
    """
    async with connection.cursor(row_factory=args_row(Settlement)) as cursor:
        await cursor.execute(_SETTLEMENT, {"tenant_id": tenant_id, "instant": instant})
        return await cursor.fetchone()
