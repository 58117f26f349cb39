"""The partition's own producer: its transactional id is what fences a former owner."""

import asyncio
import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from aiokafka import AIOKafkaProducer

from streams.batching.settings import BatchSettings

_STOP_TIMEOUT_S = 2.0


Entry: TypeAlias = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]], int | None]
"""Key, value, headers, timestamp in ms (None: now)."""


@dataclass(frozen=True, slots=True)
class Write:
    """Records for one topic partition, in their order."""

    topic: str
    partition: int
    entries: Iterable[Entry]


class FencedProducer:
    """Writes whole transactions; once another process started the same id, every attempt raises `ProducerFenced`."""

    def __init__(self, settings: BatchSettings, transactional_id: str) -> None:
        self._record_max_bytes = settings.record_max_bytes
        self._producer: Any = AIOKafkaProducer(
            bootstrap_servers=settings.bootstrap_servers.split(","),
            transactional_id=transactional_id,
            transaction_timeout_ms=int(settings.transaction_timeout_s * 1000),
            acks="all",
            linger_ms=0,
            max_batch_size=settings.batch_max_bytes,
            max_request_size=settings.record_max_bytes,
            compression_type=settings.compression,
        )

    async def start(self) -> None:
        """Former owners are fenced and their open transaction is aborted, so that nothing of it can come any more."""
        await self._producer.start()

    async def stop(self) -> None:
        """Connections are closed; an open transaction is left to the next owner, who aborts it."""
        with contextlib.suppress(Exception):  # it is being given up, and fencing may be why
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                await self._producer.stop()

    async def transact(self, writes: Iterable[Write]) -> dict[tuple[str, int], int]:
        """All of it is committed. Returns the last offset written to each topic partition.

        Raises:
            aiokafka.errors.ProducerFenced: If another process owns the partition now; nothing was committed.
            ValueError: If a record is larger than `record_max_bytes`.
        """
        await self._producer.begin_transaction()
        sent: list[tuple[tuple[str, int], Any, int]] = []
        for write in writes:
            for batch in self._batches(write.entries):
                future = await self._producer.send_batch(batch, write.topic, partition=write.partition)
                sent.append(((write.topic, write.partition), future, batch.record_count()))
        last = {target: (await future).offset + count - 1 for target, future, count in sent}
        await self._producer.commit_transaction()
        return last

    def _batches(self, entries: Iterable[Entry]) -> Iterator[Any]:
        """Entries packed into producer batches: one future for a batch, not for a record.

        A batch takes its first record whatever its size, so a record larger than a batch gets one for itself.
        """
        create, now_ms = self._producer.create_batch, int(time.time() * 1000)
        batch = create()
        for key, value, headers, timestamp_ms in entries:
            record: dict[str, Any] = {
                "timestamp": now_ms if timestamp_ms is None else timestamp_ms,
                "key": key,
                "value": value,
                "headers": list(headers),  # aiokafka's C builder takes nothing else
            }
            if batch.append(**record) is None:
                yield self._checked(batch)
                batch = create()
                batch.append(**record)
        if batch.record_count():
            yield self._checked(batch)

    def _checked(self, batch: Any) -> Any:
        if (size_bytes := batch.size()) > self._record_max_bytes:
            raise ValueError(
                f"a record of {size_bytes} bytes: a fold's records must not exceed {self._record_max_bytes}"
            )
        return batch


class FencedProducers:
    """The producers of the owned partitions."""

    def __init__(self, settings: BatchSettings, name: str) -> None:
        self._settings, self._name = settings, name
        self._by_partition: dict[int, FencedProducer] = {}

    def __getitem__(self, partition: int) -> FencedProducer:
        return self._by_partition[partition]

    async def start(self, partitions: Iterable[int]) -> None:
        """Each partition is fenced: from here on only this process can write to its changelogs."""
        for partition in partitions:
            self._by_partition[partition] = FencedProducer(self._settings, f"{self._name}-{partition}")
        async with asyncio.TaskGroup() as group:
            for producer in self._by_partition.values():
                group.create_task(producer.start())

    async def stop(self) -> None:
        """All are given up."""
        former, self._by_partition = self._by_partition, {}
        await asyncio.gather(*(producer.stop() for producer in former.values()))
