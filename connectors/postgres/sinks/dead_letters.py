"""Dead letters, kept where an operator finds them by tenant and reason, and which of them were put back."""

from collections.abc import Sequence

import msgspec

from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Connection, Pool
from connectors.postgres.queries.dead_letters import insert_dead_letters, mark_redriven
from connectors.postgres.unit_of_work import unit_of_work
from schemas.letters import LetterId, PlacedRecord, redrive_of
from schemas.records import DeadLetter, DeadLetterRedriven


class DeadLetterSink:
    """Writes dead letters; one whose tenant could not be read belongs to none, and only the service sees it.

    Args:
        pool: of the role `beaas_service`.
        outbox: not written to; the unit of work asks for one.
    """

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def write(self, placed: Sequence[PlacedRecord], /) -> None:
        """Each letter is kept once, known by its place, and those that a marker names are put back; all or none.

        A marker stands in its letter's partition behind it, so the letter is there already or among these.

        Raises:
            psycopg.Error: nothing was written, or it is not known: write the same again.
        """
        letters = [(at, record) for at, record in placed if isinstance(record, DeadLetter)]
        markers = [record for _, record in placed if isinstance(record, DeadLetterRedriven)]
        if not placed:
            return
        async with unit_of_work(self._pool, None, outbox=self._outbox) as work:
            if letters:
                await _insert(work.connection, letters)
            if markers:
                await _mark(work.connection, markers)


async def _insert(connection: Connection, placed: Sequence[tuple[LetterId, DeadLetter]]) -> None:
    letters = [letter for _, letter in placed]
    await insert_dead_letters(
        connection,
        letter_partitions=[at.partition for at, _ in placed],
        letter_offsets=[at.offset for at, _ in placed],
        topics=[letter.source_topic for letter in letters],
        partitions=[letter.source_partition for letter in letters],
        offsets=[letter.source_offset for letter in letters],
        reasons=[storable(letter.reason) for letter in letters],
        details=[storable(letter.detail) for letter in letters],
        tenant_ids=[_optional(letter.tenant_id) for letter in letters],
        customer_ids=[_optional(letter.customer_id) for letter in letters],
        keys=[letter.key for letter in letters],
        dead_values=[letter.value for letter in letters],
        headers=[_headers(letter) for letter in letters],
        first_positions=[letter.first_position for letter in letters],
        received_ats=[letter.received_at for letter in letters],
        redrives_of=[_redrive_of(letter) for letter in letters],
    )


async def _mark(connection: Connection, markers: Sequence[DeadLetterRedriven]) -> None:
    await mark_redriven(
        connection,
        letter_partitions=[marker.letter_partition for marker in markers],
        letter_offsets=[marker.letter_offset for marker in markers],
        redriven_ats=[marker.redriven_at for marker in markers],
        runs=[storable(marker.run_id) for marker in markers],
        topics=[storable(marker.target_topic) for marker in markers],
        partitions=[marker.target_partition for marker in markers],
        offsets=[marker.target_offset for marker in markers],
        edited=[marker.edited for marker in markers],
    )


def storable(text: str) -> str:
    """Returns the text without NUL, which PostgreSQL can't hold; it is untrusted, and its bytes are kept beside it."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _optional(text: str | None) -> str | None:
    return None if text is None else storable(text)


def _headers(letter: DeadLetter) -> str:
    """Returns the headers as pairs of name and hex: PostgreSQL's arrays of arrays have one length each."""
    pairs = [[storable(one.key), None if one.value is None else one.value.hex()] for one in letter.headers]
    return msgspec.json.encode(pairs).decode()


def _redrive_of(letter: DeadLetter) -> str | None:
    before = redrive_of((one.key, one.value) for one in letter.headers)
    return None if before is None else str(before)
