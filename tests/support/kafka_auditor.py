"""Kafka seen by a client that shares no code with the bus."""

import time
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from connectors.bus.port import BusEvent

PARTITIONS = 4
_KNOWN_WITHIN_S = 60.0


class KafkaAuditor:
    """Makes topics and reads them back."""

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers

    def make_topic(self, name: str = "", *, partitions: int = PARTITIONS, max_message_bytes: int = 1_000_000) -> str:
        """Returns the name of a new topic that its leader knows."""
        name = name or f"bus-{uuid4().hex}"
        admin = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        config = {"max.message.bytes": str(max_message_bytes)}
        admin.create_topics([NewTopic(name, partitions, 1, config=config)])[name].result()
        self.count(name, partitions=partitions)
        return name

    def read(self, topic: str, *, partitions: int = PARTITIONS) -> list[BusEvent]:
        """Returns all that the topic holds, partition by partition, each in its order."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": uuid4().hex, "log_level": 0})
        end = sum(_ends(consumer, topic, partitions))
        consumer.assign([TopicPartition(topic, n, 0) for n in range(partitions)])
        found: list[BusEvent] = []
        while len(found) < end:
            for record in consumer.consume(end - len(found), timeout=10):
                assert record.error() is None
                told = record.headers() or []
                assert isinstance(told, list)
                headers = tuple((name, _bytes(value)) for name, value in told)
                found.append(
                    BusEvent(topic, _bytes(record.key()), record.partition() or 0, _bytes(record.value()), headers)
                )
        consumer.close()
        return sorted(found, key=lambda event: event.partition)

    def count(self, topic: str, *, partitions: int = PARTITIONS) -> int:
        """Returns how many records the topic holds."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap_servers, "group.id": uuid4().hex, "log_level": 0})
        end = sum(_ends(consumer, topic, partitions))
        consumer.close()
        return end


def _ends(consumer: Consumer, topic: str, partitions: int) -> list[int]:
    """Asks until each partition has a leader that knows it: a new topic's take a moment."""
    deadline = time.monotonic() + _KNOWN_WITHIN_S
    while True:
        try:
            return [consumer.get_watermark_offsets(TopicPartition(topic, n), timeout=10)[1] for n in range(partitions)]
        except KafkaException:
            if time.monotonic() > deadline:
                raise


def _bytes(value: str | bytes | None) -> bytes:
    assert isinstance(value, bytes)
    return value
