"""A fleet of workers: how much goes the whole way through them, and how long it takes at a part of that."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Final, NamedTuple

from benchmarks import minimal
from benchmarks.bench import Bench, Scene, until
from benchmarks.load import Load, Pace
from benchmarks.measured import Latency, Measured
from benchmarks.worker import Reading, Worker, running, watch
from schemas.topics import JOURNAL, USAGE

AHEAD: Final = 100_000
"""So many events are under way while the path is measured: some seconds of work, more than one flush while behind."""
FULL_PER_S: Final = 200_000.0
"""More than the path carries."""
FULL_WARM_UP_S: Final = 10.0
FULL_MEASURED_S: Final = 20.0
STEADY_PER_S: Final = 2_000
WARM_UP_S: Final = 3.0
MEASURED_S: Final = 12.0
DRAINED_WITHIN_S: Final = 60.0
LOOK_EVERY_S: Final = 0.5
"""A look goes over all that was seen."""


async def whole_path(bench: Bench) -> None:
    """What producer, broker and the fleet sustain on this machine: what gets into flushed totals meanwhile."""
    scene = _scene(bench, "path")
    async with _fleet(scene) as workers:
        load = Load(scene, USAGE, Pace(FULL_PER_S, AHEAD))
        with load.running(), bench.shown("path", None):
            await asyncio.sleep(FULL_WARM_UP_S)
            first = await _moment(load, workers)
            await asyncio.sleep(FULL_MEASURED_S)
            last = await _moment(load, workers)
    bench.keep("path", between(first, last))


async def latency(bench: Bench) -> None:
    """At a fixed rate, and at half of what the whole path carries."""
    if "path" not in bench.results:
        await whole_path(bench)
    half = median(run.per_wall_s for run in bench.results["path"] if isinstance(run, Measured)) / 2
    for row, rate in (("latency-2000", STEADY_PER_S), ("latency-half", half)):
        scene = _scene(bench, "latency")
        async with _fleet(scene):
            with bench.shown(row, None):
                bench.keep(row, await _latency(scene, rate))


async def _latency(scene: Scene, rate_per_s: float) -> Latency:
    ready = int(rate_per_s * (WARM_UP_S + MEASURED_S + LOOK_EVERY_S))
    load = Load(scene, USAGE, Pace(rate_per_s, ready=ready))
    with load.running():
        from_s = time.monotonic() + WARM_UP_S
        until_s = from_s + MEASURED_S
        await asyncio.sleep(WARM_UP_S + MEASURED_S + LOOK_EVERY_S)
        await until(lambda: not late(load, until_s), "every event in a total", DRAINED_WITHIN_S, LOOK_EVERY_S)
    found = waits(load, from_s, until_s)
    return Latency.of(found, len(found) / MEASURED_S)


def waits(load: Load, from_s: float, until_s: float) -> list[float]:
    """How long each event that was handed to the producer in this time waited for a total that has it in."""
    found: list[float] = []
    counted = dict.fromkeys(load.sent, 0)
    for seen in load.seen:
        times = load.sent[seen.account]
        found += [seen.at_s - at_s for at_s in times[counted[seen.account] : seen.quantity] if from_s <= at_s < until_s]
        counted[seen.account] = max(counted[seen.account], seen.quantity)
    return found


def late(load: Load, until_s: float) -> int:
    """How many events that were handed to the producer before this moment are in no total yet."""
    counted: dict[str, int] = {}
    for seen in load.seen[:]:
        counted[seen.account] = max(counted.get(seen.account, 0), seen.quantity)
    sent = list(load.sent.items())
    return sum(1 for name, times in sent for at_s in times[counted.get(name, 0) :] if at_s < until_s)


def _scene(bench: Bench, name: str) -> Scene:
    """A scene in which every account's subscription has started."""
    scene = bench.fresh(name)
    bench.fill(scene, JOURNAL, minimal.start_records(scene.codec, scene.settings), minimal.ACCOUNTS)
    return scene


@asynccontextmanager
async def _fleet(scene: Scene) -> AsyncIterator[Sequence[Worker]]:
    """One worker for intake and two for rating, which is twice its work; the subscriptions are in the accounts."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(running("rating", scene))
        await watch([first], scene.records[JOURNAL], lambda _: None)
        others = [
            await stack.enter_async_context(running("rating", scene, 2)),
            await stack.enter_async_context(running("intake", scene)),
        ]
        for worker in others:
            await worker.ready()
        yield [first, *others]


class Moment(NamedTuple):
    """How far the path is, and what its workers have used."""

    at_s: float
    counted: int
    workers: tuple[Reading, ...]


async def _moment(load: Load, workers: Sequence[Worker]) -> Moment:
    readings = await asyncio.gather(*(_read(worker) for worker in workers))
    return Moment(time.monotonic(), load.counted, tuple(readings))


async def _read(worker: Worker) -> Reading:
    """Its metrics, once it answers: a busy one may take its time."""
    while (reading := await worker.read()) is None:  # noqa: ASYNC110 - only asking tells
        await asyncio.sleep(LOOK_EVERY_S)
    return reading


def between(first: Moment, last: Moment) -> Measured:
    """What got into totals from one moment to the other; CPU and memory are those of all workers."""
    return Measured(
        records=last.counted - first.counted,
        wall_s=last.at_s - first.at_s,
        cpu_s=sum(one.cpu_s for one in last.workers) - sum(one.cpu_s for one in first.workers),
        memory_bytes=sum(one.memory_bytes for one in last.workers),
    )
