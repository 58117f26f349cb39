"""The fold of `rating, one sum meter` in other engines: the same topic, the same payload, no dedupe."""

import shutil
import sys
from collections.abc import Iterable
from typing import Final
from uuid import uuid4

from benchmarks import minimal
from benchmarks.bench import Bench, skipped
from benchmarks.peers import supply
from benchmarks.peers.supply import NotHad
from benchmarks.steps.rating import minimal_journal
from connectors.embedded.errors import ArchiveError
from schemas.topics import JOURNAL

FAUST_PART: Final = 16
"""A sixteenth of the events is enough for one that takes a quarter of a millisecond for each."""
FAUST_STORES: Final = {"faust": "rocksdb://", "faust-memory": "memory://"}
COMMIT_INTERVALS_MS: Final = {"kafka-streams-100ms": 100, "kafka-streams-1s": 1_000}
QUIX_COMMIT_S: Final = 1.0
_HEAP: Final = ("-Xms512m", "-Xmx1g")


async def kafka_streams(bench: Bench) -> None:
    """Kafka Streams with RocksDB and its record cache, at two commit intervals."""
    scene = minimal_journal(bench, bench.events)
    try:
        jars = supply.jars(supply.KAFKA_STREAMS_PINS)
        classes = supply.compiled(supply.KAFKA_STREAMS_SOURCE, jars, bench.directory / "classes")
    except (ArchiveError, NotHad) as error:
        _lack(bench, COMMIT_INTERVALS_MS, error)
        return
    for row, interval_ms in COMMIT_INTERVALS_MS.items():
        state = bench.directory / "peers" / row
        argv = (
            supply.JAVA, *_HEAP, "-cp", supply.class_path_of([classes, *jars]), "UsageSum",
            scene.kafka, scene.topic(JOURNAL), str(bench.events), str(skipped(bench.events)),
            scene.codec.usage_frame.hex(), minimal.PROPERTY, str(state), str(interval_ms),
        )  # fmt: skip
        await bench.program(row, argv, scene.environment)
        shutil.rmtree(state, ignore_errors=True)


async def quix(bench: Bench) -> None:
    """Quix Streams with its RocksDB state and changelog, in an environment of its own."""
    scene = minimal_journal(bench, bench.events)
    try:
        python = supply.quix_python()
    except NotHad as error:
        _lack(bench, ["quix"], error)
        return
    state = bench.directory / "peers" / "quix"
    argv = (
        str(python), "-m", "benchmarks.peers.quix_sum", scene.kafka, scene.topic(JOURNAL),
        str(bench.events), str(skipped(bench.events)), scene.codec.usage_frame.hex(), minimal.PROPERTY, str(state),
        str(QUIX_COMMIT_S),
    )  # fmt: skip
    await bench.program("quix", argv, scene.environment)
    shutil.rmtree(state, ignore_errors=True)


async def faust(bench: Bench) -> None:
    """Faust as its documentation has it, on few records."""
    events = bench.events // FAUST_PART
    scene = minimal_journal(bench, events)
    for row, store in FAUST_STORES.items():
        state = bench.directory / "peers" / row
        environment = scene.environment | {
            "PEER_ID": f"faust-{uuid4()}",
            "PEER_KAFKA": scene.kafka,
            "PEER_TOPIC": scene.topic(JOURNAL),
            "PEER_PARTITIONS": str(scene.settings.partitions),
            "PEER_STORE": store,
            "PEER_STATE": str(state),
            "PEER_RECORDS": str(events),
            "PEER_SKIP": str(skipped(events)),
            "PEER_FRAME": scene.codec.usage_frame.hex(),
            "PEER_PROPERTY": minimal.PROPERTY,
        }
        argv = (sys.executable, "-m", "faust", "-A", "benchmarks.peers.faust_sum:app", "worker", "-l", "error")
        await bench.program(row, (*argv, "--without-web"), environment)
        shutil.rmtree(state, ignore_errors=True)


def _lack(bench: Bench, rows: Iterable[str], error: Exception) -> None:
    for row in rows:
        bench.lack(row, str(error))
