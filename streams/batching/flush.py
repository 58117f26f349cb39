"""Folding and flushing: one keeper for each owned partition."""

import asyncio
import contextlib
import math
from collections import defaultdict, deque
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic, thread_time
from types import coroutine
from typing import Any, TypeAlias

from streams.batching import metrics
from streams.batching.batch import Flush, Fold, Outgoing, RecordBatch, Turn
from streams.batching.failure import die
from streams.batching.producer import Entry, FencedProducer, Write
from streams.batching.settings import BatchSettings
from streams.batching.stores import Store
from streams.batching.tables import POSITION_KEY, Changes, FoldTable

_TURN_S = 0.02
_FEWEST, _MOST = 20, 2_000
"""A turn of a keeper: as many records as hold the event loop for about 20 ms without a pause. Long ones are good for
the processor's caches: what 500 records of 1,250 accounts touch is gone from them when the next 500 come.

Every keeper has its turn before the event loop looks at the sockets again. With whole fetches as turns (5,000 records)
a month's end, 0.4 ms a close, held the loop so long that open transactions timed out, after each restart anew.
"""

_RECORDS_A_SECOND = 20_000
"""So many records that wait to be folded put a flush off by a second. A step from short to long flushes would feed
itself: what waits because of one long flush would ask for the next."""

OnFlushed: TypeAlias = Callable[[int], None]
"""Called with the source position that is committed now."""


@dataclass(frozen=True, slots=True)
class Committer:
    """Where one partition's flushes go."""

    app: str
    partition: int
    producer: FencedProducer
    stores: Mapping[FoldTable, Store]
    home: FoldTable
    """The table that also carries the position."""

    async def commit(self, flush: Flush, position: int) -> None:
        """All of the flush is committed with the position, then in the local stores.

        This order survives every crash: what the stores hold is always a beginning of what is committed, and each write
        carries its changelog offset, so the rest is restored.
        """
        changes = {table: changed for table, changed in flush.tables.items() if changed}
        home = changes.get(self.home, {})
        assert isinstance(home, Mapping)  # an application cannot declare a packed one as its home
        changes[self.home] = {**home, POSITION_KEY: position.to_bytes(8, "big")}
        last = await self.producer.transact(self._writes(changes, flush.outcomes))
        for table, changed in changes.items():
            self.stores[table].write(changed, last[table.changelog, self.partition])
        metrics.FLUSHED.labels(self.app, "table").inc(sum(map(len, changes.values())))
        metrics.FLUSHED.labels(self.app, "outcome").inc(len(flush.outcomes))

    def _writes(self, changes: Mapping[FoldTable, Changes], outcomes: Sequence[Outgoing]) -> Iterator[Write]:
        for table, changed in changes.items():
            yield Write(table.changelog, self.partition, ((key, value, (), None) for key, value in table.pack(changed)))
        by_target: defaultdict[tuple[str, int], list[Entry]] = defaultdict(list)
        for topic, partition, key, value, headers, timestamp_ms in outcomes:
            by_target[topic, partition].append((key, value, headers, timestamp_ms))
        for (topic, partition), records in by_target.items():
            yield Write(topic, partition, records)


class PartitionKeeper:
    """Folds and flushes one partition, strictly in turn, in a task of its own.

    In turn, so that what a flush takes, writes and evicts is never touched meanwhile; in its own task, so that the wait
    for one partition's commit is folding time for the others.
    """

    def __init__(
        self, settings: BatchSettings, committer: Committer, fold: Fold, position: int, on_flushed: OnFlushed
    ) -> None:
        self._settings, self._committer, self._fold, self._on_flushed = settings, committer, fold, on_flushed
        self.expected = position
        """Where the next batch must start."""
        self._folded = self._flushed = position
        self._inbox: deque[RecordBatch] = deque()
        self._open_records = self._open_bytes = 0
        self._begun_s: float | None = None
        self._last_flush_s = -math.inf
        self._lag = 0
        self._turn_records = _FEWEST
        self._closing = False
        self._wake = asyncio.Event()
        self._task = asyncio.create_task(self._run(), name=f"{committer.app} partition {committer.partition}")

    def offer(self, batch: RecordBatch) -> None:
        """The batch will be folded after those before it; it must start where the last one ended."""
        assert batch.start == self.expected, (batch.start, self.expected)
        self.expected = batch.end
        self._inbox.append(batch)
        self._lag = batch.lag
        self._wake.set()

    @property
    def has_room(self) -> bool:
        """Whether more should be fetched; bounds what waits in memory."""
        settings = self._settings
        waiting_bytes = sum([batch.size_bytes for batch in self._inbox])
        return self._waiting < settings.fetch_max_records and waiting_bytes < settings.flush_max_bytes

    @property
    def _waiting(self) -> int:
        """How many offsets wait to be folded: the batches of the inbox chain."""
        return self.expected - self._inbox[0].start if self._inbox else 0

    async def close(self, timeout_s: float) -> None:
        """What is folded is flushed; what is not is dropped, and the next owner reads it again.

        After the timeout the working set is dropped too, which is as safe and costs the next owner the same.
        """
        self._closing = True
        self._wake.set()
        _, late = await asyncio.wait({self._task}, timeout=timeout_s)
        if late:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        try:
            while not self._closing:
                if (turn := await self._next_turn()) is not None:
                    await self._take(turn)
                if self._is_due():
                    await self._flush()
            await self._flush()
        except Exception as error:  # noqa: BLE001 - whatever it was, the state in memory is in doubt
            die(f"{self._committer.app}: partition {self._committer.partition} at source offset {self._folded}", error)

    async def _next_turn(self) -> Turn | None:
        """The next records; None once a flush is due or the keeper closes."""
        while not self._inbox and not self._closing:
            due_s = self._due_s()
            wait_s = None if due_s is None else due_s - monotonic()
            if wait_s is not None and wait_s <= 0:
                return None
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
        if self._closing:
            return None
        turn, rest = self._inbox.popleft().turn(self._turn_records)
        if rest is not None:
            self._inbox.appendleft(rest)
        return turn

    async def _take(self, turn: Turn) -> None:
        if self._begun_s is None:
            self._begun_s = monotonic()
        if turn.records:
            held_s = max(await _longest_hold(self._fold.fold(turn.records)), 1e-6)
            self._turn_records = max(_FEWEST, min(_MOST, int(len(turn.records) * _TURN_S / held_s)))
            self._open_records += len(turn.records)
            self._open_bytes += sum([len(record.value) for record in turn.records if record.value is not None])
            metrics.FOLDED.labels(self._committer.app).inc(len(turn.records))
        self._folded = turn.end
        await asyncio.sleep(0)  # a fold need not wait for anything, and the others want their turn

    def _is_due(self) -> bool:
        settings, due_s = self._settings, self._due_s()
        if due_s is None:
            return False
        full = self._open_records >= settings.flush_max_records or self._open_bytes >= settings.flush_max_bytes
        return full or monotonic() >= due_s

    def _due_s(self) -> float | None:
        """When what is folded must be flushed; None where nothing is."""
        if self._begun_s is None:
            return None
        waiting = self._waiting + self._lag
        between_s = min(self._settings.flush_interval_s + waiting / _RECORDS_A_SECOND, self._settings.flush_behind_s)
        # From the last flush on: what comes after a pause, as intake's transactions do, goes out with its first turn.
        return max(self._begun_s, self._last_flush_s + between_s)

    async def _flush(self) -> None:
        """All that was folded is committed and in the local stores; only then does the group's offset follow."""
        if self._folded == self._flushed:
            return
        began = monotonic()
        await self._committer.commit(self._fold.flush(), self._folded)
        self._flushed, self._open_records, self._open_bytes, self._begun_s = self._folded, 0, 0, None
        self._last_flush_s = monotonic()
        self._fold.flushed()
        self._on_flushed(self._flushed)
        metrics.FLUSHES.labels(self._committer.app).inc()
        metrics.FLUSH_SECONDS.labels(self._committer.app).observe(monotonic() - began)


@coroutine
def _longest_hold(fold: Coroutine[Any, Any, None]) -> Generator[Any, Any, float]:
    """Runs the fold to its end and returns the longest time, of the thread's, between two of its waits.

    What passes while it waits is other keepers' folding. Counted as its own, that made a sink's turns the shortest
    there are: 20 statements a transaction, and twice the Python for each (measured: 1,887 a CPU second, then 3,425).
    """
    longest_s = 0.0
    step: Callable[[], Any] = partial(fold.send, None)
    while True:
        began_s = thread_time()
        try:
            waited_for = step()
        except StopIteration:
            return max(longest_s, thread_time() - began_s)
        longest_s = max(longest_s, thread_time() - began_s)
        try:
            yield waited_for
            step = partial(fold.send, None)
        except BaseException as thrown:  # noqa: BLE001 - a cancellation, say: the fold answers it
            step = partial(fold.throw, thrown)


class Keepers:
    """The keepers of one assignment."""

    def __init__(self) -> None:
        self._by_partition: dict[int, PartitionKeeper] = {}

    def open(self, keepers: Mapping[int, PartitionKeeper]) -> None:
        """These fold from now on."""
        assert not self._by_partition
        self._by_partition = dict(keepers)

    def has_room(self, partition: int) -> bool:
        """Whether more of the partition should be fetched."""
        keeper = self._by_partition.get(partition)
        return keeper is not None and keeper.has_room

    def expected(self, partition: int) -> int | None:
        """Where the partition's next batch must start; None: it is not ours."""
        keeper = self._by_partition.get(partition)
        return None if keeper is None else keeper.expected

    def offer(self, batch: RecordBatch) -> bool:
        """What is new in the batch will be folded. Returns False, and takes nothing, if one before it was lost."""
        keeper = self._by_partition.get(batch.partition)
        if keeper is None or batch.end <= keeper.expected:
            return True  # of a partition that went away, or fetched twice around a rewind
        if batch.start > keeper.expected:
            return False
        keeper.offer(batch if batch.start == keeper.expected else batch.since(keeper.expected))
        return True

    async def close(self, timeout_s: float) -> None:
        """Every working set is flushed or dropped."""
        former, self._by_partition = self._by_partition, {}
        await asyncio.gather(*(keeper.close(timeout_s) for keeper in former.values()))
