"""The running pipeline and one story's tenant in it: the ports of `streams.conformance.pipeline`."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from billing.entry import TenantId, Usage
from connectors.catalogue_file import Catalogue
from connectors.kafka.topics import KafkaUnreachable
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.queries import report
from connectors.postgres.unit_of_work import UnitOfWork, unit_of_work
from connectors.scheduler.barrier import KafkaBarrier, UsageBarrier
from connectors.services.apply import apply
from connectors.services.clock import set_clock
from connectors.usage_file.sender import SETTINGS, send_usage
from schemas import topics
from schemas.codec import Codec
from schemas.errors import Unencodable
from streams.agents.groups import intake_group
from streams.app import codec_of, outbox_of
from streams.cli.stories.actions import catalogue_of, command, usage_of
from streams.cli.stories.issued import credit_left, issued_invoices
from streams.cli.stories.watch import Watch
from streams.conformance.case import Action, ChangeZone, InvalidCase, Scenario
from streams.conformance.compare import IssuedInvoice
from streams.conformance.pipeline import NotSettled, SentUsage
from streams.settings import Settings

LOOK_EACH_S: Final = 0.03  # one question for all stories; the pipeline needs 160 ms and more for a command
_POLL_EACH_S: Final = 0.005
_LINGER_MS: Final = 5
_FLUSH_WITHIN_S: Final = 5


@asynccontextmanager
async def running_pipeline(settings: Settings, pool: Pool, *, timeout_s: float) -> AsyncIterator["RunningPipeline"]:
    """Yields the pipeline that the settings lead to; what was sent is on its way when the block ends.

    Raises:
        KafkaUnreachable: the brokers of the usage topic do not answer.
        RegistryUnavailable: the registry does not answer.
        SchemasMissing: a schema is not registered yet.
    """
    codec = codec_of(settings)
    brokers, topic = settings.kafka_bootstrap_servers, topics.USAGE.full_name(settings.topic_prefix)
    await asyncio.to_thread(send_usage, (), codec.encode_usage, bootstrap_servers=brokers, topic=topic)  # is it there?
    producer = Producer({"bootstrap.servers": brokers, **SETTINGS, "linger.ms": _LINGER_MS})
    try:
        yield RunningPipeline(
            pool,
            outbox_of(settings, codec),
            codec,
            producer,
            topic=topic,
            barrier=KafkaBarrier(brokers, topic=topic, group=intake_group(settings.topic_prefix)),
            timeout_s=timeout_s,
        )
    finally:
        producer.flush(_FLUSH_WITHIN_S)


@dataclass(slots=True)
class _Acks:
    """What Kafka has answered of one batch: how many records, and where the last of each partition stands."""

    answered: int = 0
    last: dict[int, int] = field(default_factory=dict)
    error: KafkaError | None = None

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """Counts one answer."""
        self.answered += 1
        self.error = self.error or error
        partition, offset = message.partition(), message.offset()
        if error is None and partition is not None and offset is not None:
            self.last[partition] = max(offset, self.last.get(partition, offset))


class RunningPipeline:
    """The pipeline as its outside sees it.

    Args:
        pool: of the service's role.
        outbox: how events are written.
        codec: how usage is written.
        producer: sends to `topic`, the usage topic's full name.
        topic: see above.
        barrier: knows how far intake has come.
        timeout_s: how long a story waits for one thing.
    """

    def __init__(  # noqa: PLR0913 - a pipeline's ends
        self,
        pool: Pool,
        outbox: Outbox,
        codec: Codec,
        producer: Producer,
        *,
        topic: str,
        barrier: UsageBarrier,
        timeout_s: float,
    ) -> None:
        self.pool, self.outbox, self.timeout_s = pool, outbox, timeout_s
        self._codec, self._producer, self._topic, self._barrier = codec, producer, topic, barrier
        self.settled: Watch[str, datetime | None] = Watch(self._settled, LOOK_EACH_S)
        self.arrived: Watch[tuple[int, int], None] = Watch(self._arrived, LOOK_EACH_S)

    async def tenant(self, code: str, scenario: Scenario) -> "Tenant":
        """As the port says."""
        tenant = Tenant(self, TenantId(code), scenario)
        await self.apply(catalogue_of(code, scenario, timezone=scenario.tenant.timezone), code)
        return tenant

    async def apply(self, catalogue: Catalogue, correlation_id: str) -> None:
        """Makes the catalogue be so."""
        await apply(self.pool, self.outbox, catalogue, now=datetime.now(UTC), correlation_id=correlation_id)

    async def send(self, usage: Sequence[Usage]) -> dict[int, int]:
        """Sends usage in this order and returns the last offset of each partition.

        Raises:
            KafkaUnreachable: not all of it was acknowledged.
            InvalidCase: a field holds what usage can't have.
        """
        acks = _Acks()
        for one in usage:
            await self._produce(f"{one.tenant}/{one.customer}".encode(), self._written(one), acks)
        while acks.answered < len(usage):
            self._producer.poll(0)
            await asyncio.sleep(_POLL_EACH_S)
        if acks.error is not None:
            raise KafkaUnreachable(f"Kafka did not acknowledge all usage: {acks.error.str()}")
        return acks.last

    async def _produce(self, key: bytes, value: bytes, acks: _Acks) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key, on_delivery=acks.delivered)
            except BufferError:  # the queue is full: wait for acknowledgements
                self._producer.poll(0)
                await asyncio.sleep(_POLL_EACH_S)
            else:
                return

    def _written(self, usage: Usage) -> bytes:
        try:
            return self._codec.encode_usage(usage)
        except Unencodable as refusal:
            raise InvalidCase(f"usage {usage.id}: {refusal}") from None

    async def _settled(self, tenants: Sequence[str]) -> dict[str, datetime | None]:
        async with self.pool.connection() as connection, connection.transaction():
            rows = await report.settled_tenants(connection, tenant_ids=list(tenants))
        return {row.tenant_id: row.next_due_at for row in rows}

    async def _arrived(self, sent: Sequence[tuple[int, int]]) -> dict[tuple[int, int], None]:
        try:
            committed = await self._barrier.committed()
        except KafkaException as error:
            raise KafkaUnreachable(f"Kafka does not answer: {error.args[0].str()}") from None
        return {(partition, last): None for partition, last in sent if committed.get(partition, 0) > last}


class Tenant:
    """The tenant of one story."""

    def __init__(self, pipeline: RunningPipeline, code: TenantId, scenario: Scenario) -> None:
        self._pipeline, self._code, self._scenario = pipeline, code, scenario
        self._sent: dict[int, int] = {}

    async def send(self, usage: Sequence[SentUsage]) -> None:
        """As the port says."""
        self._sent |= await self._pipeline.send([usage_of(self._code, one) for one in usage])

    async def arrived(self) -> None:
        """As the port says."""
        async with self._patience("intake to take the usage that was sent"):
            for place in self._sent.items():
                await self._pipeline.arrived.answer(place)
        self._sent = {}

    async def act(self, action: Action, at: datetime) -> None:
        """As the port says."""
        async with self._work() as work:
            await set_clock(work, self._code, at)
            if not isinstance(action, ChangeZone):
                await command(work, self._code, action, at)
        if isinstance(action, ChangeZone):
            catalogue = catalogue_of(self._code, self._scenario, timezone=action.timezone)
            await self._pipeline.apply(catalogue, self._code)

    async def advance(self, at: datetime) -> None:
        """As the port says."""
        async with self._work() as work:
            await set_clock(work, self._code, at)

    async def settled(self) -> datetime | None:
        """As the port says."""
        async with self._patience("every command to be invoiced"):
            return await self._pipeline.settled.answer(self._code)

    async def invoices(self) -> list[IssuedInvoice]:
        """As the port says."""
        async with self._pipeline.pool.connection() as connection, connection.transaction():
            return await issued_invoices(connection, self._code)

    async def credit(self) -> Mapping[str, str]:
        """As the port says."""
        async with self._pipeline.pool.connection() as connection, connection.transaction():
            return await credit_left(connection, self._code)

    @asynccontextmanager
    async def _work(self) -> AsyncIterator[UnitOfWork]:
        pipeline = self._pipeline
        async with unit_of_work(pipeline.pool, None, outbox=pipeline.outbox, correlation_id=self._code) as work:
            yield work

    @asynccontextmanager
    async def _patience(self, what: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._pipeline.timeout_s):
                yield
        except TimeoutError:
            waited = f"tenant {self._code} waited {self._pipeline.timeout_s:g} s for {what}; are all roles running?"
            raise NotSettled(waited + await self._refusals()) from None

    async def _refusals(self) -> str:
        async with self._pipeline.pool.connection() as connection, connection.transaction():
            rows = await report.refusals_of(connection, tenant=self._code)
        told = ", ".join(f"{row.records} {row.reason}" for row in rows)
        return f" Dead letters: {told}" if told else ""
