"""A worker of the batch transport without Faust: everything but Faust's own machinery is the product's code.

`BatchApp` and `BatchConsumer` hang on Faust by inheritance. What they decide themselves stands in methods of theirs,
and these are borrowed here by name: taking over, restoring positions, giving up, handing on, fetching, rewinding,
committing. What Faust and aiokafka would do between them is a queue, a coordinator (`group.py`) and logs (`broker.py`).
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Final, cast

from faust.types import TP

from streams.batching.app import BatchApp
from streams.batching.batch import FoldFactory, RecordBatch
from streams.batching.consumer import BatchConsumer
from streams.batching.flush import Keepers
from streams.batching.producer import FencedProducers
from streams.batching.settings import BatchSettings
from streams.batching.tables import FoldTable
from tests.simulation.broker import Broker
from tests.simulation.disk import Disk, DiskStores
from tests.simulation.group import Group, Member
from tests.simulation.world import World
from tests.support.packed import Together

_LOG: Final = logging.getLogger("beaas.simulation")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False


@dataclass(slots=True)
class Machine:
    """Where a worker runs: what is there before it starts and after it dies.

    Attributes:
        groups: by application id.
        lost_deliveries: how often a fetch gets lost between consumer and agent.
    """

    world: World
    broker: Broker
    groups: dict[str, Group]
    on_group_commit: Callable[[str, int, int], None]
    """Told, at the moment when others see it, how far an application has come with a partition."""
    disks: dict[str, Disk] = field(default_factory=dict)
    lost_deliveries: float = 0.0

    def loses_delivery(self) -> bool:
        """Whether Faust drops this one."""
        loses = self.lost_deliveries > 0 and self.world.random.random() < self.lost_deliveries
        self.world.happened["lost delivery"] += loses
        return loses


class SimConsumer:
    """The source of one application, over the product's `BatchConsumer`."""

    # What the product decides.
    start_at: Any = BatchConsumer.start_at
    rewind: Any = BatchConsumer.rewind
    forget: Any = BatchConsumer.forget
    getmany: Any = BatchConsumer.getmany
    flushed: Any = BatchConsumer.flushed
    force_commit: Any = BatchConsumer.force_commit
    commit_now: Any = BatchConsumer.commit_now
    _seek_all: Any = BatchConsumer._seek_all
    _message: Any = BatchConsumer._message
    _rewind_unseen: Any = BatchConsumer._rewind_unseen

    def __init__(self, app: "SimApp", machine: Machine) -> None:
        self.app, self.log = app, _LOG
        self._broker, self._world = machine.broker, machine.world
        self._next: dict[TP, int] = {}
        self._epoch = 0
        self._torn = False
        self._flushed: dict[TP, int] = {}
        self._committed: dict[TP, int] = {}
        self._read: dict[TP, int] = {}
        self.can_resume_flow = asyncio.Event()

    @property
    def flow_active(self) -> bool:
        """Whether anything may be fetched."""
        return self.can_resume_flow.is_set()

    def stop_flow(self) -> None:
        """Nothing is fetched."""
        self.can_resume_flow.clear()

    def assignment(self) -> set[TP]:
        """What the coordinator has given to this member."""
        return self.app.assigned

    async def wait(self, waiting: Coroutine[Any, Any, object]) -> None:
        """As Faust's services wait."""
        await waiting

    async def seek_wait(self, positions: Mapping[TP, int]) -> None:
        """The client goes on there."""
        await self._world.op("seek", lambda: self._read.update(positions))

    async def earliest_offsets(self, *places: TP) -> dict[TP, int]:
        """Nothing is ever deleted."""
        return dict.fromkeys(places, 0)

    async def highwaters(self, *places: TP) -> dict[TP, int]:
        """Ends of the source."""
        ends: dict[TP, int] = await self._world.op(
            "ask for ends", lambda: {tp: self._broker.log(tp.topic, tp.partition).end for tp in places}
        )
        return ends

    def highwater(self, tp: TP) -> int:
        """As the last fetch told."""
        return self._broker.log(tp.topic, tp.partition).end

    def _position(self, tp: TP) -> int:
        return self._read.get(tp, 0)

    def _batches(self, records: Mapping[TP, list[Any]], fetched: Iterable[TP]) -> Iterator[RecordBatch]:
        """See `BatchConsumer._batches`; it walks a set, whose order differs from process to process."""
        batches: Iterator[RecordBatch] = BatchConsumer._batches(cast("Any", self), records, sorted(fetched))
        return batches

    async def commit(self) -> bool:
        """As Faust does it: through the driver's hook."""
        done: bool = await self.force_commit()
        return done

    async def _commit(self, due: Mapping[TP, int]) -> bool:
        """The group's offsets, if this member still belongs to it."""
        app = self.app

        def commit() -> bool:
            if not app.group.is_member(app.settings.instance, app.consumer_generation_id):
                return False
            for tp, position in due.items():
                self._broker.offsets[app.app_id, tp.topic, tp.partition] = position
                app.machine.on_group_commit(app.app_id, tp.partition, position)
            return True

        committed: bool = await self._world.op(f"commit offsets {app.app_id}", commit)
        return committed

    async def _getmany(self, active_partitions: set[TP], timeout: float) -> dict[TP, list[Any]]:  # noqa: ASYNC109 - Faust's name
        places = sorted(active_partitions)
        read, logs = self._read, [(tp, self._broker.log(*tp)) for tp in places]
        fetched: dict[TP, list[Any]] = await self._world.op(
            "fetch",
            lambda: self._fetched(places),
            when=lambda: any(log.stable_end > read.get(tp, 0) for tp, log in logs),
            timeout_s=timeout,
        )
        return fetched

    def _fetched(self, places: Sequence[TP]) -> dict[TP, list[Any]]:
        found = {}
        for tp in places:
            portion = self._world.random.randint(1, self.app.settings.fetch_max_records)
            records, self._read[tp] = self._broker.log(*tp).read(self._read.get(tp, 0), most=portion)
            if records:  # two batches, so that turns begin and end within them
                middle = len(records) // 2
                found[tp] = [Together(part) for part in (records[:middle], records[middle:]) if part]
        return found


class SimApp:
    """In the place of `BatchApp`, with its methods."""

    # What the product decides.
    fold_table: Any = BatchApp.fold_table
    packed_id_table: Any = BatchApp.packed_id_table
    take_over: Any = BatchApp.take_over
    release: Any = BatchApp.release
    _take_over: Any = BatchApp._take_over
    _positions: Any = BatchApp._positions
    _keeper: Any = BatchApp._keeper
    _offer: Any = BatchApp._offer

    def __init__(self, app_id: str, settings: BatchSettings) -> None:
        self.app_id, self.settings, self.log = app_id, settings, _LOG
        self.keepers = Keepers()
        self.conf = SimpleNamespace(id=app_id)
        self.flow_control = SimpleNamespace(suspend=lambda: None)
        self.assigned: set[TP] = set()
        self.consumer_generation_id = -1
        self._tables: list[FoldTable] = []
        self._factory: FoldFactory | None = None
        self._source = ""
        self._owns = False
        self._takeover: asyncio.Task[None] | None = None

    @property
    def tables(self) -> Sequence[FoldTable]:
        """Its tables."""
        return self._tables

    @property
    def source(self) -> str:
        """The topic it folds."""
        return self._source

    @property
    def factory(self) -> FoldFactory:
        """What it folds with."""
        assert self._factory is not None
        return self._factory

    def fold(self, source: str, factory: FoldFactory, *, home: FoldTable, publishes: Sequence[str] = ()) -> None:
        """See `BatchApp.fold`; nothing is told to Faust."""
        self._source, self._factory, self._home_table, self._published = source, factory, home, publishes

    # Faust's part ---------------------------------------------------------------------------------------------------

    async def live(self, machine: Machine) -> None:
        """Joins, takes over, folds, gives up, joins again, until it is asked to stop."""
        self.machine, self.group = machine, machine.groups[self.app_id]
        instance = self.settings.instance
        self._stores = DiskStores(machine.disks.setdefault(instance, Disk()), self._tables)
        self._producers = FencedProducers(self.settings, f"{self.app_id}-{self._source}")
        self._batches = SimConsumer(self, machine)
        self._changed, self._stopping = asyncio.Event(), False
        self._deliveries: asyncio.Queue[RecordBatch] = asyncio.Queue()
        process = machine.world.current
        assert process is not None
        member = Member(process, process.starts, lambda: machine.world.inside(process, lambda _: self._changed.set()))
        process.stop = self._stop
        process.on_death = process.on_stall = lambda: self.group.silent(instance, process)
        others = [asyncio.create_task(one) for one in (self._pump(), self._hand_on(), self._tell())]
        while not self._stopping:
            self._changed.clear()
            await self._join(instance, member)
            await self._own()
        for other in others:
            other.cancel()
        await machine.world.op("leave", lambda: self.group.leave(instance))

    def _stop(self) -> None:
        self._stopping = True
        self._changed.set()

    async def _join(self, instance: str, member: Member) -> None:
        """As often as it takes: who slept while the group came to an end of its change is not in it."""
        world, group = self.machine.world, self.group
        part, generation, is_in = [], -1, False
        while not is_in:
            before: int = await world.op(f"join {self.app_id}", lambda: group.join(instance, member))
            part, generation, is_in = await world.op(
                "be assigned",
                lambda: (group.assignment.get(instance, []), group.generation, instance in group.assignment),
                when=lambda before=before: group.generation > before,  # type: ignore[misc]
                timeout_s=4 * group.rebalance_s,
            )
        self.assigned = {TP(self._source, partition) for partition in part}
        self.consumer_generation_id = generation

    async def _own(self) -> None:
        """Until the group changes: takes over and folds, then gives up."""
        taking = asyncio.create_task(self.take_over())
        changed = asyncio.create_task(self._changed.wait())
        await asyncio.wait({taking, changed}, return_when=asyncio.FIRST_COMPLETED)
        if taking.done():
            try:
                owns = taking.result()
            except Exception as error:  # noqa: BLE001 - Faust would crash, and `_crash` end the process
                self.machine.world.die("taking over", error)
            if owns:
                self._batches.can_resume_flow.set()
        await changed
        try:
            await self.release()
        except Exception as error:  # noqa: BLE001 - as `on_partitions_revoked`
            self.machine.world.die("giving partitions up", error)
        await taking

    async def _pump(self) -> None:
        """From the consumer to Faust's channel."""
        while True:
            async for _, message in self._batches.getmany(timeout=1.0):
                if not self.machine.loses_delivery():
                    self._deliveries.put_nowait(message.value)
            await asyncio.sleep(0)

    async def _hand_on(self) -> None:
        """From Faust's channel to the keepers."""
        while True:
            await self._offer(await self._deliveries.get())

    async def _tell(self) -> None:
        """Commits the group's offsets now and then."""
        while True:
            await asyncio.sleep(self.settings.flush_interval_s)
            await self._batches.commit()
