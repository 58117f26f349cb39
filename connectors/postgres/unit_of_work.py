"""The unit of work: a fact and the events that tell of it, in one transaction, as one tenant or as all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from connectors.postgres.outbox import Event, Outbox
from connectors.postgres.pool import Connection, Pool
from connectors.postgres.queries.outbox import set_tenant
from schemas.topics import Topic
from schemas.wire import Record


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """An open transaction, and the events that are written at its end."""

    connection: Connection
    outbox: Outbox
    correlation_id: str
    causation_id: str
    traceparent: str
    _events: list[Event] = field(default_factory=list, repr=False)

    def publish(  # noqa: PLR0913 - an event has this many facts
        self,
        topic: Topic,
        aggregate_id: str,
        tenant_id: str,
        record: Record,
        *,
        occurred_at: datetime,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> UUID:
        """Adds an event and returns its id; it is on the bus soon after the commit, or never.

        Args:
            topic: where it goes; its name is the aggregate's type.
            aggregate_id: with the tenant, the key that its order holds for; for the journal, the customer.
            tenant_id: whose it is.
            record: what happened.
            occurred_at: when it happened, by the tenant's clock.
            correlation_id: what it belongs to, where that is not the unit's.
            causation_id: what caused it, where that is not the unit's.

        Raises:
            Unencodable: the topic does not carry the record, or a field holds what its schema does not allow.
        """
        return self.forward(
            topic,
            aggregate_id,
            tenant_id,
            self.outbox.encoder.encode(topic.full_name(self.outbox.topic_prefix), record),
            record_type=record.FULL_NAME,
            occurred_at=occurred_at,
            correlation_id=correlation_id,
            causation_id=causation_id,
        )

    def forward(  # noqa: PLR0913 - as publish
        self,
        topic: Topic,
        aggregate_id: str,
        tenant_id: str,
        payload: bytes,
        *,
        record_type: str,
        occurred_at: datetime,
        event_id: UUID | None = None,
        correlation_id: str | None = None,
        causation_id: str | None = None,
    ) -> UUID:
        """As `publish`, of a record that was encoded before: `payload` is its frame, `record_type` its full name."""
        event = Event(
            id=event_id or uuid7(),
            topic=topic.name,
            aggregate_id=aggregate_id,
            type=record_type,
            tenant_id=tenant_id,
            payload=payload,
            correlation_id=self.correlation_id if correlation_id is None else correlation_id,
            causation_id=self.causation_id if causation_id is None else causation_id,
            traceparent=self.traceparent,
            occurred_at=occurred_at,
        )
        self._events.append(event)
        return event.id


@asynccontextmanager
async def unit_of_work(  # noqa: PLR0913 - what a transaction and its events begin with
    pool: Pool,
    tenant: str | None,
    *,
    outbox: Outbox,
    correlation_id: str = "",
    causation_id: str = "",
    traceparent: str = "",
) -> AsyncIterator[UnitOfWork]:
    """Yields a unit of work that commits at the end of the block, and leaves nothing behind where the block raises.

    A commit that the connection did not live to see may have happened or not: do the same again, as a repeat is a
    result and not an error.

    Args:
        pool: its role decides who may see what.
        tenant: the one tenant that beaas_api sees; None for beaas_service, over all.
        outbox: how events are written.
        correlation_id: what the unit belongs to.
        causation_id: what caused it.
        traceparent: the W3C trace context, passed through.
    """
    async with pool.connection() as connection, connection.transaction():
        # Always set, for this transaction: what an earlier user of the connection left behind never counts.
        await set_tenant(connection, tenant_id=tenant or "")
        work = UnitOfWork(connection, outbox, correlation_id, causation_id, traceparent)
        yield work
        await outbox.append(connection, work._events)  # noqa: SLF001 - its own module
