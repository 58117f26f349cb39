"""How many events a CPU second the batch transport carries: a cheap fold with dedupe, on a source filled beforehand.

`python benchmarks/batching_probe.py HOST:PORT [RECORDS]` prints events per wall second and per CPU second of this
process, RocksDB and memory. One broker on the same machine shares its cores; differences below 15 % mean nothing.
"""

import asyncio
import hashlib
import logging
import resource
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from streams.batching.app import BatchApp
from streams.batching.batch import Flush, Partition
from streams.batching.settings import BatchSettings
from streams.batching.tables import FoldTable, PackedIdTable

PARTITIONS = 8
KEYS = 10_000


class Counting:
    """Counts by key, each id once."""

    def __init__(self, partition: Partition, counts: FoldTable, ids: PackedIdTable) -> None:
        self._table, self._ids_table = counts, ids
        self._counts, self._ids = partition.store(counts), partition.store(ids)
        self._counted: dict[bytes, int] = {}
        self._dirty: set[bytes] = set()
        self._seen: dict[bytes, bytes] = {}

    async def fold(self, records: Sequence[Any]) -> None:
        """Counts."""
        blake2b, seen, counted, mark = hashlib.blake2b, self._seen, self._counted, self._dirty.add
        hashes = [blake2b(record.value, digest_size=16).digest() for record in records]
        for record, digest, before in zip(records, hashes, self._ids.get_many(hashes), strict=True):
            if before is not None or digest in seen:
                continue
            seen[digest] = record.offset.to_bytes(8, "big") + digest[:8]
            key = record.key
            count = counted.get(key)
            counted[key] = (int(self._counts.get(key) or b"0") if count is None else count) + 1
            mark(key)

    def flush(self) -> Flush:
        """What changed."""
        counts = [(key, b"%d" % self._counted[key]) for key in self._dirty]
        flush = Flush({self._table: counts, self._ids_table: list(self._seen.items())})
        self._dirty, self._seen = set(), {}
        return flush

    def flushed(self) -> None:
        """Nothing to evict."""


def fill(servers: str, topic: str, records: int) -> None:
    """The topic holds the records."""
    admin = AdminClient({"bootstrap.servers": servers})
    for made in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
        made.result()
    producer = Producer({"bootstrap.servers": servers, "linger.ms": 20, "queue.buffering.max.messages": 2_000_000})
    for number in range(records):
        key = number * 7919 % KEYS
        producer.produce(topic, key=b"key-%d" % key, value=b"%0100d" % number, partition=key % PARTITIONS)
        if number % 1000 == 0:
            producer.poll(0)
    producer.flush()


async def measure(servers: str, topic: str, store: str, records: int) -> str:
    """One run, from the start of folding until the last record is committed."""
    with tempfile.TemporaryDirectory() as directory:
        settings = BatchSettings(bootstrap_servers=servers, instance="probe", data_dir=Path(directory), store=store)
        app = application(settings, f"probe-{uuid.uuid4().hex[:8]}", topic)
        await app.start()
        wall, cpu = time.perf_counter(), time.process_time()
        while sum(app.consumer._committed.values()) < records:  # noqa: ASYNC110, SLF001 - a probe from outside
            await asyncio.sleep(0.01)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        await app.stop()
        restore_s = await restore(settings, app.app_id, topic)
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    rates = f"{records / wall:9,.0f} events/s wall {records / cpu:9,.0f} events/CPU s"
    return f"{store:11} {rates}, peak {rss_mb} MB, restored in {restore_s:.1f} s"


async def restore(settings: BatchSettings, app_id: str, topic: str) -> float:
    """Seconds until a worker with an empty disk has the tables of the former one."""
    with tempfile.TemporaryDirectory() as directory:
        app = application(replace(settings, data_dir=Path(directory)), app_id, topic)
        began = time.perf_counter()
        await app.start()
        taken_s = time.perf_counter() - began
        await app.stop()
    return taken_s


def application(settings: BatchSettings, app_id: str, topic: str) -> BatchApp:
    """The counting application."""
    app = BatchApp(app_id, settings)
    counts, ids = app.fold_table("counts"), app.packed_id_table("ids")
    app.fold(topic, lambda partition: Counting(partition, counts, ids), home=counts)
    return app


def main() -> None:
    """Prints the measurements."""
    logging.basicConfig(level=logging.ERROR)
    servers, records = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000  # noqa: PLR2004 - arguments
    topic = f"probe-{uuid.uuid4().hex[:8]}"
    fill(servers, topic, records)
    for store in ("rocksdb://", "memory://"):
        print(asyncio.run(measure(servers, topic, store, records)))


if __name__ == "__main__":
    main()
