"""An outbox of its own on the real servers, and ways to run a relay on it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Unpack
from uuid import UUID, uuid4

import msgspec
import psycopg
import uuid_utils
from prometheus_client import CollectorRegistry
from psycopg import sql
from psycopg.conninfo import make_conninfo

from connectors.bus.port import BusEvent, EventBus
from connectors.postgres.migrate import migrate
from connectors.relay.errors import SlotBusy
from connectors.relay.metrics import RelayMetrics
from connectors.relay.prune import Retention
from connectors.relay.relay import Limits
from connectors.relay.run import RelaySettings, run_relay
from connectors.relay.slots import Shard, SlotHealth, connect, drop_slot, inspect_slot, shard_of
from tests.relay.options import PARTITIONS, SLICE_SIZE, ProcessOptions, Unusual
from tests.support.kafka_auditor import KafkaAuditor

OCCURRED_AT = datetime(2013, 1, 31, 5, 0, 0, 250_000, tzinfo=UTC)
_SCRIPT = Path(__file__).with_name("relay_process.py")
_WITHIN_S = 60.0

INSERT = """
INSERT INTO beaas.billing_events (
    id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, traceparent, occurred_at,
    shard)
VALUES (%s, 'journal', %s, 'beaas.subscription.CycleClosed', 'EWR', %s, 'corr-1', 'cause-1', '00-trace', %s, %s)
"""


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits until something holds that only asking tells."""
    async with asyncio.timeout(_WITHIN_S):
        while not await holds():  # noqa: ASYNC110 - servers do not signal our events
            await asyncio.sleep(0.05)


def new_id() -> UUID:
    """A version 7 id, later than all before it."""
    return UUID(str(uuid_utils.uuid7()))


@contextmanager
def outbox_database(server_url: str) -> Iterator[str]:
    """A migrated database that lives as long as the block; its slots are dropped before."""
    name = f"relay_{uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    url = make_conninfo(server_url, dbname=name)
    migrate(url)
    yield url
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@dataclass(frozen=True, slots=True)
class Bench:
    """One outbox with its own topic, slot and publication."""

    url: str = field(repr=False)
    kafka: KafkaAuditor
    topic_prefix: str = field(default_factory=lambda: f"r{uuid4().hex[:12]}.")

    @property
    def topic(self) -> str:
        """Where its events arrive."""
        return f"{self.topic_prefix}journal"

    @property
    def shard(self) -> Shard:
        """The only shard that is carried."""
        return shard_of(self.topic_prefix, 0)

    @property
    def settings(self) -> RelaySettings:
        """What a relay of it is told."""
        return RelaySettings(
            postgres_url=self.url,
            topic_prefix=self.topic_prefix,
            partitions=PARTITIONS,
            slice_size=SLICE_SIZE,
            heartbeat_interval_s=0.5,
        )

    def write(self, *payloads: bytes, aggregate: str = "UA", shard: int = 0) -> None:
        """Commits one transaction of events."""
        with psycopg.connect(self.url) as connection:
            for payload in payloads:
                insert(connection, payload, aggregate=aggregate, shard=shard)

    def carried(self) -> list[BusEvent]:
        """All that is on the bus."""
        return self.kafka.read(self.topic)

    def payloads(self) -> list[bytes]:
        """The payloads on the bus, partition by partition."""
        return [event.value for event in self.carried()]

    async def arrived(self, count: int) -> None:
        """Waits until the bus holds so many records."""

        async def are_there() -> bool:
            return await asyncio.to_thread(self.kafka.count, self.topic) >= count

        await until(are_there)

    async def health(self) -> SlotHealth:
        """How the slot stands."""
        async with await connect(self.url) as connection:
            return await inspect_slot(connection, self.shard)

    async def confirmed(self, lsn: int) -> None:
        """Waits until the server has heard that everything up to there is on the bus."""
        async with await connect(self.url) as connection:

            async def is_confirmed() -> bool:
                return (await inspect_slot(connection, self.shard)).confirmed_lsn >= lsn

            await until(is_confirmed)

    async def caught_up(self) -> None:
        """Waits until all that is committed now is confirmed."""
        async with await connect(self.url) as connection:
            end = await (await connection.execute("SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint")).fetchone()
        assert end is not None
        await self.confirmed(int(end[0]))

    def clear(self) -> None:
        """Empties the table; the service's role may."""
        with psycopg.connect(self.url) as connection:
            connection.execute("SET LOCAL ROLE beaas_service")
            connection.execute("DELETE FROM beaas.billing_events")

    async def drop_slot(self) -> None:
        """Takes the slot away, as soon as the server knows that its last reader is gone."""
        async with await connect(self.url) as connection:

            async def is_gone() -> bool:
                try:
                    await drop_slot(connection, self.shard.slot)
                except SlotBusy:
                    return False
                return True

            await until(is_gone)

    @asynccontextmanager
    async def running(
        self, bus: EventBus, limits: Limits | None = None, retention: Retention | None = None
    ) -> AsyncIterator[asyncio.Task[None]]:
        """Runs a relay in this process while the block runs, then drains it; a failure of its is raised."""
        stop, ready = asyncio.Event(), asyncio.Event()
        settings = replace(
            self.settings, limits=limits or Limits(), retention=retention or Retention(keep=timedelta(days=1))
        )
        metrics = RelayMetrics(CollectorRegistry())
        task = asyncio.create_task(run_relay(settings, bus, stop, on_ready=ready.set, metrics=metrics))
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield task
        finally:
            waiting.cancel()
            stop.set()
            await task


def insert(
    connection: psycopg.Connection,
    payload: bytes,
    *,
    aggregate: str = "UA",
    shard: int = 0,
    event_id: UUID | None = None,
) -> None:
    """Writes one event in the transaction that the connection is in."""
    connection.execute(INSERT, [event_id or new_id(), aggregate, payload, OCCURRED_AT, shard])


class RelayProcess:
    """A relay as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.said = ""

    @classmethod
    @asynccontextmanager
    async def started(cls, bench: Bench, **unusual: Unpack[Unusual]) -> AsyncIterator["RelayProcess"]:
        """A relay on the bench; killed at the end of the block if it still runs."""
        options = ProcessOptions(bench.url, bench.kafka.bootstrap_servers, bench.topic_prefix, **unusual)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_SCRIPT),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(options))
        process.stdin.write_eof()
        relay = cls(process)
        try:
            yield relay
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    async def says(self, word: str) -> str:
        """Waits for a word in its log; returns what follows it on that line."""
        assert self._process.stdout is not None
        async with asyncio.timeout(_WITHIN_S):
            while word not in self.said:
                line = await self._process.stdout.readline()
                assert line, f"the relay ended without saying {word}:\n{self.said}"
                self.said += line.decode()
        return self.said.partition(word)[2].partition("\n")[0]

    def kill(self) -> None:
        """Ends it by SIGKILL."""
        self._process.kill()

    async def drained(self) -> int:
        """Asks it to end; returns its exit status."""
        self._process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """Waits for its end; returns its exit status."""
        async with asyncio.timeout(_WITHIN_S):
            rest, _ = await self._process.communicate()
        self.said += rest.decode()
        assert self._process.returncode is not None
        return self._process.returncode
