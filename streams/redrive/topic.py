"""The dead-letter topic, read to its very end."""

import time
from collections.abc import Generator, Iterator, Mapping
from typing import Final

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # missing in its __all__

from schemas.codec import Codec
from schemas.errors import UndecodableRecord
from schemas.letters import LetterId, PlacedRecord
from schemas.records import DeadLetter, DeadLetterRedriven
from schemas.wire import Record
from streams.redrive.errors import LettersUnreadable

_TIMEOUT_S: Final = 10.0
_PATIENCE_S: Final = 60.0  # longer than a worker's transaction may stay open
_AT_ONCE: Final = 500
_LARGEST_FETCH_BYTES: Final = 16 << 20


class LetterTopic:
    """Letters and markers in the order of each partition."""

    def __init__(self, bootstrap_servers: str, topic: str, codec: Codec, *, patience_s: float = _PATIENCE_S) -> None:
        self._servers = bootstrap_servers
        self._topic = topic
        self._codec = codec
        self._patience_s = patience_s

    def records(self, starts: Mapping[int, int]) -> Generator[PlacedRecord, None, None]:
        """Yields every committed letter and marker from `starts` (partition to offset) to the end at the first `next`.

        The end of the log and not of its stable part: behind a worker's open transaction there may be markers that are
        committed already, so it waits until that transaction is done. A record without a value is neither, and is
        left out.

        Raises:
            LettersUnreadable: Kafka does not answer, nothing moves for a minute, or a record can't be decoded.
        """
        try:
            ends = self._ends(starts)
        except KafkaException as error:
            raise LettersUnreadable(f"Kafka at {self._servers}: {error.args[0].str()}") from None
        unread = {partition for partition, end in ends.items() if starts[partition] < end}
        if not unread:
            return
        consumer = Consumer(self._reading())
        try:
            consumer.assign([TopicPartition(self._topic, partition, starts[partition]) for partition in unread])
            for message in self._messages(consumer, ends, unread):
                record = self._decoded(message)
                if record is not None:
                    yield record
        finally:
            consumer.close()

    def _reading(self) -> dict[str, str | int | float | bool | None]:
        return {
            "bootstrap.servers": self._servers,
            "group.id": "beaas-redrive",  # required, and never used: partitions are assigned, nothing is committed
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.message.max.bytes": _LARGEST_FETCH_BYTES,
            "log_level": 2,
        }

    def _messages(self, consumer: Consumer, ends: Mapping[int, int], unread: set[int]) -> Iterator[Message]:
        deadline = time.monotonic() + self._patience_s
        while unread:
            messages = consumer.consume(_AT_ONCE, timeout=1.0)
            if messages:
                deadline = time.monotonic() + self._patience_s
            elif time.monotonic() > deadline:
                raise LettersUnreadable(
                    f"{self._topic}: nothing moved for {self._patience_s:g} s before the end of partitions "
                    f"{', '.join(map(str, sorted(unread)))}; is a worker's transaction open? Try again"
                )
            for message in messages:
                error, partition, offset = message.error(), message.partition(), message.offset()
                assert partition is not None
                assert offset is not None
                if error is None:
                    yield message
                    offset += 1
                elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - the library's name for it
                    raise LettersUnreadable(f"{self._topic}: {error.str()}")
                if offset >= ends[partition]:
                    unread.discard(partition)

    def _decoded(self, message: Message) -> PlacedRecord | None:
        value, partition, offset = message.value(), message.partition(), message.offset()
        assert partition is not None
        assert offset is not None
        if not isinstance(value, bytes):
            return None
        try:
            record = _expected(self._codec.decode(value))
        except UndecodableRecord as error:  # passed by, a marker would let its letter go back a second time
            raise LettersUnreadable(
                f"{self._topic}/{partition}/{offset} can't be read ({error}): it may mark a letter before it as put"
                " back, which must not go twice. Restore its schema in the registry, or upgrade beaas, and try again;"
                " letters behind it and of other partitions can go back now, named by their ids"
            ) from None
        return PlacedRecord(LetterId(partition, offset), record)

    def _ends(self, starts: Mapping[int, int]) -> dict[int, int]:
        admin = AdminClient({"bootstrap.servers": self._servers, "log_level": 0})
        there = admin.list_topics(self._topic, timeout=_TIMEOUT_S).topics[self._topic]
        if there.error is not None:
            raise KafkaException(there.error)
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # a static method without annotations
        asked = {TopicPartition(self._topic, one): latest for one in starts if one in there.partitions}
        if not asked:
            return {}
        answers = admin.list_offsets(asked, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=_TIMEOUT_S)
        return {at.partition: answer.result(_TIMEOUT_S).offset for at, answer in answers.items()}


def _expected(record: Record) -> DeadLetter | DeadLetterRedriven:
    if not isinstance(record, DeadLetter | DeadLetterRedriven):
        raise UndecodableRecord("wrong-record", f"{record.FULL_NAME} is neither a letter nor a marker")
    return record
