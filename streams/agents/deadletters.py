"""Dead letters: the bytes of a record that can't be used, where it stood and why."""

from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Final

from billing.instant import instant
from schemas.codec import Codec
from schemas.partition import partition_of
from schemas.records import DeadLetter, Header
from streams.batching.batch import Outgoing, Record

MOST_HEADERS: Final = 100
LARGEST_HEADERS_BYTES: Final = 64 << 10
"""What a letter keeps of its record's headers: names that are no text are written out fourfold, and a record has room
for two million empty ones. A letter that is too large to be written would end its worker at every attempt."""
LARGEST_KEY_BYTES: Final = 64 << 10
"""A longer key is in the letter once, and not a second time as its key on the topic: that is its digest then."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """Makes dead letters for one topic."""

    codec: Codec
    topic: str
    partitions: int
    tenant_slice: int

    def of_record(  # noqa: PLR0913 - each is a field of the letter
        self,
        record: Record,
        reason: str,
        detail: str,
        *,
        tenant: str | None = None,
        customer: str | None = None,
        first_position: int | None = None,
    ) -> Outgoing:
        """The dead letter of `record`, keyed as the record was; one of a known account stands in its tenant's slice.

        Its time is the broker's time of the record, so a repeated fold says the same. Its value and key are all there;
        of headers beyond `MOST_HEADERS` or `LARGEST_HEADERS_BYTES`, how many were left out.
        """
        headers = _kept(record)
        if left_out := len(record.headers or ()) - len(headers):
            detail = f"{detail}; {left_out} of its headers were left out"
        letter = DeadLetter(
            reason=reason,
            detail=detail,
            tenant_id=tenant,
            customer_id=customer,
            source_topic=record.topic,
            source_partition=record.partition,
            source_offset=record.offset,
            key=record.key,
            value=record.value,
            headers=headers,
            first_position=first_position,
            received_at=instant(max(record.timestamp, 0) * 1000),
        )
        partition = (
            partition_of(tenant, customer or "", partitions=self.partitions, slice_size=self.tenant_slice)
            if tenant is not None
            else record.partition % self.partitions
        )
        key = record.key
        if key is not None and len(key) > LARGEST_KEY_BYTES:
            key = blake2b(key, digest_size=16).digest()
        return Outgoing(
            self.topic, partition, key, self.codec.encode(self.topic, letter), timestamp_ms=record.timestamp
        )


def _kept(record: Record) -> tuple[Header, ...]:
    headers: list[Header] = []
    size_bytes = 0
    for name, value in islice(record.headers or (), MOST_HEADERS):
        size_bytes += len(name.encode()) + len(value or b"")
        if size_bytes > LARGEST_HEADERS_BYTES:
            break
        headers.append(Header(key=name, value=value))
    return tuple(headers)
