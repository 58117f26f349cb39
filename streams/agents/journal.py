"""Reading the journal back: a few commands need usage that stands before them."""

import asyncio
from collections.abc import AsyncGenerator
from time import monotonic
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.batching.batch import Record

FETCH_RECORDS: Final = 5_000
READ_WITHIN_S: Final = 60.0


class JournalReader:
    """Reads committed records of the journal by position; one for a worker, connected when first needed."""

    def __init__(self, bootstrap_servers: str, topic: str) -> None:
        self._servers, self._topic = bootstrap_servers, topic
        self._consumer: AIOKafkaConsumer | None = None
        self._turn = asyncio.Lock()

    async def records(self, partition: int, start: int, end: int) -> AsyncGenerator[Record, None]:
        """Yields the records of positions [start, end) that are committed and still there.

        Raises:
            OffsetOutOfRangeError: retention has deleted the record at `start`.
            TimeoutError: the broker has handed nothing over for a minute.
        """
        if start >= end:  # and no connection for it: aiokafka's is torn by a stop that comes before its first step
            return
        async with self._turn:
            consumer = await self._connected()
            source = TopicPartition(self._topic, partition)
            consumer.assign([source])
            consumer.seek(source, start)
            position, moved_s = start, monotonic()
            while position < end:
                fetched = await consumer.getmany(source, timeout_ms=1_000, max_records=FETCH_RECORDS)
                for record in fetched.get(source, ()):
                    if record.offset >= end:
                        return
                    yield record
                before, position = position, await consumer.position(source)
                if position > before:
                    moved_s = monotonic()
                elif monotonic() - moved_s > READ_WITHIN_S:
                    raise TimeoutError(f"{self._topic}/{partition}: nothing after {position} in {READ_WITHIN_S:.0f} s")

    async def stop(self) -> None:
        """Leaves the broker."""
        if self._consumer is not None:
            await self._consumer.stop()
            self._consumer = None

    async def _connected(self) -> AIOKafkaConsumer:
        if self._consumer is None:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._servers,
                isolation_level="read_committed",
                enable_auto_commit=False,
                auto_offset_reset="none",  # a position that retention deleted must be an error, not another one
                max_partition_fetch_bytes=4 << 20,
            )
            await consumer.start()
            self._consumer = consumer
        return self._consumer
