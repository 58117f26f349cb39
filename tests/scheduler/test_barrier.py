"""Claims that every barrier keeps, the one in memory and the one on Kafka alike."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from confluent_kafka import KafkaException

from connectors.embedded.cluster import EmbeddedServers
from connectors.scheduler import KafkaBarrier
from tests.scheduler.support import FakeTopic, UsageTopic
from tests.support.kafka_auditor import KafkaAuditor


@dataclass(slots=True)
class KafkaTopic:
    """A topic of two partitions and a consumer group on Kafka."""

    barrier: KafkaBarrier
    producer: AIOKafkaProducer
    intake: AIOKafkaConsumer
    name: str

    async def send(self, partition: int, count: int) -> None:
        """Events are acknowledged."""
        for _ in range(count):
            await self.producer.send_and_wait(self.name, b"usage", partition=partition)

    async def take(self, partition: int, position: int) -> None:
        """Intake commits a position."""
        await self.intake.commit({TopicPartition(self.name, partition): position})


@pytest_asyncio.fixture(params=["memory", "kafka"])
async def topic(request: pytest.FixtureRequest, servers: EmbeddedServers) -> AsyncIterator[UsageTopic]:
    """A usage topic without events."""
    if request.param == "memory":
        yield FakeTopic()
        return
    name, group = f"usage-{uuid4().hex}", f"intake-{uuid4().hex}"
    bootstrap = servers.kafka_bootstrap_servers
    KafkaAuditor(bootstrap).make_topic(name, partitions=2)
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
    intake = AIOKafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    intake.assign([TopicPartition(name, 0), TopicPartition(name, 1)])
    async with producer, intake:
        yield KafkaTopic(KafkaBarrier(bootstrap, topic=name, group=group), producer, intake, name)


async def test_an_empty_topic_ends_at_0_and_nothing_is_committed(topic: UsageTopic) -> None:
    assert (await topic.barrier.end_offsets(), await topic.barrier.committed()) == ({0: 0, 1: 0}, {})


async def test_ends_are_behind_all_that_was_acknowledged_and_positions_are_intakes(
    topic: UsageTopic,
) -> None:
    await topic.send(1, 3)
    assert await topic.barrier.end_offsets() == {0: 0, 1: 3}
    await topic.take(1, 2)
    assert await topic.barrier.committed() == {1: 2}
    await topic.send(0, 1)
    await topic.take(1, 3)
    assert (await topic.barrier.end_offsets(), await topic.barrier.committed()) == ({0: 1, 1: 3}, {1: 3})


async def test_usage_in_an_open_transaction_counts_as_sent(servers: EmbeddedServers) -> None:
    bootstrap = servers.kafka_bootstrap_servers
    name = f"usage-{uuid4().hex}"
    KafkaAuditor(bootstrap).make_topic(name, partitions=1)
    barrier = KafkaBarrier(bootstrap, topic=name, group="none")
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, transactional_id=name)
    async with producer, producer.transaction():
        await producer.send_and_wait(name, b"usage", partition=0)
        assert await barrier.end_offsets() == {0: 1}


async def test_a_topic_that_is_not_there_is_an_error_and_no_empty_barrier(servers: EmbeddedServers) -> None:
    barrier = KafkaBarrier(servers.kafka_bootstrap_servers, topic=f"none-{uuid4().hex}", group="none")
    with pytest.raises(KafkaException):
        await barrier.end_offsets()
