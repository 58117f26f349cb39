"""What the relay promises whatever dies: nothing lost, first occurrences in order, repeats allowed."""

import asyncio
import random
import threading
from collections.abc import Sequence
from typing import Self

import psycopg
import pytest

from connectors.bus.errors import BusFailed
from connectors.bus.kafka import KafkaBus
from connectors.bus.port import BusEvent
from connectors.embedded.cluster import EmbeddedServers
from connectors.relay.relay import Limits
from connectors.relay.slots import SlotState, connect
from tests.relay.bench import Bench, RelayProcess, insert, until
from tests.relay.options import Moment

AGGREGATES = 6
KILLED_AT: Sequence[Moment] = ("before it is sent", "before it is confirmed") * 2


class Writers:
    """Threads that write events of a few aggregates, each numbered through under its aggregate's lock.

    The order that the bus has to keep is thus known without asking PostgreSQL's log: per aggregate 1, 2, 3 …
    """

    def __init__(self, bench: Bench, *, threads: int = 3, seed: int = 1) -> None:
        self._bench = bench
        self._stop = threading.Event()
        self._locks = [threading.Lock() for _ in range(AGGREGATES)]
        self.written = [0] * AGGREGATES
        self._threads = [threading.Thread(target=self._write, args=(random.Random(seed + n),)) for n in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _write(self, chance: random.Random) -> None:
        with psycopg.connect(self._bench.url) as connection:
            while not self._stop.is_set():
                aggregate = chance.randrange(AGGREGATES)
                with self._locks[aggregate]:
                    count = chance.randint(1, 4)
                    first = self.written[aggregate] + 1
                    for number in range(first, first + count):
                        insert(connection, b"%d" % number, aggregate=f"a{aggregate}")
                    if chance.random() < 0.1:
                        connection.rollback()
                    else:
                        connection.commit()
                        self.written[aggregate] += count
                self._stop.wait(0.02)

    def expected(self) -> dict[bytes, list[int]]:
        """Per key the numbers that were committed."""
        return {b"EWR/a%d" % n: list(range(1, count + 1)) for n, count in enumerate(self.written)}


def first_occurrences(events: Sequence[BusEvent]) -> dict[bytes, list[int]]:
    """Per key the numbers in the order in which each first stands on the bus."""
    found: dict[bytes, dict[int, None]] = {b"EWR/a%d" % n: {} for n in range(AGGREGATES)}
    for event in events:
        found[event.key].setdefault(int(event.value))
    return {key: list(numbers) for key, numbers in found.items()}


async def drain(bench: Bench) -> None:
    """A relay that nobody kills makes the slot where there is none, and carries all there is."""
    async with RelayProcess.started(bench) as relay:
        await relay.says("relay.started")
        await bench.caught_up()
        assert await relay.drained() == 0


async def test_kill_nine_loses_nothing_and_keeps_the_order(bench: Bench) -> None:
    await drain(bench)
    with Writers(bench) as writers:
        for batches, moment in enumerate(KILLED_AT):
            async with RelayProcess.started(bench, hold_at=moment, hold_after=batches) as relay:
                await relay.says("bus.holds")
                relay.kill()
    await drain(bench)
    carried = bench.carried()
    assert first_occurrences(carried) == writers.expected()
    assert len(carried) > sum(writers.written), "a batch that was sent and not confirmed is sent again"


async def test_confirming_before_the_ack_is_seen_by_the_kill_nine_check(bench: Bench) -> None:
    await drain(bench)
    with Writers(bench) as writers:
        async with RelayProcess.started(bench, hold_at="before it is sent", plant="confirm-before-ack") as relay:
            await bench.confirmed(int(await relay.says("planted.confirmed ")))
            relay.kill()
    await drain(bench)
    assert first_occurrences(bench.carried()) != writers.expected()


async def test_sigterm_drains_and_the_next_relay_repeats_nothing(bench: Bench) -> None:
    for turn in range(2):
        # Only the last status, at the end, tells the server anything.
        async with RelayProcess.started(bench, status_interval_s=1_000) as relay:
            await relay.says("relay.started")
            bench.write(*(b"%d" % (turn * 100 + n) for n in range(100)))
            await bench.arrived(turn * 100 + 100)
            assert await relay.drained() == 0
    assert bench.payloads() == [b"%d" % n for n in range(200)]


async def test_a_second_relay_stands_by_says_so_and_takes_over(bench: Bench) -> None:
    async with RelayProcess.started(bench) as first:
        await first.says("relay.started")
        async with RelayProcess.started(bench) as second:
            await second.says("relay.standing-by")
            bench.write(b"1")
            await bench.arrived(1)
            assert await first.drained() == 0
            await second.says("relay.started")
            bench.write(b"2")
            await bench.arrived(2)
            assert await second.drained() == 0
    assert bench.payloads() == [b"1", b"2"]


async def test_of_two_relays_that_start_at_once_one_rebuilds_and_reads(bench: Bench) -> None:
    bench.write(*(b"%d" % n for n in range(200)))
    async with RelayProcess.started(bench) as one, RelayProcess.started(bench) as other:
        waiting = {asyncio.create_task(relay.says("relay.started")): relay for relay in (one, other)}
        reading, standing = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert len(reading) == 1
        for task in standing:
            task.cancel()
            await asyncio.wait({task})
            await waiting[task].says("relay.standing-by")
        assert [await relay.drained() for relay in (one, other)] == [0, 0]
    assert bench.payloads() == [b"%d" % n for n in range(200)]


async def test_a_relay_that_stands_by_ends_when_asked(bench: Bench) -> None:
    async with RelayProcess.started(bench) as first:
        await first.says("relay.started")
        async with RelayProcess.started(bench) as second:
            await second.says("relay.standing-by")
            assert await second.drained() == 0


async def test_a_broker_that_goes_and_comes_back_loses_nothing_and_repeats_nothing(
    bench: Bench, bus: KafkaBus, servers: EmbeddedServers
) -> None:
    async with bench.running(bus):
        with Writers(bench) as writers:
            await bench.arrived(20)
            await servers.kafka.kill()
            before = sum(writers.written)

            async def have_written_on() -> bool:
                return sum(writers.written) >= before + 50

            await until(have_written_on)
            await servers.kafka.start()
        await bench.arrived(sum(writers.written))
    carried = bench.carried()
    assert first_occurrences(carried) == writers.expected()
    assert len(carried) == sum(writers.written)


async def test_a_postgres_that_restarts_ends_the_relay_with_70_and_the_next_goes_on(
    bench: Bench, servers: EmbeddedServers
) -> None:
    async with RelayProcess.started(bench) as relay:
        await relay.says("relay.started")
        bench.write(b"1", b"2")
        await bench.arrived(2)
        await servers.postgres.restart()
        assert await relay.ended() == 70, relay.said
    bench.write(b"3")
    async with RelayProcess.started(bench) as relay:
        await bench.arrived(3)
        await relay.says("relay.started")
        bench.write(b"4")
        await bench.arrived(4)
        assert await relay.drained() == 0
    assert list(dict.fromkeys(bench.payloads())) == [b"1", b"2", b"3", b"4"]


async def lose_slot(bench: Bench, servers: EmbeddedServers) -> None:
    """Has PostgreSQL invalidate the slot: as idle for too long, which comes sooner than too much log."""
    async with await connect(servers.postgres.url("postgres")) as connection:
        await connection.execute("ALTER SYSTEM SET idle_replication_slot_timeout = '1s'")
        await connection.execute("SELECT pg_reload_conf()")

        async def is_lost() -> bool:
            await connection.execute("CHECKPOINT")
            return (await bench.health()).state is SlotState.LOST

        try:
            await until(is_lost)
        finally:
            await connection.execute("ALTER SYSTEM RESET idle_replication_slot_timeout")
            await connection.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize("how", ["invalidated", "dropped"])
async def test_a_lost_slot_is_rebuilt_and_nothing_is_missing(
    bench: Bench, bus: KafkaBus, servers: EmbeddedServers, how: str
) -> None:
    async with bench.running(bus):
        bench.write(b"1", b"2")
        await bench.arrived(2)
    bench.write(b"3")
    await (lose_slot(bench, servers) if how == "invalidated" else bench.drop_slot())
    bench.write(b"4")
    async with bench.running(bus, Limits(max_events=3)):
        bench.write(b"5")
        await bench.arrived(7)
    assert bench.payloads() == [b"1", b"2", b"1", b"2", b"3", b"4", b"5"]


class BreaksOnce:
    """A bus that fails at its second publish."""

    def __init__(self, bus: KafkaBus) -> None:
        self._bus = bus
        self._published = 0
        self.start, self.stop = bus.start, bus.stop

    async def publish(self, events: Sequence[BusEvent]) -> None:
        """Publishes, but not the second time."""
        self._published += 1
        if self._published == 2:
            raise BusFailed("broken by the test")
        await self._bus.publish(events)


async def test_a_rebuild_that_breaks_off_begins_again(bench: Bench, bus: KafkaBus) -> None:
    bench.write(b"1", b"2", b"3", b"4")
    with pytest.raises(BusFailed, match="by the test"):
        async with bench.running(BreaksOnce(bus), Limits(max_events=2)):
            pass
    assert (await bench.health()).state is SlotState.MISSING
    async with bench.running(bus):
        await bench.arrived(6)
    assert bench.payloads() == [b"1", b"2", b"1", b"2", b"3", b"4"]
