"""Both workers together: how much goes the whole way, and how long it takes at a part of that."""

import asyncio
import time
from statistics import median
from typing import Final

from benchmarks import minimal
from benchmarks.bench import Bench, Scene, skipped, until
from benchmarks.load import Load
from benchmarks.measured import Latency, Measured
from benchmarks.worker import Reading, Worker, running, watch
from schemas.topics import JOURNAL, USAGE

PATH_PART: Final = 4
"""A quarter of the events: what is measured is a rate."""
STEADY_PER_S: Final = 2_000
WARM_UP_S: Final = 3.0
MEASURED_S: Final = 12.0
DRAINED_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5
"""A look goes over all that was seen."""


async def whole_path(bench: Bench) -> None:
    """Usage waits in its topic; it counts once its account's state and total are flushed."""
    scene = _scene(bench, "path")
    events = bench.events // PATH_PART
    bench.fill(scene, USAGE, minimal.usage_records(events, scene.codec), events)
    async with running("rating", scene) as rating:
        await _started(rating, scene)
        async with running("intake", scene) as intake:
            with bench.shown("path", events) as show:
                folded = scene.records[JOURNAL] + events
                readings = await watch([intake, rating], folded, lambda done: show(done - scene.records[JOURNAL]))
    bench.keep("path", _span(readings, scene.records[JOURNAL] + skipped(events)))


async def latency(bench: Bench) -> None:
    """At a fixed rate, and at half of what the whole path carries."""
    if "path" not in bench.results:
        await whole_path(bench)
    half = median(run.per_wall_s for run in bench.results["path"] if isinstance(run, Measured)) / 2
    for row, rate in (("latency-2000", STEADY_PER_S), ("latency-half", half)):
        scene = _scene(bench, "latency")
        async with running("rating", scene) as rating, running("intake", scene) as intake:
            await _started(rating, scene)
            await intake.ready()
            with bench.shown(row, None):
                bench.keep(row, await _latency(scene, rate))


async def _latency(scene: Scene, rate_per_s: float) -> Latency:
    load = Load(scene, USAGE, rate_per_s)
    with load.running():
        from_s = time.monotonic() + WARM_UP_S
        until_s = from_s + MEASURED_S
        await asyncio.sleep(WARM_UP_S + MEASURED_S)
        await until(lambda: not late(load, until_s), "every event in a total", DRAINED_WITHIN_S, LOOK_EVERY_S)
    return Latency.of(waits(load, from_s, until_s), rate_per_s)


def waits(load: Load, from_s: float, until_s: float) -> list[float]:
    """How long each event that was acknowledged in this time waited for a total that has it in."""
    found: list[float] = []
    counted = dict.fromkeys(load.acknowledged, 0)
    for seen in load.seen:
        times = load.acknowledged[seen.account]
        found += [seen.at_s - at_s for at_s in times[counted[seen.account] : seen.quantity] if from_s <= at_s < until_s]
        counted[seen.account] = max(counted[seen.account], seen.quantity)
    return found


def late(load: Load, until_s: float) -> int:
    """How many events that were acknowledged before this moment are in no total yet."""
    counted: dict[str, int] = {}
    for seen in load.seen[:]:
        counted[seen.account] = max(counted.get(seen.account, 0), seen.quantity)
    sent = list(load.acknowledged.items())
    return sum(1 for name, times in sent for at_s in times[counted.get(name, 0) :] if at_s < until_s)


def _scene(bench: Bench, name: str) -> Scene:
    """A scene in which every account's subscription has started."""
    scene = bench.fresh(name)
    bench.fill(scene, JOURNAL, minimal.start_records(scene.codec, scene.settings), minimal.ACCOUNTS)
    return scene


async def _started(rating: Worker, scene: Scene) -> None:
    """Waits until the subscriptions are in the accounts."""
    await watch([rating], scene.records[JOURNAL], lambda _: None)


def _span(readings: list[tuple[Reading, ...]], skip: int) -> Measured:
    """From the first reading of the last worker beyond `skip` records to its last flush; CPU is that of all of them."""
    first = next(reading for reading in readings if reading[-1].folded > skip)
    last = next(reading for reading in readings if reading[-1].flushes == readings[-1][-1].flushes)
    return Measured(
        records=last[-1].folded - first[-1].folded,
        wall_s=last[-1].at_s - first[-1].at_s,
        cpu_s=sum(one.cpu_s for one in last) - sum(one.cpu_s for one in first),
        memory_bytes=sum(one.memory_bytes for one in last),
    )
