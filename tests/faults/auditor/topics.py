"""Kafka as a stranger reads it: his own client, his own Avro library, schemas from the registry alone."""

import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import fastavro
from confluent_kafka import Consumer, KafkaError, Message, TopicPartition
from confluent_kafka.schema_registry import SchemaRegistryClient

from tests.faults.auditor.facts import Record
from tests.support.offsets import committed_offsets

_READ_WITHIN_S: Final = 300.0
_AT_ONCE: Final = 5_000
_FRAME_BYTES: Final = 5
_LARGEST_BYTES: Final = 16 << 20
_ANSWER_WITHIN_S: Final = 20.0


class Topics:
    """Reads the topics of one installation."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.prefix = environment.get("BEAAS_TOPIC_PREFIX", "beaas.")
        self._servers = environment["BEAAS_KAFKA_BOOTSTRAP_SERVERS"]
        self._registry = SchemaRegistryClient({"url": environment["BEAAS_SCHEMA_REGISTRY_URL"]})
        self._schemas: dict[int, Any] = {}
        self._asks = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "audit-asks",
                "log_level": 0,
                # by default it is told the last stable offset: behind an unfinished transaction nobody would be behind
                "isolation.level": "read_uncommitted",
            }
        )

    def close(self) -> None:
        """No connection is open."""
        self._asks.close()
        self._registry.close()

    def ends(self, topic: str) -> dict[int, int]:
        """Where each partition ends, whatever readers of committed records are given of it."""
        name = self.prefix + topic
        partitions = self._asks.list_topics(name, timeout=_ANSWER_WITHIN_S).topics[name].partitions
        return {
            one: self._asks.get_watermark_offsets(TopicPartition(name, one), timeout=_ANSWER_WITHIN_S)[1]
            for one in partitions
        }

    def committed(self, group: str) -> dict[int, int]:
        """How far a group has come."""
        return committed_offsets(self._servers, self.prefix + group)

    def behind(self, topic: str, group: str) -> int:
        """How many offsets of a topic a group has still to pass."""
        committed = self.committed(group)
        return sum(end - max(committed.get(partition, 0), 0) for partition, end in self.ends(topic).items())

    def read(self, *topics: str) -> dict[str, list[Record]]:
        """Every committed record of each topic, by partition and offset; all but usage is decoded.

        A record is decoded by the schema that its frame names.
        """
        found: dict[str, list[Record]] = {topic: [] for topic in topics}
        for message in self._messages(topics):
            topic = (message.topic() or "").removeprefix(self.prefix)
            found[topic].append(self._record(topic, message, decode=topic != "usage"))
        for records in found.values():
            records.sort(key=lambda record: (record.partition, record.offset))
        return found

    def _messages(self, topics: Sequence[str]) -> Iterator[Message]:
        left = {(self.prefix + topic, one) for topic in topics for one, end in self.ends(topic).items() if end}
        reader = Consumer(
            {
                "bootstrap.servers": self._servers,
                "group.id": "audit-reads",
                "log_level": 0,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "fetch.message.max.bytes": _LARGEST_BYTES,
            }
        )
        deadline = time.monotonic() + _READ_WITHIN_S
        try:
            reader.assign([TopicPartition(name, partition, 0) for name, partition in left])
            while left:
                assert time.monotonic() < deadline, f"these cannot be read to their ends: {sorted(left)}"
                for message in reader.consume(_AT_ONCE, timeout=0.1):
                    error = message.error()
                    if error is None:
                        yield message
                    else:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        left.discard((message.topic() or "", message.partition() or 0))
        finally:
            reader.close()

    def _record(self, topic: str, message: Message, *, decode: bool) -> Record:
        value, partition, offset = message.value(), message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        told = message.headers() or []
        assert isinstance(told, list)
        headers = tuple((name, _bytes(one)) for name, one in told)
        kind, fields = self._decoded(value) if decode and value is not None else ("", {})
        return Record(topic, partition, offset, _bytes(message.key()), _bytes(value), headers, kind, fields)

    def _decoded(self, value: str | bytes) -> tuple[str, Mapping[str, Any]]:
        assert isinstance(value, bytes)
        assert value[:1] == b"\0", f"no frame: {value[:20]!r}"
        schema = self._schema(int.from_bytes(value[1:_FRAME_BYTES], "big"))
        payload = io.BytesIO(value[_FRAME_BYTES:])
        fields = fastavro.schemaless_reader(payload, schema, None)
        assert payload.tell() == len(value) - _FRAME_BYTES, f"bytes behind the record: {value[:20]!r}"
        assert isinstance(fields, dict)
        return str(schema["name"]).rpartition(".")[2], fields

    def _schema(self, number: int) -> Any:
        if number not in self._schemas:
            text = self._registry.get_schema(number).schema_str
            assert text is not None
            self._schemas[number] = fastavro.parse_schema(json.loads(text))
        return self._schemas[number]


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
