"""Kafka and the registry as a stranger uses them: his own client, his own Avro library, nothing of ours."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

from tests.pipeline.oracle import Event
from tests.support.offsets import committed_offsets
from tests.support.pipeline import Pipeline

Headers = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A record that the broker acknowledged, and where it stands."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


class Stranger:
    """Reads and writes the topics of a pipeline."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._servers = pipeline.servers.kafka_bootstrap_servers
        self._pipeline = pipeline
        self.registry = SchemaRegistryClient({"url": pipeline.servers.schema_registry_url})
        self._deserialize = AvroDeserializer(self.registry)
        self._serialize = AvroSerializer(
            self.registry,
            conf={"auto.register.schemas": False, "use.latest.version": True},
            schema_str=self.registry.get_latest_version(f"{pipeline.topic('usage')}-value").schema.schema_str,
        )

    # Offsets --------------------------------------------------------------------------------------------------------

    def topics(self) -> list[str]:
        """Every topic of the pipeline that is for others to read, without the prefix."""
        prefix = self._pipeline.prefix
        found = AdminClient({"bootstrap.servers": self._servers}).list_topics(timeout=10).topics
        return sorted(
            name.removeprefix(prefix) for name in found if name.startswith(prefix) and "changelog" not in name
        )

    def ends(self, topic: str) -> dict[int, int]:
        """The end offset of each partition of a topic."""
        asked = Consumer({"bootstrap.servers": self._servers, "group.id": "asks"})
        name = self._pipeline.topic(topic)
        try:
            partitions = asked.list_topics(name, timeout=10).topics[name].partitions
            return {one: asked.get_watermark_offsets(TopicPartition(name, one), timeout=10)[1] for one in partitions}
        finally:
            asked.close()

    def committed(self, group: str) -> dict[int, int]:
        """How far a group of the pipeline has come."""
        return committed_offsets(self._servers, self._pipeline.topic(group))

    async def has_read(self, topic: str, group: str) -> bool:
        """Whether a group of the pipeline has committed all that a topic holds now."""
        ends = await asyncio.to_thread(self.ends, topic)
        done = await asyncio.to_thread(self.committed, group)
        return all(done.get(one, 0) >= end for one, end in ends.items())

    # Writing --------------------------------------------------------------------------------------------------------

    def avro(self, tenant: str, event: Event, *, source: str = "") -> bytes:
        """The event as framed Avro, by the schema that the registry has for the usage topic."""
        fields = {
            "tenant_id": tenant,
            "customer_id": event.customer,
            "id": event.id,
            "source": source,
            "type": event.type,
            "occurred_at": event.at,
            "properties": dict(event.properties),
            "subscription_id": None,
        }
        context = SerializationContext(self._pipeline.topic("usage"), MessageField.VALUE)
        written = self._serialize(fields, context)
        assert isinstance(written, bytes)
        return written

    def send(
        self,
        values: Sequence[tuple[bytes | None, bytes | None, Headers]],
        *,
        partition: int | None = None,
        partitioner: str = "random",
    ) -> list[Sent]:
        """Values with their keys and headers, in this order; returns once all of them are acknowledged."""
        producer = Producer(
            {
                "bootstrap.servers": self._servers,
                "partitioner": partitioner,
                "message.max.bytes": 8_000_000,
                "enable.idempotence": True,
            }
        )
        found: dict[int, Sent] = {}

        def noted(place: int, headers: Headers) -> Any:
            def acknowledged(error: KafkaError | None, message: Message) -> None:
                assert error is None, error
                at = message.partition(), message.offset()
                assert at[0] is not None
                assert at[1] is not None
                found[place] = Sent(at[0], at[1], message.key(), message.value(), headers)

            return acknowledged

        more: dict[str, Any] = {} if partition is None else {"partition": partition}
        for place, (key, value, headers) in enumerate(values):
            producer.produce(
                self._pipeline.topic("usage"),
                value,
                key,
                headers=list(headers),
                on_delivery=noted(place, headers),
                **more,
            )
        assert producer.flush(30) == 0
        return [found[place] for place in range(len(values))]

    # Reading --------------------------------------------------------------------------------------------------------

    def records(self, topic: str) -> Iterator[Message]:
        """Every committed record that a topic holds now."""
        name = self._pipeline.topic(topic)
        ends = {partition: end for partition, end in self.ends(topic).items() if end}
        if not ends:
            return
        reader = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "reads",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.message.max.bytes": 16 << 20,
            }
        )
        deadline = time.monotonic() + 60
        try:
            reader.assign([TopicPartition(name, partition, 0) for partition in ends])
            ended: set[int | None] = set()
            while len(ended) < len(ends):
                assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
                message = reader.poll(1.0)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    yield message
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    ended.add(message.partition())
        finally:
            reader.close()

    def decoded(self, message: Message) -> Any:
        """The record in a message, by the schema that its frame names."""
        topic = message.topic()
        assert topic is not None
        return self._deserialize(message.value(), SerializationContext(topic, MessageField.VALUE))
