"""The relay as a process: a task for each shard, standby, heartbeat, pruning, and an orderly or a quick end."""

import asyncio
import gc
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import psycopg
import structlog

from connectors.bus.errors import BusError, BusUnreachable
from connectors.bus.port import EventBus
from connectors.relay.envelope import enveloping
from connectors.relay.errors import RelayError, SlotBusy, SlotLost, Unreachable, WrongSetup
from connectors.relay.layout import Row
from connectors.relay.metrics import RelayMetrics, ShardMetrics
from connectors.relay.prune import Retention, prune
from connectors.relay.rebuild import rebuild_slot
from connectors.relay.relay import Limits, Relay
from connectors.relay.replication import ReplicationStream
from connectors.relay.slots import Connection, Shard, connect, ensure_publication, inspect_slot, shard_of

EXIT_WELL: Final = 0
EXIT_WRONG_SETUP: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_RESTART_ME: Final = 70

_GARBAGE_THRESHOLD: Final = 50_000  # objects; a batch's rows are so many and hold no cycle: looking at them was 8 %
_STANDBY_S: Final = 0.5  # PostgreSQL tells nobody that a slot has become free
_START_WITHIN_S: Final = 30.0

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelaySettings:
    """What one relay process carries, from where, and how it names and places records.

    Attributes:
        postgres_url: of the login user that owns the table, with the replication attribute; a secret.
        shards: which shards of the outbox this process carries.
        partitions: of every topic.
        slice_size: how many neighbouring partitions a tenant has.
        heartbeat_interval_s: how often each shard logs its position and its lag.
    """

    postgres_url: str = field(repr=False)
    topic_prefix: str = "beaas."
    shards: tuple[int, ...] = (0,)
    partitions: int = 8
    slice_size: int = 8
    limits: Limits = field(default_factory=Limits)
    retention: Retention = field(default_factory=Retention)
    heartbeat_interval_s: float = 10.0


async def serve_relay(
    settings: RelaySettings,
    bus: EventBus,
    *,
    on_ready: Callable[[], None] | None = None,
    metrics: RelayMetrics | None = None,
) -> int:
    """Relays until SIGTERM or SIGINT, then drains; returns the exit status.

    0 after a signal, 70 if anything was in doubt (a restart is always safe), 3 if a server was never reached, 2 if
    something has to be put right by hand first.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE_THRESHOLD)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await bus.start()
        await run_relay(settings, bus, stop, on_ready=on_ready, metrics=metrics)
    except Exception as error:  # noqa: BLE001 - whatever it is, the restart is the answer, and the log has all of it
        return _ended(error)
    finally:
        await bus.stop()
    return EXIT_WELL


async def run_relay(
    settings: RelaySettings,
    bus: EventBus,
    stop: asyncio.Event,
    *,
    on_ready: Callable[[], None] | None = None,
    metrics: RelayMetrics | None = None,
) -> None:
    """Carries all shards until `stop` is set; what was read by then is published and confirmed.

    Args:
        settings: what to carry.
        bus: started; whoever made it stops it.
        stop: asks for the orderly end.
        on_ready: called once each shard is read here, or stands by for another relay that reads it.
        metrics: where to count; the process's own by default.

    Raises:
        RelayError: of the shard that failed first; the others have been cancelled, and all of it can be started again.
        BusError: likewise.
        psycopg.Error: likewise, where PostgreSQL refused or broke off an ordinary query.
    """
    counted = metrics or RelayMetrics()
    shards = [shard_of(settings.topic_prefix, number) for number in settings.shards]
    waiting = set(shards)

    def ready(shard: Shard) -> None:
        waiting.discard(shard)
        if not waiting and on_ready is not None:
            on_ready()

    try:
        async with asyncio.TaskGroup() as group:
            for shard in shards:
                group.create_task(_ShardTask(settings, bus, shard, counted.of(shard.number), ready).run(stop))
    except ExceptionGroup as failures:
        raise _first(failures) from None


class _ShardTask:
    """One shard of one process."""

    def __init__(
        self,
        settings: RelaySettings,
        bus: EventBus,
        shard: Shard,
        metrics: ShardMetrics,
        ready: Callable[[Shard], None],
    ) -> None:
        self._settings = settings
        self._bus = bus
        self._shard = shard
        self._metrics = metrics
        self._ready = ready
        self._envelopes = enveloping(
            topic_prefix=settings.topic_prefix, partitions=settings.partitions, slice_size=settings.slice_size
        )
        self._log = _log.bind(shard=shard.number, slot=shard.slot)

    async def run(self, stop: asyncio.Event) -> None:
        """Carries the shard until `stop` is set."""
        connection = await _connect(self._settings.postgres_url, stop)
        if connection is None:
            return
        async with connection:
            await ensure_publication(connection, self._shard)
            stream = await self._stream(connection, stop)
            if stream is None:
                return
            async with stream:
                self._log.info("relay.started")
                self._ready(self._shard)
                await self._carry(stream, connection, stop)
        self._log.info("relay.drained", position=_position(stream.position))

    async def _carry(self, stream: ReplicationStream, connection: Connection, stop: asyncio.Event) -> None:
        relay = Relay(
            stream,
            self._bus,
            self._envelopes,
            self._metrics,
            self._settings.limits,
        )
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(stream.keep_alive()),
                group.create_task(self._beat(relay, stream, connection)),
            ]
            await relay.carry(stop)
            for task in beside:
                task.cancel()

    async def _stream(self, connection: Connection, stop: asyncio.Event) -> ReplicationStream | None:
        """Opens the slot, rebuilt if need be; stands by while another relay has it, until `stop` is set."""
        standing_by = False
        while not stop.is_set():
            try:
                return await self._open(connection)
            except SlotBusy as busy:
                if not standing_by:
                    self._log.warning("relay.standing-by", reason=str(busy))
                    self._ready(self._shard)
                standing_by = True
            await _either(stop, _STANDBY_S)
        return None

    async def _open(self, connection: Connection) -> ReplicationStream:
        try:
            return await self._open_slot()
        except SlotLost as lost:
            self._log.warning("relay.rebuilding", reason=str(lost))
        limits = self._settings.limits
        await rebuild_slot(
            connection, self._shard, self._republish, max_events=limits.max_events, max_bytes=limits.max_bytes
        )
        self._metrics.rebuilt.inc()
        return await self._open_slot()

    async def _open_slot(self) -> ReplicationStream:
        return await ReplicationStream.open(
            self._settings.postgres_url, slot=self._shard.slot, publication=self._shard.publication
        )

    async def _republish(self, rows: list[Row]) -> None:
        await self._bus.publish(self._envelopes(rows))
        self._metrics.published.inc(len(rows))

    async def _beat(self, relay: Relay, stream: ReplicationStream, connection: Connection) -> None:
        """Tells how the shard stands, at each interval; prunes at its own."""
        loop = asyncio.get_running_loop()
        retention = self._settings.retention
        prune_at = loop.time()
        while True:
            health = await inspect_slot(connection, self._shard)
            self._metrics.lag_bytes.set(health.lag_bytes)
            self._metrics.safe_wal_bytes.set(health.safe_wal_size_bytes or float("inf"))
            self._log.info(
                "relay.heartbeat",
                position=_position(stream.position),
                lag_bytes=health.lag_bytes,
                oldest_unconfirmed_s=round(relay.oldest_unconfirmed_age_s, 3),
                wal_status=health.wal_status,
            )
            if loop.time() >= prune_at:
                pruned = await prune(connection, self._shard, retention)
                self._metrics.pruned.inc(pruned)
                if pruned < retention.batch_rows:
                    prune_at = loop.time() + retention.interval_s
            await asyncio.sleep(self._settings.heartbeat_interval_s)


async def _connect(postgres_url: str, stop: asyncio.Event) -> Connection | None:
    """Connect, patient with a server that is just starting; None once `stop` is set."""
    deadline = asyncio.get_running_loop().time() + _START_WITHIN_S
    while not stop.is_set():
        try:
            return await connect(postgres_url)
        except Unreachable:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await _either(stop, _STANDBY_S)
    return None


async def _either(stop: asyncio.Event, timeout_s: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await stop.wait()


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    error = failures.exceptions[0]
    return _first(error) if isinstance(error, ExceptionGroup) else error


def _ended(error: Exception) -> int:
    match error:
        case WrongSetup() | psycopg.errors.InsufficientPrivilege():
            _log.error("relay.wrong-setup", reason=str(error))
            return EXIT_WRONG_SETUP
        case Unreachable() | BusUnreachable():
            _log.error("relay.unreachable", reason=str(error))
            return EXIT_UNREACHABLE
        case RelayError() | BusError() | psycopg.Error():
            _log.error("relay.restart-me", reason=str(error))
        case _:
            _log.exception("relay.defect", exc_info=error)
    return EXIT_RESTART_ME


def _position(lsn: int) -> str:
    """As PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"
