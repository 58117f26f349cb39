"""A worker for the tests: counts the source's records by key, each id once, and announces every tenth.

Run as a process: `counting_worker.py '<json of Run>'`. It can be told to kill itself at a chosen point of a flush, and
to carry a planted bug, so that the tests see the checks fail.
"""

import asyncio
import hashlib
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

import streams.batching.app
from streams.batching.app import BatchApp
from streams.batching.batch import Flush, Outgoing, Partition, RecordBatch
from streams.batching.flush import Committer, Keepers
from streams.batching.producer import FencedProducer, Write
from streams.batching.recovery import restore
from streams.batching.settings import BatchSettings
from streams.batching.stores import RocksStore, Store
from streams.batching.tables import Changes, FoldTable, PackedIdTable
from streams.batching.worker import run_worker

ANNOUNCE_EVERY = 10


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told."""

    bootstrap_servers: str
    app_id: str
    source: str
    outcomes: str
    instance: str
    data_dir: str
    store: str = "rocksdb://"
    session_timeout_s: float = 20.0
    """Longer than a busy machine makes a worker stand still: only who is to lose its session has a short one. A quarter
    of it passes between heartbeats, which must stay well below the 10 s that a rebalance waits for a member."""
    flush_interval_s: float = 0.1
    die_at: str = ""
    """Where in a flush to die: `before commit`, `before store`, `between stores`; a planted bug's `between halves` …"""
    die_in_flush: int = 0
    """… and in which flush of this process (0: in none)."""
    lose_every: int = 0
    """Faust loses every such delivery on its way to the keepers (0: none)."""
    planted: str = ""
    """A bug, by its name in `BUGS`."""


class Counting:
    """Counts by key; the state is the count as decimal digits."""

    def __init__(self, partition: Partition, counts: FoldTable, ids: PackedIdTable, outcomes: str) -> None:
        self._number, self._outcomes = partition.number, outcomes
        self._counts_table, self._ids_table = counts, ids
        self._counts, self._ids = partition.store(counts), partition.store(ids)
        self._counted: dict[bytes, int] = {}
        self._seen: dict[bytes, bytes] = {}
        self._announced: list[Outgoing] = []

    async def fold(self, records: Sequence[Any]) -> None:
        """Counts."""
        hashes = [hashlib.blake2b(record.value, digest_size=16).digest() for record in records]
        for record, digest, before in zip(records, hashes, self._ids.get_many(hashes), strict=True):
            if before is None and digest not in self._seen:
                self._seen[digest] = record.offset.to_bytes(8, "big") + digest[:8]
                self._count(record)

    def _count(self, record: Any) -> None:
        count = self._counted.get(record.key)
        if count is None:
            count = int(self._counts.get(record.key) or b"0")
        self._counted[record.key] = count = count + 1
        if count % ANNOUNCE_EVERY == 0:
            value = b"%d" % count
            self._announced.append(
                Outgoing(self._outcomes, self._number, record.key, value, [("by", b"test")], record.timestamp)
            )

    def flush(self) -> Flush:
        """What changed."""
        counts = {key: b"%d" % count for key, count in self._counted.items()}
        flush = Flush(
            {self._counts_table: counts, self._ids_table: [key + value for key, value in self._seen.items()]},
            self._announced,
        )
        self._seen, self._announced = {}, []
        return flush

    def flushed(self) -> None:
        """Forgets what the store has now."""
        self._counted = {}


def _die_in_flush(run: Run) -> None:
    """Makes the process kill itself at the chosen point."""
    flushes = 0

    def reached(point: str) -> None:
        if run.die_at == point and flushes >= run.die_in_flush:
            os.kill(os.getpid(), signal.SIGKILL)

    transact, write = FencedProducer.transact, RocksStore.write

    async def counted(self: FencedProducer, writes: Iterable[Write]) -> dict[tuple[str, int], int]:
        nonlocal flushes
        flushes += 1
        commit = self._producer.commit_transaction

        async def doomed() -> None:
            reached("before commit")
            await commit()

        self._producer.commit_transaction = doomed
        last = await transact(self, writes)
        self._producer.commit_transaction = commit
        reached("before store")
        return last

    def stored(self: RocksStore, changes: Changes, changelog_offset: int) -> None:
        if self._path.name.startswith("ids-"):  # the other one has the flush already
            reached("between stores")
        write(self, changes, changelog_offset)

    FencedProducer.transact, RocksStore.write = counted, stored  # type: ignore[method-assign]


def _lose_deliveries(run: Run) -> None:
    """What Faust does when it clears its queues: the batch is gone, and nobody is told."""
    offer, delivered = Keepers.offer, 0

    def lossy(self: Keepers, batch: RecordBatch) -> bool:
        nonlocal delivered
        delivered += 1
        return delivered % run.lose_every == 0 or offer(self, batch)

    if run.lose_every:
        Keepers.offer = lossy  # type: ignore[method-assign]


def _plant_two_transactions(run: Run) -> None:
    """Each topic goes out in a transaction of its own, outcomes first."""
    transact = FencedProducer.transact

    async def apart(self: FencedProducer, writes: Iterable[Write]) -> dict[tuple[str, int], int]:
        last: dict[tuple[str, int], int] = {}
        for write in reversed(list(writes)):
            last.update(await transact(self, [write]))
            if write.topic == run.outcomes:
                _die_between_halves(run)
        return last

    FencedProducer.transact = apart  # type: ignore[method-assign]


def _plant_position_ahead(run: Run) -> None:
    """The position is committed, and only then what led to it."""
    commit = Committer.commit

    async def ahead(self: Committer, flush: Flush, position: int) -> None:
        await commit(self, Flush(), position)
        _die_between_halves(run)
        await commit(self, flush, position)

    Committer.commit = ahead  # type: ignore[method-assign]


def _plant_no_fence(_: Run) -> None:
    """Every process has transactional ids of its own, so nobody is fenced."""
    make = FencedProducer.__init__

    def alone(self: FencedProducer, settings: BatchSettings, transactional_id: str) -> None:
        make(self, settings, f"{transactional_id}-{os.getpid()}")

    FencedProducer.__init__ = alone  # type: ignore[method-assign]


def _plant_ids_not_restored(_: Run) -> None:
    """What the store of counts holds counts as held by that of ids."""
    vars(streams.batching.app)["restore"] = partial(_restore_counts, restore)


async def _restore_counts(
    restored: Callable[..., Awaitable[int]], settings: BatchSettings, stores: Mapping[int, Mapping[FoldTable, Store]]
) -> int:
    counts = {at: {table: one for table, one in held.items() if table.name == "counts"} for at, held in stores.items()}
    return await restored(settings, counts)


def _die_between_halves(run: Run) -> None:
    if run.die_at == "between halves":
        os.kill(os.getpid(), signal.SIGKILL)


BUGS = {
    "two transactions": _plant_two_transactions,
    "position ahead": _plant_position_ahead,
    "no fence": _plant_no_fence,
    "ids not restored": _plant_ids_not_restored,
}


async def main(run: Run) -> None:
    _die_in_flush(run)
    _lose_deliveries(run)
    if run.planted:
        BUGS[run.planted](run)
    app = BatchApp(
        run.app_id,
        BatchSettings(
            bootstrap_servers=run.bootstrap_servers,
            instance=run.instance,
            data_dir=Path(run.data_dir),
            store=run.store,
            session_timeout_s=run.session_timeout_s,
            flush_interval_s=run.flush_interval_s,
        ),
    )
    counts, ids = app.fold_table("counts"), app.packed_id_table("ids")

    def make(partition: Partition) -> Counting:
        return Counting(partition, counts, ids, run.outcomes)

    app.fold(run.source, make, home=counts, publishes=[run.outcomes])
    await run_worker(app)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(main(msgspec.json.decode(sys.argv[1], type=Run)))
