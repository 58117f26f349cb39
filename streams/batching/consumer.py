"""The consumer: one Faust event per fetch of a partition, and positions that survive whatever Faust drops.

Each override names the failure of the stock consumer (faust-streaming 0.15) that it prevents.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from typing import Any

import aiokafka
from aiokafka.errors import ConsumerStoppedError, NoOffsetForPartitionError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from mode import Service

from streams.batching import metrics
from streams.batching.batch import Packed, RecordBatch
from streams.batching.failure import die
from streams.batching.fetched import lighten, packed

_IDLE_S = 0.02
_SMALL_FETCH = 500
_MAX_WAIT_MS = 500
_COMMIT_TIMEOUT_S = 5.0
_LONGEST_RESTORE_MS = 3_600_000


class BatchConsumerThread(driver.AIOKafkaConsumerThread):
    """Owns the aiokafka consumer, in a thread of its own so that a long fold never stops the heartbeats."""

    app: Any

    def _create_worker_consumer(self, transport: Any) -> Any:
        """Reads committed records only (stock: all, without Faust's own exactly-once) and never resets a position.

        With a reset policy a position that retention has overtaken would jump, and records would be lost in silence.
        """
        del transport
        lighten()
        conf, settings = self.app.conf, self.app.settings
        return aiokafka.AIOKafkaConsumer(
            bootstrap_servers=settings.bootstrap_servers.split(","),
            client_id=conf.broker_client_id,
            group_id=conf.id,
            group_instance_id=settings.instance,
            partition_assignment_strategy=[self.app.assignor],
            isolation_level="read_committed",
            auto_offset_reset="none",
            enable_auto_commit=False,
            value_deserializer=packed,
            max_poll_records=settings.fetch_max_records,  # it counts batches, of one record at least
            max_partition_fetch_bytes=settings.fetch_max_bytes,
            fetch_max_wait_ms=_MAX_WAIT_MS,
            max_poll_interval_ms=_LONGEST_RESTORE_MS,
            session_timeout_ms=int(settings.session_timeout_s * 1000),
            # Also where sessions are long: a member hears of a rebalance by its next heartbeat, and must join in time.
            heartbeat_interval_ms=int(min(settings.session_timeout_s, settings.rebalance_timeout_s) * 1000 / 4),
            rebalance_timeout_ms=int(settings.rebalance_timeout_s * 1000),
            request_timeout_ms=int(conf.broker_request_timeout * 1000),
        )

    async def _fetch_records(self, consumer: Any, *args: Any, **options: Any) -> Any:
        """Errors of the group (fenced by another process with our member id, say) surface; stock Faust never asks.

        A freshly assigned partition has no position until the tables are restored: no news.
        """
        consumer._coordinator.check_errors()  # noqa: SLF001 - what aiokafka's own getmany does, which Faust goes around
        try:
            return await super()._fetch_records(consumer, *args, **options)
        except NoOffsetForPartitionError:
            return {}


class BatchConsumer(driver.Consumer):
    """Hands out `RecordBatch`es that say where they start, from positions that the restored state names."""

    app: Any

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._next: dict[TP, int] = {}  # where the next batch starts; a partition without it is not fetched
        self._epoch = 0  # changes with every seek: a fetch that saw two epochs is thrown away
        self._torn = False  # a fetch was begun, and what it took never seen
        self._flushed: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}

    def _new_consumer_thread(self) -> BatchConsumerThread:
        return BatchConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # Positions ------------------------------------------------------------------------------------------------------

    async def start_at(self, positions: Mapping[TP, int]) -> None:
        """The source goes on at these positions, and only there. Stock: at the committed offsets."""
        self.forget()
        await self._seek_all(positions)

    async def rewind(self, positions: Mapping[TP, int]) -> None:
        """Records from these positions on are fetched again."""
        mine = {tp: position for tp, position in positions.items() if tp in self._next}
        if not mine:
            return
        self.log.warning("a delivery was lost inside the worker; fetching again from %r", mine)
        metrics.REWINDS.labels(self.app.conf.id).inc()
        for tp in mine:
            del self._next[tp]
        await self._seek_all(mine)

    async def _seek_all(self, positions: Mapping[TP, int]) -> None:
        self._epoch += 1
        epoch = self._epoch
        await self.seek_wait(positions)
        if epoch == self._epoch:  # else the partitions were given up meanwhile, or another seek sets them
            self._next.update(positions)

    def forget(self) -> None:
        """No partition is ours any more: nothing is fetched or committed for them."""
        self._epoch += 1
        self._torn = False
        self._next.clear()
        self._flushed.clear()
        self._committed.clear()

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Flushes and commits while still the owner; stock Faust forgets first and then commits nothing."""
        try:
            await self.app.release()
        except Exception as error:  # noqa: BLE001 - aiokafka would log it and go on with the rebalance
            die("giving partitions up", error)
        await super().on_partitions_revoked(revoked)

    # Delivery -------------------------------------------------------------------------------------------------------

    async def _drain_messages(self, fetcher: Any) -> None:
        """Hands every fetch on; stock Faust drops a delivery when the flow stops, or when its offset looks too low."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                async for _, message in self.getmany(timeout=1.0):
                    await self.callback(message)
                await asyncio.sleep(0)
        except (asyncio.CancelledError, ConsumerStoppedError):
            if not self.app.should_stop:
                raise

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109 - Faust's name
        """One message per partition and fetch, whose value is a `RecordBatch`; stock Faust makes one per record.

        Only partitions whose keeper has room are fetched, so that a slow one holds nobody else up.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow.wait())
        keepers = self.app.keepers
        wanted = {tp for tp in self._next if keepers.has_room(tp.partition)}
        if not wanted:
            await asyncio.sleep(_IDLE_S)
            return
        if self._torn:
            await self.rewind(dict(self._next))
        full = len(wanted) < len(self._next)
        if full:  # it may have room again long before an idle one has records
            timeout = _IDLE_S
        epoch, self._torn = self._epoch, True
        records = await self._getmany(active_partitions=wanted, timeout=timeout)
        self._torn = False
        if epoch != self._epoch or not self.flow_active:
            await self.rewind({tp: self._next[tp] for tp in map(ensure_TP, records) if tp in self._next})
            return
        batches = list(self._batches(records, wanted))  # all of them before the first is handed out
        for batch in batches:
            yield self._message(batch)
        if not records:
            if not full:  # after so short a wait the agent may only be late
                await self._rewind_unseen(wanted)
        elif sum(batch.offsets for batch in batches) < _SMALL_FETCH:
            await asyncio.sleep(self.app.settings.linger_s)

    def _batches(self, records: Mapping[Any, list[Packed]], fetched: Iterable[TP]) -> Iterator[RecordBatch]:
        """The batches of a fetch; an empty one where only markers or aborted records were passed."""
        for tp in fetched:
            got, start = records.get(tp, []), self._next[tp]
            end = max(start, got[-1].offset + 1 if got else start, self._position(tp))
            highwater = self.highwater(tp)
            if end > start:
                self._next[tp] = end
                size_bytes = sum([one.size_bytes for one in got])
                yield RecordBatch(tp.topic, tp.partition, got, start, end, max(0, (highwater or end) - end), size_bytes)
            if highwater is not None:
                lag = max(0, highwater - self._flushed.get(tp, start))
                metrics.LAG.labels(self.app.conf.id, str(tp.partition)).set(lag)

    def _position(self, tp: TP) -> int:
        """How far aiokafka has read; markers and aborted records are passed without being delivered."""
        subscription = self._thread._ensure_consumer()._subscription.subscription  # noqa: SLF001 - `position()` may wait
        state = None if subscription is None else subscription.assignment.state_value(driver.ensure_aiokafka_TP(tp))
        return state.position if state is not None and state.has_valid_position else 0

    def _message(self, batch: RecordBatch) -> tuple[TP, ConsumerMessage]:
        tp = TP(batch.topic, batch.partition)
        value: Any = batch  # Faust's type says bytes
        message = ConsumerMessage(
            batch.topic, batch.partition, batch.end - 1, 0.0, 0, None, None, value, None, tp=tp,
            generation_id=self.app.consumer_generation_id,  # Faust's streams drop what has another
        )  # fmt: skip
        return tp, message

    async def _rewind_unseen(self, fetched: Iterable[TP]) -> None:
        """The last delivery before silence may have been lost too, and no later one will tell."""
        unseen: dict[TP, int] = {}
        for tp in fetched:
            expected = self.app.keepers.expected(tp.partition)
            if expected is not None and expected < self._next.get(tp, expected):
                unseen[tp] = expected
        await self.rewind(unseen)

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: keepers say what is fetched (`getmany`)."""

    def on_buffer_drop(self, tp: TP) -> None:
        """Nothing: keepers say what is fetched (`getmany`)."""

    # Commits --------------------------------------------------------------------------------------------------------

    def ack(self, message: Any) -> bool:
        """Only marks the message: what counts as done is what was flushed (stock: what an agent has seen)."""
        message.acked = True
        return True

    def flushed(self, tp: TP, position: int) -> None:
        """The position may be committed to the group, where others read how far we are."""
        self._flushed[tp] = position

    @Service.task
    async def _commit_handler(self) -> None:
        """Commits at intervals; stock Faust's timer warns whenever a commit takes longer than its short interval."""
        while not self.should_stop:
            await self.sleep(self.commit_interval)
            await self.commit()

    @Service.task
    async def _commit_livelock_detector(self) -> None:
        """Nothing: stock Faust takes an idle partition, or commits that skip offsets, for a stuck stream."""

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:  # noqa: FBT001, FBT002 - Faust's signature
        """Commits the flushed positions; stock Faust commits what consecutive acked offsets add up to."""
        del topics, start_new_transaction
        due = {tp: position for tp, position in self._flushed.items() if position > self._committed.get(tp, -1)}
        if due and await self._commit(due):
            self._committed.update(due)
        return bool(due)

    async def commit_now(self) -> None:
        """The flushed positions are committed if the broker answers in time; for others to see, nothing hangs on it."""
        try:
            async with asyncio.timeout(_COMMIT_TIMEOUT_S):
                await self.commit()
        except TimeoutError:
            self.log.warning("the group's offsets could not be committed in %s s", _COMMIT_TIMEOUT_S)
