"""What stands where aiokafka stands: producers and consumers with the settings that the product gives them."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any, Final

from aiokafka.structs import TopicPartition

from streams.batching.batch import Record
from tests.simulation.broker import Broker, Sent

_OVERHEAD_BYTES: Final = 24
_CONNECTIONS: Final = iter(range(1 << 62))
"""Names lanes only; it shows in no trace."""


@dataclass(slots=True)
class Acknowledged:
    """What a send is answered with."""

    offset: int


class SimBatch:
    """A producer batch: it takes its first record whatever its size."""

    def __init__(self, limit_bytes: int, now_ms: Callable[[], int]) -> None:
        self._limit_bytes, self._now_ms = limit_bytes, now_ms
        self._size_bytes = 0
        self.sent: list[Sent] = []

    def append(
        self,
        *,
        timestamp: int | None,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> object | None:
        """Returns None where it is full."""
        size_bytes = _OVERHEAD_BYTES + len(key or b"") + len(value or b"")
        if self.sent and self._size_bytes + size_bytes > self._limit_bytes:
            return None
        self._size_bytes += size_bytes
        self.sent.append((key, value, tuple(headers), self._now_ms() if timestamp is None else timestamp))
        return self

    def record_count(self) -> int:
        """How many records it has."""
        return len(self.sent)

    def size(self) -> int:
        """How large it is."""
        return self._size_bytes

    def close(self) -> None:
        """Nothing is added any more."""


class SimProducer:
    """`AIOKafkaProducer`, transactional or idempotent.

    Requests of one producer to one partition arrive in their order, others in any.
    """

    def __init__(self, broker: Broker, **settings: Any) -> None:
        self._broker, self._world = broker, broker.world
        self._name: str | None = settings.get("transactional_id")
        self._timeout_s = settings.get("transaction_timeout_ms", 60_000) / 1000
        self._batch_bytes: int = settings["max_batch_size"]
        assert self._name is not None or (settings["enable_idempotence"] and settings["acks"] == "all")
        self._epoch = -1
        self._connection = next(_CONNECTIONS)
        self._under_way: list[asyncio.Future[Any]] = []
        self.client = SimpleNamespace(close=self._closed)

    async def start(self) -> None:
        """A transactional one fences here."""
        name, broker = self._name, self._broker
        if name is None:
            await self._world.op("connect", lambda: None)
        else:
            self._epoch = await self._world.op(
                f"start {name}", lambda: broker.start(name), when=lambda: broker.can_start(name)
            )

    async def stop(self) -> None:
        """What is open stays open."""

    async def _closed(self) -> None:
        """Nothing to close."""

    async def partitions_for(self, topic: str) -> set[int]:
        """The topic's partitions."""
        return {log.partition for log in self._broker.topic(topic)}

    async def begin_transaction(self) -> None:
        """Only the client knows of it."""
        self._under_way = []

    def create_batch(self) -> SimBatch:
        """An empty one."""
        return SimBatch(self._batch_bytes, lambda: int(self._world.wall_s() * 1000))

    async def send_batch(self, batch: SimBatch, topic: str, *, partition: int) -> asyncio.Future[Any]:
        """Returns the answer to come."""
        answer = self._world.submit(
            f"send {len(batch.sent)} to {topic}-{partition}",
            partial(self._append, topic, partition, batch.sent),
            when=self._may_write,
            lane=(self._connection, topic, partition),
        )
        self._under_way.append(answer)
        return answer

    async def commit_transaction(self) -> None:
        """All sends are answered, then the transaction is committed."""
        for answer in self._under_way:
            await answer
        assert self._name is not None
        name, epoch = self._name, self._epoch
        await self._world.op(f"commit {name}", lambda: self._broker.commit(name, epoch))

    def _may_write(self) -> bool:
        return self._name is None or self._broker.can_start(self._name)

    def _append(self, topic: str, partition: int, sent: list[Sent]) -> Acknowledged:
        if self._name is None:
            return Acknowledged(self._broker.append(topic, partition, sent))
        return Acknowledged(self._broker.append_in(self._name, self._epoch, (topic, partition), sent, self._timeout_s))


class SimConsumer:
    """`AIOKafkaConsumer` without a group, as restoring and reading back use it."""

    def __init__(self, broker: Broker, **settings: Any) -> None:
        self._broker, self._world = broker, broker.world
        self._committed = settings.get("isolation_level", "read_uncommitted") == "read_committed"
        self._positions: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Connects."""
        await self._world.op("connect", lambda: None)

    async def stop(self) -> None:
        """Closes."""

    def assign(self, places: Iterable[TopicPartition]) -> None:
        """From now on it reads these."""
        self._positions = dict.fromkeys(places, 0)

    def seek(self, place: TopicPartition, position: int) -> None:
        """Goes on there."""
        self._positions[place] = position

    async def position(self, place: TopicPartition) -> int:
        """Where it goes on."""
        return self._positions[place]

    async def beginning_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Nothing is ever deleted."""
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Ends of the logs."""
        ends: dict[TopicPartition, int] = await self._world.op(
            "ask for ends", lambda: {place: self._broker.log(*place).end for place in places}
        )
        return ends

    async def getmany(
        self, *places: TopicPartition, timeout_ms: int = 0, max_records: int = 500
    ) -> Mapping[TopicPartition, list[Record]]:
        """Waits for records, or for the time-out."""
        fetched: Mapping[TopicPartition, list[Record]] = await self._world.op(
            "read",
            lambda: self._fetched(places, max_records),
            when=lambda: self._readable(places),
            timeout_s=timeout_ms / 1000,
        )
        return fetched

    def _readable(self, places: Iterable[TopicPartition]) -> bool:
        broker, positions, committed = self._broker, self._positions, self._committed
        return any(broker.log(*place).readable_end(committed=committed) > positions[place] for place in places)

    def _fetched(self, places: Iterable[TopicPartition], most: int) -> dict[TopicPartition, list[Record]]:
        """As a broker that answers in portions of any size."""
        found = {}
        for place in places:
            portion = min(most, self._world.random.randint(1, 30))
            log = self._broker.log(*place)
            records, self._positions[place] = log.read(self._positions[place], most=portion, committed=self._committed)
            if records:
                found[place] = records
        return found
