"""The statements of ../sql/dead_letters.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg import AsyncConnection
from psycopg.rows import args_row

_INSERT_DEAD_LETTERS: Final[LiteralString] = """
INSERT INTO beaas.dead_letters (
    letter_partition, letter_offset, source_topic, source_partition, source_offset, reason, detail, tenant_id,
    customer_id, key, value, header_names, header_values, first_position, received_at, redrive_of
)
SELECT d.letter_partition, d.letter_offset, d.source_topic, d.source_partition, d.source_offset, d.reason, d.detail,
    d.tenant_id, d.customer_id, d.key, d.dead_value,
    ARRAY(SELECT h ->> 0 FROM jsonb_array_elements(d.headers) WITH ORDINALITY AS e (h, place) ORDER BY place),
    ARRAY(SELECT decode(h ->> 1, 'hex') FROM jsonb_array_elements(d.headers) WITH ORDINALITY AS e (h, place)
        ORDER BY place),
    d.first_position, d.received_at, d.redrive_of
FROM unnest(
    %(letter_partitions)b::integer[], %(letter_offsets)b::bigint[], %(topics)b::text[], %(partitions)b::integer[],
    %(offsets)b::bigint[], %(reasons)b::text[], %(details)b::text[], %(tenant_ids)b::text[], %(customer_ids)b::text[],
    %(keys)b::bytea[], %(dead_values)b::bytea[], %(headers)b::jsonb[], %(first_positions)b::bigint[],
    %(received_ats)b::timestamptz[], %(redrives_of)b::text[]
) AS d (
    letter_partition, letter_offset, source_topic, source_partition, source_offset, reason, detail, tenant_id,
    customer_id, key, dead_value, headers, first_position, received_at, redrive_of
)
ON CONFLICT DO NOTHING
"""


async def insert_dead_letters(
    connection: AsyncConnection[Any],
    *,
    letter_partitions: list[int],
    letter_offsets: list[int],
    topics: list[str],
    partitions: list[int],
    offsets: list[int],
    reasons: list[str],
    details: list[str],
    tenant_ids: list[str | None],
    customer_ids: list[str | None],
    keys: list[bytes | None],
    dead_values: list[bytes | None],
    headers: list[str],
    first_positions: list[int | None],
    received_ats: list[datetime],
    redrives_of: list[str | None],
) -> None:
    """The dead letters are kept; one that is there already stays as it is."""
    await connection.execute(
        _INSERT_DEAD_LETTERS,
        {
            "letter_partitions": letter_partitions,
            "letter_offsets": letter_offsets,
            "topics": topics,
            "partitions": partitions,
            "offsets": offsets,
            "reasons": reasons,
            "details": details,
            "tenant_ids": tenant_ids,
            "customer_ids": customer_ids,
            "keys": keys,
            "dead_values": dead_values,
            "headers": headers,
            "first_positions": first_positions,
            "received_ats": received_ats,
            "redrives_of": redrives_of,
        },
    )


_MARK_REDRIVEN: Final[LiteralString] = """
UPDATE beaas.dead_letters AS d SET
    redriven_at = m.redriven_at, redriven_run = m.run, redriven_topic = m.topic, redriven_partition = m.partition_,
    redriven_offset = m.offset_, redriven_edited = m.edited
FROM unnest(
    %(letter_partitions)b::integer[], %(letter_offsets)b::bigint[], %(redriven_ats)b::timestamptz[], %(runs)b::text[],
    %(topics)b::text[], %(partitions)b::integer[], %(offsets)b::bigint[], %(edited)b::boolean[]
) AS m (letter_partition, letter_offset, redriven_at, run, topic, partition_, offset_, edited)
WHERE d.letter_partition = m.letter_partition AND d.letter_offset = m.letter_offset AND d.redriven_at IS NULL
"""


async def mark_redriven(
    connection: AsyncConnection[Any],
    *,
    letter_partitions: list[int],
    letter_offsets: list[int],
    redriven_ats: list[datetime],
    runs: list[str],
    topics: list[str],
    partitions: list[int],
    offsets: list[int],
    edited: list[bool],
) -> None:
    """The dead letters are known as put back; one that was stays as it is."""
    await connection.execute(
        _MARK_REDRIVEN,
        {
            "letter_partitions": letter_partitions,
            "letter_offsets": letter_offsets,
            "redriven_ats": redriven_ats,
            "runs": runs,
            "topics": topics,
            "partitions": partitions,
            "offsets": offsets,
            "edited": edited,
        },
    )


_LETTER_COUNTS: Final[LiteralString] = """
SELECT coalesce(tenant_id, '-') AS tenant, reason, count(*) AS letters, count(redriven_at) AS redriven,
    min(received_at) AS oldest_at, max(received_at) AS newest_at
FROM beaas.dead_letters
WHERE (%(tenant)s::text IS NULL OR coalesce(tenant_id, '-') = %(tenant)s::text)
AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s::timestamptz)
GROUP BY 1, 2
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class LetterCounts:
    """A row of `letter_counts`."""

    tenant: str
    reason: str
    letters: int
    redriven: int
    oldest_at: datetime
    newest_at: datetime


async def letter_counts(
    connection: AsyncConnection[Any], *, tenant: str | None, reason: str | None, since: datetime | None
) -> list[LetterCounts]:
    """How many dead letters there are of each tenant (`-`: it could not be read) and reason."""
    async with connection.cursor(row_factory=args_row(LetterCounts)) as cursor:
        await cursor.execute(_LETTER_COUNTS, {"tenant": tenant, "reason": reason, "since": since})
        return await cursor.fetchall()


_NEWEST_LETTERS: Final[LiteralString] = """
SELECT letter_partition, letter_offset, coalesce(tenant_id, '-') AS tenant, customer_id AS customer, reason, detail,
    received_at, redriven_at
FROM beaas.dead_letters
WHERE (%(tenant)s::text IS NULL OR coalesce(tenant_id, '-') = %(tenant)s::text)
AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s::timestamptz)
ORDER BY received_at DESC, letter_partition DESC, letter_offset DESC
LIMIT %(most)s::bigint
"""


@dataclass(frozen=True, slots=True)
class NewestLetters:
    """A row of `newest_letters`."""

    letter_partition: int
    letter_offset: int
    tenant: str
    customer: str | None
    reason: str
    detail: str
    received_at: datetime
    redriven_at: datetime | None


async def newest_letters(
    connection: AsyncConnection[Any], *, tenant: str | None, reason: str | None, since: datetime | None, most: int
) -> list[NewestLetters]:
    """The newest dead letters, the newest first."""
    async with connection.cursor(row_factory=args_row(NewestLetters)) as cursor:
        await cursor.execute(_NEWEST_LETTERS, {"tenant": tenant, "reason": reason, "since": since, "most": most})
        return await cursor.fetchall()


_LETTER_AT: Final[LiteralString] = """
SELECT source_topic, source_partition, source_offset, reason, detail, tenant_id, customer_id, key, value, header_names,
    header_values, first_position, received_at, redrive_of, redriven_at, redriven_run, redriven_topic,
    redriven_partition, redriven_offset, redriven_edited
FROM beaas.dead_letters
WHERE letter_partition = %(letter_partition)s AND letter_offset = %(letter_offset)s
"""


@dataclass(frozen=True, slots=True)
class LetterAt:
    """A row of `letter_at`."""

    source_topic: str
    source_partition: int
    source_offset: int
    reason: str
    detail: str
    tenant_id: str | None
    customer_id: str | None
    key: bytes | None
    value: bytes | None
    header_names: list[str]
    header_values: list[bytes]
    first_position: int | None
    received_at: datetime
    redrive_of: str | None
    redriven_at: datetime | None
    redriven_run: str | None
    redriven_topic: str | None
    redriven_partition: int | None
    redriven_offset: int | None
    redriven_edited: bool | None


async def letter_at(connection: AsyncConnection[Any], *, letter_partition: int, letter_offset: int) -> LetterAt | None:
    """The dead letter that stands there, whole."""
    async with connection.cursor(row_factory=args_row(LetterAt)) as cursor:
        await cursor.execute(_LETTER_AT, {"letter_partition": letter_partition, "letter_offset": letter_offset})
        return await cursor.fetchone()


_LETTERS_AFTER: Final[LiteralString] = """
SELECT letter_partition, letter_offset, reason, received_at
FROM beaas.dead_letters
WHERE redrive_of = %(redrive_of)s::text
ORDER BY received_at, letter_partition, letter_offset
LIMIT 100
"""


@dataclass(frozen=True, slots=True)
class LettersAfter:
    """A row of `letters_after`."""

    letter_partition: int
    letter_offset: int
    reason: str
    received_at: datetime


async def letters_after(connection: AsyncConnection[Any], *, redrive_of: str) -> list[LettersAfter]:
    """The dead letters that a letter became once it was put back, the oldest first."""
    async with connection.cursor(row_factory=args_row(LettersAfter)) as cursor:
        await cursor.execute(_LETTERS_AFTER, {"redrive_of": redrive_of})
        return await cursor.fetchall()


_LETTERS_TO_REDRIVE: Final[LiteralString] = """
SELECT letter_partition, letter_offset
FROM beaas.dead_letters
WHERE redriven_at IS NULL AND letter_partition >= 0 AND reason <> ALL (%(hopeless)b::text[])
AND (%(tenant)s::text IS NULL OR coalesce(tenant_id, '-') = %(tenant)s::text)
AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
ORDER BY received_at, letter_partition, letter_offset
LIMIT %(most)s::bigint
"""


@dataclass(frozen=True, slots=True)
class LettersToRedrive:
    """A row of `letters_to_redrive`."""

    letter_partition: int
    letter_offset: int


async def letters_to_redrive(
    connection: AsyncConnection[Any], *, hopeless: list[str], tenant: str | None, reason: str | None, most: int
) -> list[LettersToRedrive]:
    """The oldest dead letters that were not put back yet, whose place is known, and that are of no hopeless reason."""
    async with connection.cursor(row_factory=args_row(LettersToRedrive)) as cursor:
        await cursor.execute(
            _LETTERS_TO_REDRIVE, {"hopeless": hopeless, "tenant": tenant, "reason": reason, "most": most}
        )
        return await cursor.fetchall()
