"""A real worker on a filled topic, measured by its own metrics."""

import asyncio
import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.measured import Measured
from connectors.embedded.child import Child, Command
from streams.settings import Settings

LOOK_EVERY_S: Final = 0.2
QUIET_S: Final = 1.0
STALLED_S: Final = 60.0
_FOLDED: Final = "beaas_batch_records_folded_total"
_FLUSHES: Final = "beaas_batch_flushes_total"
_CPU: Final = "process_cpu_seconds_total"


class Reading(NamedTuple):
    """The worker's metrics at a moment."""

    at_s: float
    folded: int
    flushes: int
    cpu_s: float


async def measure_worker(
    role: str, settings: Settings, environment: Mapping[str, str], records: int, progress: Callable[[int], None]
) -> Measured:
    """A new worker without any state folds the whole topic once.

    Counted is what lies between two readings of its metrics: the first one that shows records, and the one that shows
    the last flush. So neither start-up nor idling is in it.

    Raises:
        RuntimeError: the worker ended or stalled; the end of its log is in the text.
    """
    await _forget(role, settings)
    command = Command(
        name=f"bench-{role}",
        argv=(sys.executable, "-m", "streams.cli", "worker", role),
        log=settings.data_dir / f"{role}.log",
        environment=environment,
    )
    child = await Child.spawn(command, settings.data_dir / "children")
    try:
        announced = settings.data_dir / "health" / f"{role}-1.json"
        readings = await _watch(child, announced, records, progress)
    finally:
        await child.stop(30)
    first = next(reading for reading in readings if reading.folded)
    last = next(reading for reading in readings if reading.flushes == readings[-1].flushes)
    return Measured(last.folded - first.folded, last.at_s - first.at_s, last.cpu_s - first.cpu_s)


async def _watch(child: Child, announced: Path, records: int, progress: Callable[[int], None]) -> list[Reading]:
    """Readings from the start until all is folded and nothing more is flushed."""
    readings: list[Reading] = []
    news_at = time.monotonic()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            reading = await _read(session, announced)
            now = time.monotonic()
            if reading is not None:
                if not readings or reading.flushes > readings[-1].flushes:
                    news_at = now
                readings.append(reading)
                progress(reading.folded)
                if reading.folded >= records and now - news_at > QUIET_S:
                    return readings
            if child.exit_status is not None or now - news_at > STALLED_S:
                raise RuntimeError(f"{child.command.name} ended or stalled.{child.log_tail()}")


async def _read(session: aiohttp.ClientSession, announced: Path) -> Reading | None:
    try:
        async with session.get(json.loads(announced.read_text())["url"] + "/metrics") as response:
            text = await response.text()
    except (OSError, ValueError, aiohttp.ClientError, TimeoutError):
        return None  # it is starting
    values = dict.fromkeys((_FOLDED, _FLUSHES, _CPU), 0.0)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in values:
                values[sample.name] += sample.value
    return Reading(time.monotonic(), int(values[_FOLDED]), int(values[_FLUSHES]), values[_CPU])


async def _forget(role: str, settings: Settings) -> None:
    """No state of a former run is left: neither changelogs nor group nor local tables."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap_servers)
    await admin.start()
    try:
        prefix = f"{settings.topic_prefix}{role}-"
        stale = [name for name in await admin.list_topics() if name.startswith(prefix)]
        if stale:
            await admin.delete_topics(stale)
        while any(name.startswith(prefix) for name in await admin.list_topics()):  # noqa: ASYNC110 - Kafka tells nobody
            await asyncio.sleep(0.05)
    finally:
        await admin.close()
    shutil.rmtree(settings.data_dir, ignore_errors=True)
