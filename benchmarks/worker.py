"""Real workers, measured by their own metrics."""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.bench import Scene
from benchmarks.measured import Measured
from connectors.embedded.child import Child, Command

LOOK_EVERY_S: Final = 0.2
QUIET_S: Final = 1.0
STALLED_S: Final = 60.0
STOP_WITHIN_S: Final = 30.0
_FOLDED: Final = "beaas_batch_records_folded_total"
_FLUSHES: Final = "beaas_batch_flushes_total"
_LAG: Final = "beaas_batch_lag_records"
_CPU: Final = "process_cpu_seconds_total"
_MEMORY: Final = "process_resident_memory_bytes"


class Reading(NamedTuple):
    """A worker's metrics at a moment."""

    at_s: float
    folded: int
    flushes: int
    cpu_s: float
    memory_bytes: int
    partitions: frozenset[int]
    """Those whose lag it has told: it owns them, or did."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker."""

    child: Child
    announced: Path
    session: aiohttp.ClientSession

    async def read(self) -> Reading | None:
        """Its metrics now; None while it starts.

        Raises:
            RuntimeError: it has ended; the end of its log is in the text.
        """
        if self.child.exit_status is not None:
            raise RuntimeError(f"{self.child.command.name} ended.{self.child.log_tail()}")
        try:
            async with self.session.get(json.loads(self.announced.read_text())["url"] + "/metrics") as response:
                return _reading(await response.text())
        except (OSError, ValueError, aiohttp.ClientError, TimeoutError):
            return None

    async def ready(self) -> None:
        """Waits until it has taken its partitions over.

        Raises:
            RuntimeError: it ended, or did not get there in time.
        """
        deadline = time.monotonic() + STALLED_S
        while not await self._answers():
            if self.child.exit_status is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.child.command.name} does not get ready.{self.child.log_tail()}")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _answers(self) -> bool:
        try:
            async with self.session.get(json.loads(self.announced.read_text())["url"] + "/readyz") as response:
                return response.ok
        except (OSError, ValueError, aiohttp.ClientError, TimeoutError):
            return False


@asynccontextmanager
async def running(role: str, scene: Scene, number: int = 1) -> AsyncIterator[Worker]:
    """A worker of this role while the block runs; its instance is `<role>-<number>`."""
    instance = f"{role}-{number}"
    (announced := scene.settings.data_dir / "health" / f"{instance}.json").unlink(missing_ok=True)
    command = Command(
        name=f"bench-{instance}",
        argv=(sys.executable, "-m", "streams.cli", "worker", role, "--instance", instance),
        log=scene.settings.data_dir / f"{instance}.log",
        environment=scene.environment,
    )
    command.log.parent.mkdir(parents=True, exist_ok=True)
    child = await Child.spawn(command, scene.settings.data_dir / "children")
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            yield Worker(child, announced, session)
    finally:
        await child.stop(STOP_WITHIN_S)


async def measure_worker(role: str, scene: Scene, records: int, skip: int, progress: Callable[[int], None]) -> Measured:
    """A new worker folds so many records that wait for it.

    Counted is what lies between two readings of its metrics: the first one that shows more than `skip` records, and the
    one that shows the last flush. So neither start-up nor idling is in it.

    Raises:
        RuntimeError: the worker ended or stalled; the end of its log is in the text.
    """
    await forget_state(role, scene)
    async with running(role, scene) as worker:
        readings = await watch([worker], records, progress)
    return span([one for (one,) in readings], skip)


async def watch(workers: Sequence[Worker], records: int, progress: Callable[[int], None]) -> list[tuple[Reading, ...]]:
    """Readings of all of them at once, until the last one has folded so many and nothing more is flushed."""
    readings: list[tuple[Reading, ...]] = []
    news_at = time.monotonic()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        found = await asyncio.gather(*(worker.read() for worker in workers))
        now = time.monotonic()
        if all(found):
            reading = tuple(one for one in found if one is not None)
            if not readings or reading[-1].flushes > readings[-1][-1].flushes:
                news_at = now
            readings.append(reading)
            progress(reading[-1].folded)
            if reading[-1].folded >= records and now - news_at > QUIET_S:
                return readings
        if now - news_at > STALLED_S:
            raise RuntimeError(f"{workers[-1].child.command.name} stalled.{workers[-1].child.log_tail()}")


def span(readings: Sequence[Reading], skip: int) -> Measured:
    """What lies between the first reading beyond `skip` records and the one that shows the last flush."""
    first = next(reading for reading in readings if reading.folded > skip)
    last = next(reading for reading in readings if reading.flushes == readings[-1].flushes)
    return Measured(
        records=last.folded - first.folded,
        wall_s=last.at_s - first.at_s,
        cpu_s=last.cpu_s - first.cpu_s,
        memory_bytes=last.memory_bytes,
        grown_bytes=last.memory_bytes - first.memory_bytes,
    )


async def forget_state(role: str, scene: Scene) -> None:
    """No state of a former run is left: neither changelogs nor local tables."""
    admin = AIOKafkaAdminClient(bootstrap_servers=scene.kafka)
    await admin.start()
    try:
        prefix = f"{scene.settings.topic_prefix}{role}-"
        stale = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if stale:
            await admin.delete_topics(stale)
        while any(name.startswith(prefix) for name in await admin.list_topics()):  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
    shutil.rmtree(scene.settings.data_dir, ignore_errors=True)


def _reading(text: str) -> Reading:
    values: dict[str, float] = dict.fromkeys((_FOLDED, _FLUSHES, _CPU, _MEMORY), 0.0)
    partitions = set()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in values:
                values[sample.name] += sample.value
            elif sample.name == _LAG:
                partitions.add(int(sample.labels["partition"]))
    return Reading(
        at_s=time.monotonic(),
        folded=int(values[_FOLDED]),
        flushes=int(values[_FLUSHES]),
        cpu_s=values[_CPU],
        memory_bytes=int(values[_MEMORY]),
        partitions=frozenset(partitions),
    )


def with_settings(scene: Scene, settings: Mapping[str, str]) -> Scene:
    """The same topics, with other settings of the worker."""
    return Scene(scene.settings, {**scene.environment, **settings}, scene.codec, scene.records)
