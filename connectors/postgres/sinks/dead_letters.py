"""Dead letters, kept where an operator finds them by tenant and reason."""

from collections.abc import Sequence

import msgspec

from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.queries.usage import insert_dead_letters
from connectors.postgres.unit_of_work import unit_of_work
from schemas.records import DeadLetter


class DeadLetterSink:
    """Writes dead letters; one whose tenant could not be read belongs to none, and only the service sees it.

    Args:
        pool: of the role `beaas_service`.
        outbox: not written to; the unit of work asks for one.
    """

    def __init__(self, pool: Pool, outbox: Outbox) -> None:
        self._pool = pool
        self._outbox = outbox

    async def write(self, letters: Sequence[DeadLetter], /) -> None:
        """Each is kept once: it is known by where its record stood and why it died; all or none.

        Raises:
            psycopg.Error: nothing was written, or it is not known: write the same again.
        """
        if not letters:
            return
        async with unit_of_work(self._pool, None, outbox=self._outbox) as work:
            await insert_dead_letters(
                work.connection,
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
