"""`beaas dlq list` and `show`: what could not be billed, and why."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.letters import LetterId, letter_id
from streams.cli import WrongUse
from streams.cli.commands import reached_postgres
from streams.cli.failures import WELL
from streams.cli.letter import as_json, as_text, moment, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from connectors.postgres.pool import Connection
    from connectors.postgres.queries.dead_letters import LetterCounts, NewestLetters
    from schemas.codec import Codec
    from streams.settings import Settings

CHAIN: Final = 20
DETAIL_CHARS: Final = 100


@dataclass(frozen=True, slots=True)
class Selection:
    """Which letters: every bound that is given holds."""

    tenant: str | None = None
    reason: str | None = None
    since: datetime | None = None


# List -----------------------------------------------------------------------------------------------------------------


async def list_letters(settings: Settings, chosen: Selection, *, most: int, as_json: bool) -> int:
    """Prints how many there are by tenant and reason, then the newest."""
    from connectors.postgres.queries.dead_letters import letter_counts, newest_letters

    bounds = {"tenant": chosen.tenant, "reason": chosen.reason}
    async with reached_postgres(settings, "dlq") as pool, pool.connection() as connection:
        counts = await letter_counts(connection, **bounds, since=chosen.since)
        newest = await newest_letters(connection, **bounds, since=chosen.since, most=most)
    sys.stdout.write(_listed_json(counts, newest) if as_json else _listed(counts, newest))
    return WELL


def _listed(counts: Sequence[LetterCounts], newest: Sequence[NewestLetters]) -> str:
    if not counts:
        return "no dead letters\n"
    rows = [("tenant", "reason", "letters", "put back", "newest")]
    rows += [
        (printable(one.tenant), printable(one.reason), f"{one.letters:,}", f"{one.redriven:,}", moment(one.newest_at))
        for one in counts
    ]
    letters = [("id", "received at", "put back at", "tenant", "customer", "reason", "detail")]
    letters += [
        (
            _id_text(one.letter_partition, one.letter_offset),
            moment(one.received_at),
            moment(one.redriven_at),
            printable(one.tenant),
            printable(one.customer or "-"),
            printable(one.reason),
            printable(one.detail, DETAIL_CHARS),
        )
        for one in newest
    ]
    return f"{_table(rows)}\n{_table(letters)}"


def _listed_json(counts: Sequence[LetterCounts], newest: Sequence[NewestLetters]) -> str:
    told = {
        "counts": [
            {
                "tenant": one.tenant,
                "reason": one.reason,
                "letters": one.letters,
                "put_back": one.redriven,
                "oldest_at": one.oldest_at.isoformat(),
                "newest_at": one.newest_at.isoformat(),
            }
            for one in counts
        ],
        "newest": [
            {
                "id": _id_text(one.letter_partition, one.letter_offset),
                "tenant": one.tenant,
                "customer": one.customer,
                "reason": one.reason,
                "detail": one.detail,
                "received_at": one.received_at.isoformat(),
                "put_back_at": None if one.redriven_at is None else one.redriven_at.isoformat(),
            }
            for one in newest
        ],
    }
    return json.dumps(told) + "\n"


def _id_text(partition: int, offset: int) -> str:
    """Returns the letter's id; `-` of one that was kept when places were not."""
    return str(LetterId(partition, offset)) if partition >= 0 else "-"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join(lines) + "\n"


# Show -----------------------------------------------------------------------------------------------------------------


async def show_letter(settings: Settings, name: str, *, json: bool) -> int:
    """Prints all that is known of one letter.

    Raises:
        WrongUse: there is none of this name.
    """
    from connectors.postgres.queries.dead_letters import letter_at, letters_after

    at = id_of(name)
    async with reached_postgres(settings, "dlq") as pool, pool.connection() as connection:
        letter = await letter_at(connection, letter_partition=at.partition, letter_offset=at.offset)
        if letter is None:
            raise WrongUse(f"there is no dead letter {at}; `beaas dlq list` names them (the sinks may lag behind)")
        before = await _chain(connection, letter.redrive_of)
        after = await letters_after(connection, redrive_of=str(at))
    codec = _codec_if_reached(settings)
    if json:
        sys.stdout.write(as_json(at, letter, before, after, codec) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in as_text(at, letter, before, after, codec))
    return WELL


async def _chain(connection: Connection, name: str | None) -> list[LetterId]:
    """Returns the letters that this one was before, the newest first."""
    from connectors.postgres.queries.dead_letters import letter_at

    chain: list[LetterId] = []
    while name is not None and len(chain) < CHAIN and (at := letter_id(name)) is not None and at not in chain:
        chain.append(at)
        letter = await letter_at(connection, letter_partition=at.partition, letter_offset=at.offset)
        name = None if letter is None else letter.redrive_of
    return chain


def _codec_if_reached(settings: Settings) -> Codec | None:
    from connectors.registry.errors import RegistryUnavailable
    from streams.app import codec_of

    try:
        return codec_of(settings)
    except RegistryUnavailable:
        return None


def id_of(name: str) -> LetterId:
    """Returns the letter's id that an argument writes.

    Raises:
        WrongUse: it writes none.
    """
    at = letter_id(name)
    if at is None:
        raise WrongUse(f"{printable(name, 60)!r} is no letter's id, such as 3-1042: its partition and its offset")
    return at
