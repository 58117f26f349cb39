"""The outbox: events written in the transaction of the fact, which the relay carries to the bus."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID
from zlib import crc32

from psycopg import AsyncConnection

from connectors.postgres.queries import outbox as queries
from schemas.wire import Record


class Encoder(Protocol):
    """Writes records as the bus carries them; `schemas.codec.Codec` is one."""

    def encode(self, topic: str, record: Record) -> bytes:
        """Returns the framed bytes of a record on a topic (its name with the prefix)."""


@dataclass(frozen=True, slots=True)
class Event:
    """One row of the outbox."""

    id: UUID
    topic: str
    """Without its prefix: the aggregate's type."""
    aggregate_id: str
    """The record's key is `tenant/aggregate_id`."""
    type: str
    """The record's full name."""
    tenant_id: str
    payload: bytes
    correlation_id: str
    causation_id: str
    traceparent: str
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class Outbox:
    """How events are written, and over how many shards the relay reads them."""

    encoder: Encoder
    topic_prefix: str = "beaas."
    shards: int = 1

    def shard_of(self, event: Event) -> int:
        """Returns the shard of the event's key: one key's events stay in one, so in order."""
        return crc32(f"{event.tenant_id}/{event.aggregate_id}".encode()) % self.shards

    async def append(self, connection: AsyncConnection[Any], events: Sequence[Event]) -> None:
        """The events are in the outbox in this order, once the connection's transaction commits."""
        if not events:
            return
        await queries.insert_events(
            connection,
            ids=[event.id for event in events],
            aggregate_types=[event.topic for event in events],
            aggregate_ids=[event.aggregate_id for event in events],
            types=[event.type for event in events],
            tenant_ids=[event.tenant_id for event in events],
            payloads=[event.payload for event in events],
            correlation_ids=[event.correlation_id for event in events],
            causation_ids=[event.causation_id for event in events],
            traceparents=[event.traceparent for event in events],
            occurred_ats=[event.occurred_at for event in events],
            shards=[self.shard_of(event) for event in events],
        )
