"""The Faust application whose hot path is batches."""

import asyncio
from collections.abc import Mapping, Sequence
from time import monotonic
from typing import Any

import faust
from faust.serializers.schemas import Schema
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from streams.batching import metrics, topics
from streams.batching.batch import FoldFactory, Partition, RecordBatch
from streams.batching.consumer import BatchConsumer
from streams.batching.failure import die
from streams.batching.flush import Committer, Keepers, PartitionKeeper
from streams.batching.producer import FencedProducers
from streams.batching.recovery import BatchTableManager, restore
from streams.batching.settings import BatchSettings
from streams.batching.stores import Store, Stores
from streams.batching.tables import POSITION_KEY, FoldTable, PackedIdTable, changelog

_QUEUED_FETCHES = 16


class BatchTransport(driver.Transport):
    """Faust's aiokafka transport with our consumer."""

    Consumer = BatchConsumer


class BatchSchema(Schema[Any, Any]):
    """Passes a `RecordBatch` through; stock schemas decode a record."""

    def loads_key(self, app: Any, message: Any, **options: Any) -> None:
        """No key: a batch has many."""

    def loads_value(self, app: Any, message: Any, **options: Any) -> RecordBatch:  # noqa: ARG002 - Faust's signature
        """The batch itself."""
        batch: RecordBatch = message.value
        return batch


class BatchApp(faust.App):
    """A Faust application with one source topic, tables, and a fold over them.

    Its id is the consumer group, and the prefix of changelogs and transactional ids: it must never change.
    """

    def __init__(self, app_id: str, settings: BatchSettings) -> None:
        self.app_id = app_id
        self.settings = settings
        self.keepers = Keepers()
        self._tables: list[FoldTable] = []
        self._source = ""
        self._published: Sequence[str] = ()
        self._factory: FoldFactory | None = None
        self._stores: Stores | None = None
        self._producers: FencedProducers | None = None
        self._takeover: asyncio.Task[None] | None = None
        self._owns = False
        super().__init__(
            app_id,
            broker=[f"kafka://{server}" for server in settings.bootstrap_servers.split(",")],
            TableManager=BatchTableManager,
            datadir=settings.data_dir / app_id / settings.instance,
            consumer_group_instance_id=settings.instance,
            broker_session_timeout=settings.session_timeout_s,
            broker_rebalance_timeout=settings.rebalance_timeout_s,
            broker_commit_interval=settings.flush_interval_s,  # the close barrier waits for committed offsets
            key_serializer="raw",
            value_serializer="raw",
            stream_wait_empty=False,  # what counts is flushed, not acked
            stream_recovery_delay=0.0,
            topic_allow_declare=False,  # `topics.prepare` does it, with errors that say what to do
            topic_disable_leader=True,
            table_standby_replicas=0,
            web_enabled=False,
        )

    # Declaring ------------------------------------------------------------------------------------------------------

    def fold_table(self, name: str) -> FoldTable:
        """A table of raw keys and values."""
        table = FoldTable(name, changelog(self.app_id, name))
        self._tables.append(table)
        return table

    def packed_id_table(self, name: str, retention_s: int | None = None) -> PackedIdTable:
        """A table of 16-byte ids with 16-byte values; rows may be forgotten after `retention_s`."""
        table = PackedIdTable(name, changelog(self.app_id, name), retention_s)
        self._tables.append(table)
        return table

    def fold(self, source: str, factory: FoldFactory, *, home: FoldTable, publishes: Sequence[str] = ()) -> None:
        """The source's partitions are folded, each by a fold that the factory makes when this worker takes it over.

        Args:
            source: The topic.
            factory: Makes a fold from the restored state of a partition.
            home: The table that also carries the source position, under `POSITION_KEY`.
            publishes: Topics of the outcomes; they must exist when the worker starts.
        """
        if self._source:
            raise ValueError(f"{self.app_id} folds {self._source} already: one source for an application")
        if isinstance(home, PackedIdTable):
            raise ValueError(  # noqa: TRY004 - a wrong choice of table, not of type
                f"the position can't stand in {home.name}: a packed table has no single keys"
            )
        self._source, self._factory, self._home_table, self._published = source, factory, home, publishes
        topic = self.topic(source, schema=BatchSchema(), maxsize=_QUEUED_FETCHES)

        @self.agent(topic, name=f"{self.app_id}-fold")
        async def fold(batches: Any) -> None:
            try:
                async for batch in batches:
                    await self._offer(batch)
            except Exception as error:  # noqa: BLE001 - stock Faust would restart the agent and skip the event
                die(f"{self.app_id}: handing batches on", error)

    async def _offer(self, batch: RecordBatch) -> None:
        if self.keepers.offer(batch):
            return
        # One before it was lost on Faust's way from the consumer to the agent: fetch from there again.
        if (expected := self.keepers.expected(batch.partition)) is not None:
            await self._batches.rewind({TP(batch.topic, batch.partition): expected})

    # Owning ---------------------------------------------------------------------------------------------------------

    @property
    def _batches(self) -> BatchConsumer:
        consumer = self.consumer
        assert isinstance(consumer, BatchConsumer)
        return consumer

    @property
    def is_ready(self) -> bool:
        """Whether this worker has taken its assignment over and folds (an empty assignment is one too)."""
        return self._owns

    async def take_over(self) -> bool:
        """The assigned partitions are ours and restored; False if they were revoked meanwhile."""
        self._takeover = asyncio.create_task(self._take_over())
        await asyncio.wait({self._takeover})
        if not self._takeover.cancelled():
            self._takeover.result()
        return self._owns

    async def _take_over(self) -> None:
        """Fence first, then read to the end, then go on: in any other order a former owner could write after us."""
        began = monotonic()
        assert self._producers is not None
        assert self._stores is not None
        owned = sorted(tp.partition for tp in self._batches.assignment() if tp.topic == self._source)
        await self._producers.start(owned)
        stores = self._stores.keep(owned)
        restored = await restore(self.settings, stores)
        positions = await self._positions(stores)
        await self._batches.start_at(positions)
        self.keepers.open({tp.partition: self._keeper(tp, position) for tp, position in positions.items()})
        for tp, position in positions.items():
            self._batches.flushed(
                tp, position
            )  # the former owner may have died between its flush and the group's commit
        self._owns = True
        metrics.OWNED.labels(self.app_id).set(len(owned))
        metrics.RESTORED.labels(self.app_id).inc(restored)
        metrics.RESTORE_SECONDS.labels(self.app_id).set(monotonic() - began)
        self.log.info(
            "%s took over partitions %s of %s in %.2f s, %s changelog records restored",
            self.app_id, owned, self._source, monotonic() - began, restored,
        )  # fmt: skip

    def _keeper(self, tp: TP, position: int) -> PartitionKeeper:
        assert self._producers is not None
        assert self._stores is not None
        assert self._factory is not None
        stores = self._stores[tp.partition]
        committer = Committer(self.app_id, tp.partition, self._producers[tp.partition], stores, self._home_table)
        fold = self._factory(Partition(tp.partition, stores))
        return PartitionKeeper(self.settings, committer, fold, position, lambda done: self._batches.flushed(tp, done))

    async def _positions(self, stores: Mapping[int, Mapping[FoldTable, Store]]) -> dict[TP, int]:
        """Where each partition goes on: at the position in its state, at the log's start without one.

        Raises:
            RuntimeError: If the log does not hold that position any more, or not yet.
        """
        sources = {TP(self._source, partition): tables[self._home_table] for partition, tables in stores.items()}
        if not sources:
            return {}
        firsts, ends = await self._batches.earliest_offsets(*sources), await self._batches.highwaters(*sources)
        positions = {}
        for tp, home in sources.items():
            raw = home.get(POSITION_KEY)
            positions[tp] = position = firsts[tp] if raw is None else int.from_bytes(raw, "big")
            if position < firsts[tp]:
                raise RuntimeError(
                    f"{tp.topic}/{tp.partition}: folded up to {position}, but the log starts at {firsts[tp]}: retention"
                    " deleted records unread. Restore them, or accept the loss by a new application id"
                )
            if position > ends[tp]:
                raise RuntimeError(
                    f"{tp.topic}/{tp.partition}: folded up to {position}, but the log ends at {ends[tp]}: it lost"
                    " records or was made anew, and its state belongs to the former log"
                )
        return positions

    async def release(self) -> None:
        """Nothing is ours any more: what was folded is flushed and committed, or dropped if that takes too long."""
        self._owns = False
        self._batches.stop_flow()
        self.flow_control.suspend()
        if self._takeover is not None:
            self._takeover.cancel()
            await asyncio.wait({self._takeover})
        await self.keepers.close(self.settings.rebalance_timeout_s / 2)
        await self._batches.commit_now()
        self._batches.forget()
        if self._producers is not None:
            await self._producers.stop()
        metrics.OWNED.labels(self.app_id).set(0)

    # Faust's life cycle ---------------------------------------------------------------------------------------------

    def _new_transport(self) -> BatchTransport:
        return BatchTransport(self.conf.broker_consumer, self)

    async def on_first_start(self) -> None:
        """Makes the data directory with its parents; stock Faust only the last part."""
        self.conf.datadir.mkdir(parents=True, exist_ok=True)
        await super().on_first_start()

    async def on_start(self) -> None:
        """Topics are checked before anything connects for good."""
        await topics.prepare(self.settings, self._source, self._published, self._tables)
        self._stores = Stores(self.settings.store, self.conf.datadir, self._tables)
        self._producers = FencedProducers(self.settings, f"{self.app_id}-{self._source}")
        await super().on_start()

    async def _stop_consumer(self) -> None:
        """A graceful stop flushes before anything is taken down; stock Faust only drops what is in flight."""
        if self._consumer is not None:
            await self.release()
        await super()._stop_consumer()

    async def on_stop(self) -> None:
        """The stores are closed last."""
        await super().on_stop()
        if self._stores is not None:
            self._stores.close()

    def _crash(self, reason: BaseException) -> None:
        """Stock Faust winds its services down one by one, and may write on meanwhile."""
        die(f"{self.app_id}: a service", reason)
