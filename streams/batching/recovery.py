"""Restoring tables, and the place in Faust's rebalance where that happens."""

import asyncio
from collections.abc import Mapping
from time import monotonic
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery

from streams.batching.settings import BatchSettings
from streams.batching.stores import Store
from streams.batching.tables import FoldTable

_FETCH_BYTES = 4 << 20
_POLL_MS = 200


async def restore(settings: BatchSettings, stores: Mapping[int, Mapping[FoldTable, Store]]) -> int:
    """Every store holds its changelog to the end. Returns the records read.

    The partitions must have been fenced before: then nobody writes to their changelogs and the end found is final.
    What counts as read is the consumer's position: transaction markers at the end are never delivered.

    Raises:
        RuntimeError: If a store is ahead of its changelog, or nothing more can be read.
    """
    targets = {
        TopicPartition(table.changelog, partition): (table, store)
        for partition, tables in stores.items()
        for table, store in tables.items()
    }
    if not targets:
        return 0
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap_servers.split(","),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=_FETCH_BYTES,
        fetch_max_wait_ms=_POLL_MS,
    )
    try:
        await consumer.start()
        consumer.assign(list(targets))
        firsts, ends = await consumer.beginning_offsets(list(targets)), await consumer.end_offsets(list(targets))
        missing = {}
        for target, (_, store) in targets.items():
            start = _start(store, target, firsts[target], ends[target])
            consumer.seek(target, start)
            if start < ends[target]:
                missing[target] = ends[target]
        return await _read(consumer, targets, missing, settings.restore_stall_s)
    finally:
        await consumer.stop()


def _start(store: Store, target: TopicPartition, first: int, end: int) -> int:
    """The changelog offset to read from; a store that has missed records which are gone is emptied."""
    held = store.changelog_offset
    if held is None:
        return first
    if held >= end:
        raise RuntimeError(
            f"{target.topic}/{target.partition} ends at {end}, but the local table holds offset {held}: the changelog"
            " lost records or was made anew. If that was meant, delete the worker's data directory"
        )
    if held + 1 < first:
        store.clear()
        return first
    return held + 1


async def _read(
    consumer: Any,
    targets: Mapping[TopicPartition, tuple[FoldTable, Store]],
    missing: dict[TopicPartition, int],
    stall_s: float,
) -> int:
    read, progress_at = 0, monotonic()
    while missing:
        before = {target: await consumer.position(target) for target in missing}
        for target, records in (await consumer.getmany(*missing, timeout_ms=_POLL_MS)).items():
            table, store = targets[target]
            store.write(table.unpack(records), records[-1].offset)
            read += len(records)
        for target, position_before in before.items():
            position = await consumer.position(target)
            if position > position_before:
                progress_at = monotonic()
            if position >= missing[target]:
                del missing[target]
        if missing and monotonic() - progress_at > stall_s:
            raise RuntimeError(f"nothing more to read for {stall_s} s, but these changelogs have not ended: {missing}")
        await asyncio.sleep(0)
    return read


class BatchRecovery(Recovery):
    """Faust's recovery service, without Faust's tables: it only says when an assignment is complete."""

    app: Any

    async def _resume_streams(self, generation_id: int = 0) -> None:
        """Takes the assignment over and lets the source flow.

        Stock Faust bounds this step by the request timeout and, when that passes, lets the source flow all the same.
        """
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        if not await app.take_over():
            raise RebalanceAgain
        consumer.resume_partitions(consumer.assignment())
        self.completed.set()
        app.flow_control.resume()
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001 - as stock
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.log.info("generation %s: folding %s", generation_id, sorted(consumer.assignment()))


class BatchTableManager(TableManager):
    """Faust's table manager, holding no Faust table."""

    _recovery: BatchRecovery | None = None

    async def on_start(self) -> None:
        """Stock Faust sleeps a second here."""
        await self._update_channels()
        await self.recovery.start()

    @property
    def recovery(self) -> BatchRecovery:
        """Ours."""
        if self._recovery is None:
            self._recovery = BatchRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
