"""The control plane: commands accepted into rows, the scheduler's rounds, and the relay that carries events to Kafka.

`Rounds.note` and `Rounds.release` of the product run as they are; the queries they ask are answered here over the
simulated database. The product's `Relay`, its envelopes and its Kafka bus carry what the database's log holds.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

from prometheus_client import CollectorRegistry

from billing.entry import ENDS_A_WINDOW, SubscriptionCommand, UsageVoided
from billing.instant import instant
from connectors.bus.kafka import KafkaBus
from connectors.postgres.queries.schedule import NotedOffsets, ReleasableCommands, UnnotedCommands
from connectors.relay.envelope import enveloping
from connectors.relay.layout import Row
from connectors.relay.metrics import RelayMetrics
from connectors.relay.pgoutput import Batch
from connectors.relay.relay import Limits, Relay
from connectors.scheduler.rounds import Rounds
from schemas import convert
from schemas.codec import Codec
from schemas.topics import Topic
from tests.simulation.broker import Broker
from tests.simulation.database import Command, Database, Event, Transaction
from tests.simulation.world import World

METRICS = RelayMetrics(CollectorRegistry()).of(0)


def accept(database: Database, codec: Codec, journal: str, entry: SubscriptionCommand | UsageVoided) -> None:
    """The command stands behind every other of its account; to be done in one moment."""
    record = convert.entry_from_domain(entry)
    command_id = UUID(entry.command_id)
    assert command_id not in database.commands
    database.commands[command_id] = database.unreleased[command_id] = Command(
        sequence=len(database.commands),
        tenant_id=entry.tenant,
        command_id=command_id,
        customer_id=entry.customer,
        kind=type(entry).__name__,
        at=instant(entry.at_us),
        payload=codec.encode(journal, record),
        barrier=isinstance(entry, ENDS_A_WINDOW),
    )


# The scheduler ------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Connection:
    """A session: its transactions, one after the other."""

    database: Database
    open: Transaction | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """A transaction."""
        async with self.database.transaction("scheduler") as self.open:
            yield

    def write(self, act: Any) -> None:
        """Something that happens at the commit."""
        assert self.open is not None
        self.open.write(act)


@dataclass(slots=True)
class SimPool:
    """In the place of the product's pool."""

    database: Database

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A session."""
        yield Connection(self.database)


@dataclass(slots=True)
class Work:
    """In the place of the product's unit of work: what `Rounds` uses of it."""

    connection: Connection

    def forward(  # noqa: PLR0913 - the product's signature
        self,
        topic: Topic,
        aggregate_id: str,
        tenant_id: str,
        payload: bytes,
        *,
        record_type: str,
        occurred_at: datetime,
        event_id: UUID,
        correlation_id: str,
        causation_id: str,
    ) -> None:
        """The event goes out with the transaction."""
        del occurred_at, correlation_id, causation_id
        assert self.connection.open is not None
        self.connection.open.events.append(Event(event_id, topic.name, aggregate_id, record_type, tenant_id, payload))


@asynccontextmanager
async def unit_of_work(pool: SimPool, _tenant: str | None, *, outbox: object) -> AsyncIterator[Work]:
    """In the place of the product's."""
    del outbox
    async with pool.connection() as connection, connection.transaction():
        yield Work(connection)


class ScheduleQueries:
    """In the place of the generated queries over `journal_commands`; `schedule.sql` says what each does."""

    @staticmethod
    async def serialize_rounds(connection: Connection) -> None:
        """There is one scheduler at a time."""

    @staticmethod
    async def unnoted_commands(connection: Connection, *, most: int) -> list[UnnotedCommands]:
        """See `schedule.sql`."""

        def read() -> list[UnnotedCommands]:
            found = (one for one in _unreleased(connection) if one.barrier and one.noted_at is None)
            return [UnnotedCommands(tenant_id=one.tenant_id, command_id=one.command_id) for one in islice(found, most)]

        rows: list[UnnotedCommands] = await connection.database.world.op("query", read)
        return rows

    @staticmethod
    async def note_commands(
        connection: Connection, *, noted_at: datetime, offsets: str, tenant_ids: list[str], command_ids: list[UUID]
    ) -> int:
        """See `schedule.sql`."""
        del tenant_ids

        def note() -> None:
            for command_id in command_ids:
                command = connection.database.commands[command_id]
                if command.noted_at is None and not command.released:
                    command.noted_at, command.noted_offsets = noted_at, offsets

        connection.write(note)
        return len(command_ids)

    @staticmethod
    async def noted_offsets(connection: Connection) -> list[NotedOffsets]:
        """See `schedule.sql`."""

        def read() -> list[NotedOffsets]:
            noted = {one.noted_at: one.noted_offsets for one in _unreleased(connection) if one.noted_at is not None}
            return [NotedOffsets(noted_at=at, offsets=offsets) for at, offsets in sorted(noted.items())]

        rows: list[NotedOffsets] = await connection.database.world.op("query", read)
        return rows

    @staticmethod
    async def releasable_commands(
        connection: Connection, *, passed: Sequence[datetime], most: int
    ) -> list[ReleasableCommands]:
        """See `schedule.sql`."""

        def read() -> list[ReleasableCommands]:
            held: set[tuple[str, str]] = set()
            rows = []
            for one in _unreleased(connection):
                account = one.tenant_id, one.customer_id
                if one.barrier and one.noted_at not in passed:
                    held.add(account)
                elif account not in held:
                    rows.append(_releasable(one))
            return rows[:most]

        rows: list[ReleasableCommands] = await connection.database.world.op("query", read)
        return rows

    @staticmethod
    async def mark_released(
        connection: Connection, *, released_at: datetime, tenant_ids: list[str], command_ids: list[UUID]
    ) -> int:
        """See `schedule.sql`."""
        del released_at, tenant_ids

        def release() -> None:
            for command_id in command_ids:
                command = connection.database.commands[command_id]
                assert not command.released, "two schedulers released one command"
                command.released = True
                del connection.database.unreleased[command_id]

        connection.write(release)
        return len(command_ids)


def _releasable(command: Command) -> ReleasableCommands:
    return ReleasableCommands(
        tenant_id=command.tenant_id,
        command_id=command.command_id,
        customer_id=command.customer_id,
        kind=command.kind,
        at=command.at,
        payload=command.payload,
        correlation_id="",
        causation_id="",
    )


def _unreleased(connection: Connection) -> list[Command]:
    return list(connection.database.unreleased.values())


@dataclass(frozen=True, slots=True)
class SimBarrier:
    """The port `UsageBarrier` over the simulated broker."""

    broker: Broker
    topic: str
    group: str

    async def end_offsets(self) -> dict[int, int]:
        """See `UsageBarrier`."""
        ends: dict[int, int] = await self.broker.world.op(
            "ask for the ends of usage", lambda: {log.partition: log.end for log in self.broker.topic(self.topic)}
        )
        return ends

    async def committed(self) -> dict[int, int]:
        """See `UsageBarrier`."""
        offsets: dict[int, int] = await self.broker.world.op("ask how far intake is", self._committed)
        return offsets

    def _committed(self) -> dict[int, int]:
        offsets = self.broker.offsets
        return {
            partition: offset
            for (group, topic, partition), offset in offsets.items()
            if (group, topic) == (self.group, self.topic)
        }


async def schedule(database: Database, barrier: SimBarrier) -> None:
    """Makes rounds for ever."""
    world = database.world
    pool: Any = SimPool(database)
    outbox: Any = None
    rounds = Rounds(pool, outbox, barrier, lambda: datetime.fromtimestamp(world.wall_s(), UTC), timedelta())
    while True:
        await world.op("see commands", lambda: None, when=lambda: bool(database.unreleased))
        await rounds.note()
        _, waiting = await rounds.release()
        if waiting:
            await asyncio.sleep(0.02)


# The relay ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Slot:
    """The port `EventLog`: a session that reads the slot; positions are numbers of commits."""

    database: Database
    confirmed: int = 0
    _read: int = 0
    _told: asyncio.Event = field(default_factory=asyncio.Event)

    async def open(self) -> None:
        """The slot is this session's; it goes on where the slot was confirmed."""
        database = self.database

        def take() -> None:
            database.reader = self
            self._read = self.confirmed = database.slot

        await database.world.op("open the slot", take, when=lambda: database.reader is None)

    async def read(self, *, max_events: int, max_bytes: int) -> Batch:
        """See `EventLog`."""
        del max_bytes
        rows: list[Row] = await self.database.world.op(
            "read the slot", lambda: self._rows(max_events), when=lambda: self._read < len(self.database.wal)
        )
        return Batch(rows, self._read, 0.0)

    def confirm(self, lsn: int) -> None:
        """See `EventLog`."""
        self.confirmed = max(self.confirmed, lsn)
        self._told.set()

    async def keep_alive(self) -> None:
        """Tells the server what is confirmed."""
        while True:
            await self._told.wait()
            self._told.clear()
            confirmed = self.confirmed
            await self.database.world.op("confirm the slot", lambda confirmed=confirmed: self._confirm(confirmed))  # type: ignore[misc]

    def _confirm(self, confirmed: int) -> None:
        if self.database.reader is not self:
            raise ConnectionError("the server has closed this session")
        self.database.slot = max(self.database.slot, confirmed)

    def _rows(self, most: int) -> list[Row]:
        if self.database.reader is not self:
            raise ConnectionError("the server has closed this session")
        rows: list[Row] = []
        while self._read < len(self.database.wal) and len(rows) < most:
            rows += [_row(event) for event in self.database.wal[self._read]]
            self._read += 1
        return rows


def _row(event: Event) -> Row:
    return (
        event.id.bytes,
        event.aggregate_type.encode(),
        event.aggregate_id.encode(),
        event.type.encode(),
        event.tenant_id.encode(),
        event.payload,
        b"",
        b"",
        b"",
        bytes(8),
    )


@dataclass(frozen=True, slots=True)
class Carrying:
    """What a relay needs."""

    world: World
    database: Database
    prefix: str
    partitions: int
    tenant_slice: int
    most_events: int


async def relay(carrying: Carrying) -> None:
    """Carries events for ever; an error ends the process."""
    world = carrying.world
    slot = Slot(carrying.database)
    await slot.open()
    bus = KafkaBus("simulated", partitions=carrying.partitions)
    await bus.start()
    envelopes = enveloping(
        topic_prefix=carrying.prefix, partitions=carrying.partitions, slice_size=carrying.tenant_slice
    )
    carrier = Relay(slot, bus, envelopes, METRICS, Limits(max_events=carrying.most_events))
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(slot.keep_alive())
            group.create_task(carrier.carry(asyncio.Event()))
    except Exception as error:  # noqa: BLE001 - as the product: nothing is mended from inside
        world.die("carrying events", error)
