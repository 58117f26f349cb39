"""The outbox to Kafka: our relay, and Debezium in its place, on the same table."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, closing
from typing import Final

import psycopg
from confluent_kafka import Consumer, TopicPartition

from benchmarks import process
from benchmarks.bench import Bench, Scene, until
from benchmarks.measured import Latency, Measured
from benchmarks.peers.debezium import debezium
from benchmarks.relay_process import relay
from connectors.embedded.child import Child
from connectors.embedded.errors import ArchiveError, ServerError
from schemas.topics import INVOICE

ROWS_PART: Final = 10
"""A tenth of the events: an invoice and its like stand for many."""
WARM_PART: Final = 5
ROWS_A_TRANSACTION: Final = 1_000
PAYLOAD_BYTES: Final = 300
SINGLE_ROWS: Final = 500
BETWEEN_ROWS_S: Final = 0.01
_ARRIVES_WITHIN_S: Final = 10.0
_INSERT: Final = """
INSERT INTO beaas.billing_events (
    id, aggregate_type, aggregate_id, type, tenant_id, payload, correlation_id, causation_id, occurred_at, shard)
SELECT gen_random_uuid(), 'invoice', 'invoice-' || n %% 1000, 'beaas.invoice.InvoiceFinalized', 'tenant-1', %s,
    'correlation-1', 'cause-1', now(), 0
FROM generate_series(1, %s) AS n
"""
Carrier = Callable[[Bench, Scene], AbstractAsyncContextManager[Child]]


async def both(bench: Bench) -> None:
    """Debezium, then the relay, each on a database of its own."""
    for row, carrier in (("debezium", debezium), ("relay", relay)):
        try:
            await _one(bench, row, carrier)
        except (ArchiveError, ServerError, RuntimeError, TimeoutError) as error:  # one must not take the other along
            bench.lack(row, str(error))


async def _one(bench: Bench, row: str, carrier: Carrier) -> None:
    scene = bench.fresh(row, database=True)
    rows = bench.events // ROWS_PART
    async with carrier(bench, scene) as child:
        arrivals = Arrivals(scene.kafka, scene.topic(INVOICE), scene.settings.partitions)
        with closing(arrivals), bench.shown(row, rows) as show:
            await _carried(scene, arrivals, child, rows // WARM_PART, lambda _: None)
            bench.keep(row, await _carried(scene, arrivals, child, rows, show))
        with bench.shown(f"{row}, single rows", SINGLE_ROWS) as show:
            bench.keep(f"{row}-latency", await asyncio.to_thread(_single_rows, scene, show))


async def _carried(
    scene: Scene, arrivals: "Arrivals", child: Child, rows: int, show: Callable[[int], None]
) -> Measured:
    """So many rows are inserted while it runs, and have arrived."""
    before = arrivals.count()
    wall, cpu = time.perf_counter(), process.cpu_s(child.pid)

    def all_arrived() -> bool:
        show(arrived := arrivals.count() - before)
        return arrived >= rows

    inserting = asyncio.create_task(asyncio.to_thread(_insert, scene, rows))
    await until(all_arrived, f"{rows} outbox rows at {scene.topic(INVOICE)}")
    await inserting
    wall, cpu = time.perf_counter() - wall, process.cpu_s(child.pid) - cpu
    return Measured(rows, wall, cpu, memory_bytes=process.memory_bytes(child.pid))


def _insert(scene: Scene, rows: int) -> None:
    with psycopg.connect(scene.postgres_url, autocommit=True) as connection:
        for _ in range(rows // ROWS_A_TRANSACTION):
            connection.execute(_INSERT, [bytes(PAYLOAD_BYTES), ROWS_A_TRANSACTION])


def _single_rows(scene: Scene, show: Callable[[int], None]) -> Latency:
    """Each row is committed once the one before has arrived, and a little later."""
    waits = []
    with closing(Arrivals(scene.kafka, scene.topic(INVOICE), scene.settings.partitions)) as arrivals:
        arrivals.follow()
        with psycopg.connect(scene.postgres_url, autocommit=True) as connection:
            for number in range(SINGLE_ROWS):
                payload = number.to_bytes(PAYLOAD_BYTES, "big")
                connection.execute(_INSERT, [payload, 1])
                committed = time.perf_counter()
                arrivals.wait_for(payload)
                waits.append(time.perf_counter() - committed)
                show(number)
                time.sleep(BETWEEN_ROWS_S)
    return Latency.of(waits, rate_per_s=0)


class Arrivals:
    """What has come to a topic."""

    def __init__(self, servers: str, topic: str, partitions: int) -> None:
        self._consumer = Consumer(
            {"bootstrap.servers": servers, "group.id": "bench-arrivals", "enable.auto.commit": False, "log_level": 2}
        )
        self._sources = [TopicPartition(topic, number) for number in range(partitions)]

    def count(self) -> int:
        """How many records the topic has had."""
        return sum(self._consumer.get_watermark_offsets(source, timeout=10)[1] for source in self._sources)

    def follow(self) -> None:
        """From here on `wait_for` sees what comes."""
        ends = [self._consumer.get_watermark_offsets(source, timeout=10)[1] for source in self._sources]
        self._consumer.assign(
            [
                TopicPartition(source.topic, source.partition, end)
                for source, end in zip(self._sources, ends, strict=True)
            ]
        )
        self._consumer.poll(1)

    def wait_for(self, payload: bytes) -> None:
        """The next record with this value has come.

        Raises:
            TimeoutError: it has not.
        """
        deadline = time.monotonic() + _ARRIVES_WITHIN_S
        while time.monotonic() < deadline:
            message = self._consumer.poll(0.1)
            if message is not None and message.value() == payload:
                return
        raise TimeoutError(f"a committed row did not arrive within {_ARRIVES_WITHIN_S:g} s")

    def close(self) -> None:
        """Nothing is read any more."""
        self._consumer.close()
