"""A simulation: a history, a seed, what fails, and the whole pipeline between producers and invoices."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, assert_never
from uuid import UUID
from zlib import crc32

from schemas import topics
from schemas.codec import Codec
from schemas.topics import subjects
from streams.agents import apps
from streams.agents.journal import JournalReader
from streams.batching.settings import BatchSettings
from streams.batching.tables import POSITION_KEY, FoldTable
from tests.simulation.broker import Broker, Sent
from tests.simulation.control import Carrying, SimBarrier, accept, relay, schedule
from tests.simulation.database import Database
from tests.simulation.faults import AMBUSHES, Chaos
from tests.simulation.group import Group
from tests.simulation.history import Accept, Act, Await, Drain, History, Send, SendBytes
from tests.simulation.sink import SimInvoicing
from tests.simulation.stand_in import outside
from tests.simulation.worker import Machine, SimApp
from tests.simulation.world import Fates, Process, World

PREFIX: Final = "beaas."
INTAKE, RATING, SINK = f"{PREFIX}intake", f"{PREFIX}rating", f"{PREFIX}sink-statements"
USAGE, JOURNAL, STATEMENTS = (one.full_name(PREFIX) for one in (topics.USAGE, topics.JOURNAL, topics.STATEMENTS))
SOURCES: Final = {INTAKE: USAGE, RATING: JOURNAL, SINK: STATEMENTS}
SESSION_S: Final = 1.0
REBALANCE_S: Final = 0.6
_USAGE_WINDOW: Final = timedelta(days=35)
_AFTER_THE_LAST: Final = 150
_TROUBLES: Final = ("rebalance", "graceful stop", "database hangs up", "machine lost", "ambush", "ambush", "ambush")


class NoRegistry:
    """No foreign schema is known."""

    def schema(self, _schema_id: int) -> None:
        """Returns None."""


CODEC: Final = Codec({name: 7 + n for n, name in enumerate(sorted(subjects(PREFIX)))}, NoRegistry(), prefix=PREFIX)


@dataclass(frozen=True, slots=True)
class Scale:
    """How large the system is."""

    partitions: int = 3
    tenant_slice: int = 2
    workers: int = 2
    relays: int = 2
    fetch_max_records: int = 40
    flush_max_records: int = 60
    burst: int = 6
    """How many events of one account go out at once."""


@dataclass(slots=True)
class Simulation:
    """Runs once; then everything can be looked at.

    Attributes:
        broken: what was seen to be wrong while it ran.
        sent: what producers were acknowledged, by value.
    """

    history: History
    seed: int
    fates: Fates
    scale: Scale = field(default_factory=Scale)
    shuffled: bool = True
    plant: Callable[[], AbstractContextManager[Any]] = nullcontext
    world: World = field(init=False)
    broker: Broker = field(init=False)
    database: Database = field(init=False)
    machine: Machine = field(init=False)
    broken: list[str] = field(default_factory=list)
    sent: Counter[bytes] = field(default_factory=Counter)
    tables: dict[str, Sequence[FoldTable]] = field(default_factory=dict)
    _journaled: set[bytes] = field(default_factory=set)
    _running: int = 0
    _last_step: int | None = None
    _sunk: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.world = World(Random(self.seed), self.fates, shuffled=self.shuffled)
        self.broker = Broker(self.world, self.scale.partitions)
        self.broker.on_append[JOURNAL] = self._remember
        self.database = Database(self.world)
        for account, held in self.history.credit:
            self.database.credit.setdefault(account, {})[held.grant.grant_id] = held
        groups = {name: Group(self.world, self.scale.partitions, SESSION_S, REBALANCE_S) for name in SOURCES}
        self.machine = Machine(self.world, self.broker, groups, self._committed)

    # Running --------------------------------------------------------------------------------------------------------

    def run(self, *, most_steps: int = 200_000) -> None:
        """Everything that the history says has happened, everything that failed is back, and nothing moves any more.

        Raises:
            Stuck: that does not come about.
        """
        with outside(self.broker), self.plant():
            try:
                self._start()
                self.world.run(self._is_over, most_steps=most_steps)
            finally:
                for process in list(self.world.processes.values()):
                    self.world.kill(process, restart=False)

    def _start(self) -> None:
        for n in range(self.scale.workers):
            self._add_worker(f"intake-{n}", self._intake)
            self._add_worker(f"rating-{n}", self._rating)
            self._add_worker(f"sink-{n}", self._sink)
        barrier = SimBarrier(self.broker, USAGE, INTAKE)
        self.world.add(Process("scheduler", lambda: schedule(self.database, barrier)))
        carrying = Carrying(
            self.world, self.database, PREFIX, self.scale.partitions, self.scale.tenant_slice, self.scale.burst
        )
        for n in range(self.scale.relays):
            self._add_relay(f"relay-{n}", carrying)
        self._running = len(self.history.acts)
        self.world.add(Process("customers", self._live_on, immortal=True))
        if isinstance(self.fates, Chaos):
            self.machine.lost_deliveries = 0.01
            self.world.after(0.5, self._trouble)

    def _add_worker(self, name: str, app: Callable[[str], SimApp]) -> None:
        self.world.add(Process(name, lambda: app(name).live(self.machine)))

    def _add_relay(self, name: str, carrying: Carrying) -> None:
        process = Process(name, lambda: relay(carrying))

        def lose_session() -> None:
            # The server notices some time after the death, as after a stall.
            reader = self.database.reader
            self.world.after(0.1, lambda: self._free(reader))

        process.on_death = lose_session
        self.world.add(process)

    def _free(self, reader: object) -> None:
        if self.database.reader is reader:
            self.database.reader = None

    def _is_over(self) -> bool:
        if self._running:
            return False
        if isinstance(self.fates, Chaos) and not self.fates.healed:
            if self._last_step is None:
                self._last_step = self.world.steps + _AFTER_THE_LAST
            if self.world.steps < self._last_step:
                return False
            self._heal(self.fates)
        database = self.database
        return (
            database.slot == len(database.wal)
            and not any(log.open for log in self.broker.logs.values())  # the last markers may still be to come
            and not database.unreleased
            and all(self._is_through(app, source) for app, source in SOURCES.items())
        )

    def _heal(self, chaos: Chaos) -> None:
        self.world.note("from here on nothing fails")
        chaos.healed = True
        self.machine.lost_deliveries = 0.0

    def _is_through(self, app: str, source: str) -> bool:
        offsets = self.broker.offsets
        return all(
            offsets.get((app, source, log.partition), 0) == log.end and not log.open
            for log in self.broker.topic(source)
        )

    # Trouble that no step brings ------------------------------------------------------------------------------------

    def _trouble(self) -> None:
        """Now and then: a graceful stop, a rebalance for nothing, a disk that forgets, a server that hangs up."""
        assert isinstance(self.fates, Chaos)
        if self.fates.healed:
            return
        random = self.world.random
        self.world.after(random.uniform(0.1, 0.8), self._trouble)
        happens = random.randrange(len(_TROUBLES))
        self.world.happened[_TROUBLES[happens]] += 1
        if happens == 0:
            self.machine.groups[random.choice(sorted(SOURCES))].shake()
        elif happens == 1:
            self._stop_gracefully(random)
        elif happens == 2 and self.database.reader is not None:
            self.world.note("the database hangs up on the relay")
            self.database.reader = None
        elif happens == 3:
            self._kill_with_its_disk(random)
        else:
            ambush = random.choice(sorted(AMBUSHES))
            self.fates.ambushes[ambush] = AMBUSHES[ambush]

    def _stop_gracefully(self, random: Random) -> None:
        running = [one for one in self.world.processes.values() if one.stop is not None and one.alive and one.awake]
        if running:
            process = random.choice(running)
            stop = process.stop
            assert stop is not None
            self.world.note(f"{process.name} is to stop")
            self.world.inside(process, lambda _: stop())
            self.world.after(random.uniform(0.5, 2.0), lambda: self.world.kill(process))

    def _kill_with_its_disk(self, random: Random) -> None:
        name = random.choice(sorted(self.machine.disks))
        self.world.kill(self.world.processes[name])
        if random.random() < 0.5:
            self.world.happened["wiped disk"] += 1
            self.machine.disks[name].wipe()
        else:
            self.world.happened["power cut"] += 1
            self.machine.disks[name].cut_power(random)

    # Processes ------------------------------------------------------------------------------------------------------

    def _streams(self, instance: str) -> apps.Streams:
        batching = BatchSettings(
            bootstrap_servers="simulated",
            instance=instance,
            data_dir=Path(),
            fetch_max_records=self.scale.fetch_max_records,
            flush_max_records=self.scale.flush_max_records,
            session_timeout_s=SESSION_S,
            rebalance_timeout_s=REBALANCE_S,
            transaction_timeout_s=8.0,
            restore_stall_s=5.0,
        )
        return apps.Streams(CODEC, batching, PREFIX, self.scale.partitions, self.scale.tenant_slice)

    def _intake(self, instance: str) -> SimApp:
        return self._known(apps.intake_app(self._streams(instance), usage_max_bytes=1 << 20))

    def _rating(self, instance: str) -> SimApp:
        return self._known(self.rating(JournalReader("simulated", JOURNAL), instance))

    def rating(self, journal: Any, instance: str = "apart") -> SimApp:
        """The product's rating application, over a reader of the journal."""
        app: Any = apps._rating_app(self._streams(instance), journal, _USAGE_WINDOW)
        assert isinstance(app, SimApp)
        return app

    def _sink(self, instance: str) -> SimApp:
        nothing: Any = None
        invoicing = SimInvoicing(self.database, CODEC, PREFIX)
        found = apps.sink_apps(self._streams(instance), apps.Sinks(invoicing, nothing, nothing))
        return self._known(next(app for app in found if app.app_id == SINK))

    def _known(self, app: Any) -> SimApp:
        assert isinstance(app, SimApp)
        self.tables[app.app_id] = app.tables
        return app

    # Customers ------------------------------------------------------------------------------------------------------

    async def _live_on(self) -> None:
        async with asyncio.TaskGroup() as group:
            for (tenant, customer), acts in self.history.acts.items():
                lane = crc32(f"{tenant}/{customer}".encode()) % self.scale.partitions
                group.create_task(self._account(acts, lane))

    async def _account(self, acts: Sequence[Act], lane: int) -> None:
        burst: list[Act] = []
        for act in acts:
            if not isinstance(act, Send | SendBytes):
                await self._send(burst, lane)
                burst = []
                await self._command(act)
                continue
            burst.append(act)
            if len(burst) >= self.scale.burst:
                await self._send(burst, lane)
                burst = []
        await self._send(burst, lane)
        self._running -= 1

    async def _command(self, act: Accept | Await | Drain) -> None:
        world = self.world
        match act:
            case Accept():
                await world.op("accept", lambda: accept(self.database, CODEC, JOURNAL, act.command))
            case Await():
                awaited = act.command_id.encode()
                await world.op("see it journaled", lambda: None, when=lambda: awaited in self._journaled)
            case Drain():
                ends = [log.end for log in self.broker.topic(USAGE)]
                await world.op("see usage journaled", lambda: None, when=lambda: self._has_intake_passed(ends))
            case _:
                assert_never(act)

    def _has_intake_passed(self, ends: Sequence[int]) -> bool:
        offsets = self.broker.offsets
        return all(offsets.get((INTAKE, USAGE, partition), 0) >= end for partition, end in enumerate(ends))

    async def _send(self, acts: Sequence[Act], lane: int) -> None:
        """All of it is acknowledged: each act as often as it says."""
        if not acts:
            return
        random = self.world.random
        by_partition: dict[int, list[bytes]] = {}
        anywhere = random.randrange(self.scale.partitions)
        for act in acts:
            if isinstance(act, SendBytes):
                by_partition.setdefault(anywhere, []).append(act.value)
            elif isinstance(act, Send):
                value = CODEC.encode_usage(act.usage)
                for copy in range(act.copies):
                    place = random.randrange(self.scale.partitions) if copy else anywhere
                    by_partition.setdefault(lane if act.keeps_order else place, []).append(value)
        for partition, values in by_partition.items():
            self.sent.update(values)
            await self.world.op(f"produce {len(values)}", lambda p=partition, v=values: self._append(p, v))  # type: ignore[misc]

    def _append(self, partition: int, values: Sequence[bytes]) -> None:
        now_ms = int(self.world.wall_s() * 1000)
        self.broker.append(USAGE, partition, [(None, value, (), now_ms) for value in values])

    # Watching -------------------------------------------------------------------------------------------------------

    def _remember(self, sent: Sequence[Sent]) -> None:
        for _, _, headers, _ in sent:
            if headers:
                self._journaled.update(value for name, value in headers if name == "ce_id")

    def _committed(self, app: str, partition: int, position: int) -> None:
        """I13, at the moment others see it: what a group's offset passes has had its effect."""
        if app == SINK:
            self._check_sunk(partition, position)
            return
        home = self.tables[app][0]
        applied = position_of(self.broker, home, partition)
        if applied < position:
            self.broken.append(f"I13 {app}-{partition} committed {position}, its state is at {applied}")

    def _check_sunk(self, partition: int, position: int) -> None:
        log, start = self.broker.log(STATEMENTS, partition), self._sunk.get(partition, 0)
        self._sunk[partition] = max(start, position)
        records = [one for one in log.entries[start:position] if one is not None and one.offset not in log.aborted]
        for record in records:
            statement: Any = CODEC.decode(record.value or b"")
            command = self.database.commands.get(UUID(statement.command_id))
            if command is None or not command.settled:
                self.broken.append(f"I13 {SINK}-{partition} passed {record.offset}, which was not written")


def position_of(broker: Broker, home: FoldTable, partition: int) -> int:
    """How far a partition's state has come: what the next owner will find."""
    log = broker.log(home.changelog, partition)
    undecided = {offset for offsets in log.undecided.values() for offset in offsets}
    for record in reversed(log.entries):
        if record is None or record.key != POSITION_KEY or record.value is None:
            continue
        if record.offset not in log.aborted and record.offset not in undecided:
            return int.from_bytes(record.value, "big")
    return 0
