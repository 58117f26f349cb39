"""Dead letters: the bytes of a record that can't be used, where it stood and why."""

from dataclasses import dataclass

from billing.instant import instant
from schemas.codec import Codec
from schemas.partition import partition_of
from schemas.records import DeadLetter, Header
from streams.batching.batch import Outgoing, Record


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

        Its time is the broker's time of the record, so a repeated fold says the same.
        """
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
            headers=tuple(Header(key=k, value=v) for k, v in record.headers or ()),
            first_position=first_position,
            received_at=instant(max(record.timestamp, 0) * 1000),
        )
        partition = (
            partition_of(tenant, customer or "", partitions=self.partitions, slice_size=self.tenant_slice)
            if tenant is not None
            else record.partition % self.partitions
        )
        return Outgoing(
            self.topic, partition, record.key, self.codec.encode(self.topic, letter), timestamp_ms=record.timestamp
        )
