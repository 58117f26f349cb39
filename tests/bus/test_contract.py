"""What every bus promises, asked of each of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from connectors.bus.errors import BusFailed, BusUnreachable, EventRefused
from connectors.bus.kafka import KafkaBus
from connectors.bus.noop import NoopBus
from connectors.bus.port import BusEvent, EventBus
from connectors.embedded.cluster import EmbeddedServers
from tests.support.kafka_auditor import PARTITIONS, KafkaAuditor


@pytest.fixture
def kafka(servers: EmbeddedServers) -> KafkaAuditor:
    return KafkaAuditor(servers.kafka_bootstrap_servers)


@pytest_asyncio.fixture(params=["kafka", "noop"])
async def bus(request: pytest.FixtureRequest, kafka: KafkaAuditor) -> AsyncIterator[EventBus]:
    made: EventBus = NoopBus() if request.param == "noop" else KafkaBus(kafka.bootstrap_servers, partitions=PARTITIONS)
    await made.start()
    yield made
    await made.stop()


def events_of(topic: str, count: int, size: int = 10) -> list[BusEvent]:
    """Events of seven keys that are numbered through."""
    return [
        BusEvent(topic, b"key-%d" % (n % 7), n % 7 % PARTITIONS, b"%d" % n + bytes(size), (("ce_id", b"%d" % n),))
        for n in range(count)
    ]


def held_by(bus: EventBus, kafka: KafkaAuditor, topic: str) -> int:
    """How many events of a topic the bus has, by its own means."""
    return bus.published[topic] if isinstance(bus, NoopBus) else kafka.count(topic)


async def test_all_events_of_a_publish_are_there_when_it_returns(bus: EventBus, kafka: KafkaAuditor) -> None:
    topic = kafka.make_topic()
    await bus.publish(events_of(topic, 1_000))
    assert held_by(bus, kafka, topic) == 1_000


async def test_publishing_nothing_is_well(bus: EventBus, kafka: KafkaAuditor) -> None:
    topic = kafka.make_topic()
    await bus.publish([])
    assert held_by(bus, kafka, topic) == 0


async def test_a_bus_that_was_stopped_takes_nothing(bus: EventBus, kafka: KafkaAuditor) -> None:
    topic = kafka.make_topic()
    await bus.stop()
    with pytest.raises(BusFailed, match="start"):
        await bus.publish(events_of(topic, 1))
    assert held_by(bus, kafka, topic) == 0


async def test_stopping_twice_is_well(bus: EventBus) -> None:
    await bus.stop()
    await bus.stop()


@pytest_asyncio.fixture
async def kafka_bus(kafka: KafkaAuditor) -> AsyncIterator[KafkaBus]:
    made = KafkaBus(kafka.bootstrap_servers, partitions=PARTITIONS, max_record_bytes=3_000_000)
    await made.start()
    yield made
    await made.stop()


async def test_kafka_holds_each_partition_as_it_was_given_even_when_it_takes_many_batches(
    kafka_bus: KafkaBus, kafka: KafkaAuditor
) -> None:
    topic = kafka.make_topic()
    events = events_of(topic, 100, size=100_000)  # 10 MB, so about four Kafka batches for each partition
    await kafka_bus.publish(events[:60])
    await kafka_bus.publish(events[60:])
    assert kafka.read(topic) == sorted(events, key=lambda event: event.partition)


async def test_kafka_takes_an_event_that_is_larger_than_its_batches(kafka_bus: KafkaBus, kafka: KafkaAuditor) -> None:
    topic = kafka.make_topic(max_message_bytes=3_000_000)
    events = events_of(topic, 2, size=2_000_000)
    await kafka_bus.publish(events)
    assert kafka.read(topic) == events


async def test_kafka_is_sent_nothing_of_a_publish_with_an_event_above_the_limit(
    kafka_bus: KafkaBus, kafka: KafkaAuditor
) -> None:
    topic = kafka.make_topic()
    with pytest.raises(EventRefused, match="max_record_bytes"):
        await kafka_bus.publish([*events_of(topic, 5), *events_of(topic, 1, size=3_000_000)])
    assert kafka.read(topic) == []


async def test_kafka_refusing_an_event_leaves_none_of_its_partition_behind_it(
    kafka_bus: KafkaBus, kafka: KafkaAuditor
) -> None:
    topic = kafka.make_topic(max_message_bytes=1_000_000)
    small, large = events_of(topic, 1), events_of(topic, 1, size=2_000_000)
    with pytest.raises(BusFailed, match="MessageSizeTooLarge"):
        await kafka_bus.publish([*small, *large, *small])
    with pytest.raises(BusFailed, match="start a new one"):
        await kafka_bus.publish(small)
    assert kafka.read(topic) == small


async def test_kafka_topics_with_another_number_of_partitions_are_refused(
    kafka_bus: KafkaBus, kafka: KafkaAuditor
) -> None:
    topic = kafka.make_topic(partitions=3)
    with pytest.raises(EventRefused, match="has 3 partitions and the settings say 4"):
        await kafka_bus.publish(events_of(topic, 1))
    assert kafka.read(topic, partitions=3) == []


async def test_kafka_away_at_the_start_is_said_so() -> None:
    with pytest.raises(BusUnreachable, match="is it running there"):
        await KafkaBus("127.0.0.1:1", partitions=PARTITIONS, start_timeout_s=0.3).start()
