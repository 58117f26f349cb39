"""Bugs that were never in the product. The simulation must see each: a check that nothing fails checks nothing.

Each is to be found by an invariant that it breaks: that a run does not end proves no check.

Each puts something wrong in the place of one function of the product for as long as a block runs, within a simulation.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final
from unittest.mock import patch

from billing.account.identity import id_key
from billing.entry import Usage
from connectors.relay.pgoutput import Batch
from connectors.relay.relay import Relay
from connectors.scheduler import rounds
from schemas.codec import Codec, NamedEntry
from schemas.usage_wire import NamedBatch
from streams.agents.sinks import SinkFold
from streams.batching import recovery
from streams.batching.batch import Flush
from streams.batching.flush import Committer
from streams.batching.producer import FencedProducers
from streams.batching.tables import POSITION_KEY, entries
from tests.simulation.sink import SimInvoicing
from tests.simulation.worker import SimApp

Plant = Callable[[], AbstractContextManager[Any]]


def commit_before_write() -> AbstractContextManager[Any]:
    """The position is committed first, and then what was folded up to it."""

    async def commit(self: Committer, flush: Flush, position: int) -> None:
        await _commit(self, Flush(), position)
        await _commit(self, flush, position)

    return patch.object(Committer, "commit", commit)


def flush_in_two_transactions() -> AbstractContextManager[Any]:
    """State and position in one transaction, what goes out in another."""

    async def commit(self: Committer, flush: Flush, position: int) -> None:
        await _commit(self, Flush(tables=flush.tables), position)
        await self.producer.transact(self._writes({}, flush.outcomes))

    return patch.object(Committer, "commit", commit)


_commit: Final[Callable[[Committer, Flush, int], Awaitable[None]]] = Committer.commit


def position_apart_from_state() -> AbstractContextManager[Any]:
    """A new owner goes on at the group's committed offset in place of the position in its state."""

    async def positions(self: Any, stores: Mapping[int, object]) -> dict[Any, int]:
        offsets = self.machine.broker.offsets
        return {tp: offsets.get((self.app_id, tp.topic, tp.partition), 0) for tp in self.assigned if stores}

    return patch.object(SimApp, "_positions", positions)


def no_fencing() -> AbstractContextManager[Any]:
    """Every owner of a partition has a transactional id of his own."""
    start, owners = FencedProducers.start, count()

    async def start_unfenced(self: FencedProducers, partitions: Iterable[int]) -> None:
        self._name = f"{self._name}-{next(owners)}"
        await start(self, partitions)

    return patch.object(FencedProducers, "start", start_unfenced)


def dedupe_without_customer() -> AbstractContextManager[Any]:
    """Ids of a tenant's customers are one set."""
    return _dedupe_by(lambda usage: id_key(usage.tenant, "", usage.source, usage.id))


def dedupe_without_tenant() -> AbstractContextManager[Any]:
    """Ids of all tenants' customers of one name are one set."""
    return _dedupe_by(lambda usage: id_key("", usage.customer, usage.source, usage.id))


def _dedupe_by(key: Callable[[Usage], bytes]) -> AbstractContextManager[Any]:
    decode = Codec.decode_named

    def misnamed(self: Codec, payload: bytes) -> NamedEntry:
        named = decode(self, payload)
        return named if named[1] is None else (named[0], key(named[0]), named[2])

    def none_at_once(_: Codec, payloads: Sequence[bytes | None]) -> NamedBatch:
        return [None] * len(payloads), [b""] * len(payloads), [b""] * len(payloads)

    return patch.multiple(Codec, decode_named=misnamed, named_usage=none_at_once)


def relay_confirms_before_ack() -> AbstractContextManager[Any]:
    """The slot is told that a batch is durable before it is."""
    publish = Relay._publish

    async def confirm_first(self: Relay, batch: Batch) -> None:
        self._log.confirm(batch.end_lsn)
        await publish(self, batch)

    return patch.object(Relay, "_publish", confirm_first)


def sink_confirms_before_write() -> AbstractContextManager[Any]:
    """What was read is written with the next batch, and its position committed at once."""
    fold = SinkFold.fold

    async def fold_late(self: Any, records: Sequence[Any]) -> None:
        late, self._late = getattr(self, "_late", ()), records
        if late:
            await fold(self, late)

    def flushed(self: Any) -> None:
        """The last batch is written when the next one comes."""
        del self

    return patch.multiple(SinkFold, fold=fold_late, flushed=flushed)


def sink_writes_twice() -> AbstractContextManager[Any]:
    """A statement that has its invoice gets another one."""
    return patch.object(SimInvoicing, "is_issued", lambda _self, _statement: False)


def barrier_does_not_wait() -> AbstractContextManager[Any]:
    """Every note counts as passed."""
    return patch.object(rounds, "passed", lambda _noted, _committed: True)


def restore_reads_uncommitted() -> AbstractContextManager[Any]:
    """Aborted records are restored too."""
    make: Any = vars(recovery)["AIOKafkaConsumer"]
    return patch.object(
        recovery, "AIOKafkaConsumer", lambda **settings: make(**settings | {"isolation_level": "read_uncommitted"})
    )


def restore_stops_early() -> AbstractContextManager[Any]:
    """One fetch counts as all there is."""

    async def read(consumer: Any, targets: Mapping[Any, Any], missing: dict[Any, int], _stall_s: float) -> int:
        restored = 0
        if missing:
            for target, records in (await consumer.getmany(*missing, timeout_ms=200)).items():
                table, store = targets[target]
                store.write(table.unpack(records), records[-1].offset)
                restored += len(records)
        return restored

    return patch.object(recovery, "_read", read)


def store_before_changelog() -> AbstractContextManager[Any]:
    """The local store is written when the changelog is sent, before that is committed."""

    async def commit(self: Committer, flush: Flush, position: int) -> None:
        changes = {table: changed for table, changed in flush.tables.items() if changed}
        changes[self.home] = dict(entries(changes.get(self.home, {}))) | {POSITION_KEY: position.to_bytes(8, "big")}
        client = self.producer._producer
        await client.begin_transaction()
        sent = [
            (write.topic, await client.send_batch(batch, write.topic, partition=write.partition))
            for write in self._writes(changes, flush.outcomes)
            for batch in self.producer._batches(write.entries)
        ]
        last = {topic: (await answer).offset for topic, answer in sent}
        for table, items in changes.items():
            self.stores[table].write(items, last[table.changelog])
        await client.commit_transaction()

    return patch.object(Committer, "commit", commit)


@dataclass(frozen=True, slots=True)
class Planted:
    """A bug, and the ids of the invariants of which one must find it."""

    plant: Plant
    breaks: frozenset[str]


PLANTED: Final[Mapping[str, Planted]] = {
    plant.__name__: Planted(plant, frozenset(breaks))
    for plant, *breaks in (
        (commit_before_write, "I02", "I12"),
        (flush_in_two_transactions, "I02", "I12"),
        (position_apart_from_state, "I02"),
        (no_fencing, "I02", "I12"),
        (dedupe_without_customer, "I12", "I17"),
        (dedupe_without_tenant, "I12", "I17"),
        (relay_confirms_before_ack, "I07"),
        (sink_confirms_before_write, "I03", "I13"),
        (sink_writes_twice, "I03"),
        (barrier_does_not_wait, "I17"),
        (restore_reads_uncommitted, "I02", "I12"),
        (restore_stops_early, "I12", "I17"),
        (store_before_changelog, "I02", "I12"),
    )
}
