"""One of three rating workers dies by kill -9 under load: how long its partitions stand still."""

import asyncio
import re
import time
from contextlib import AsyncExitStack
from typing import Final

from benchmarks import minimal
from benchmarks.bench import Bench, Scene, until
from benchmarks.load import Load, Pace
from benchmarks.measured import Recovery
from benchmarks.worker import Worker, running, watch, with_settings
from schemas.topics import JOURNAL

WORKERS: Final = 3
VICTIM: Final = 2
RATE_PER_S: Final = 2_000
WARM_UP_S: Final = 5.0
CAUGHT_UP_S: Final = 1.0
"""Closer to its producer than this, a partition has caught up."""
WITHIN_S: Final = 90.0
LOOK_EVERY_S: Final = 0.5
SETTINGS: Final = {"BEAAS_SESSION_TIMEOUT_SECONDS": "6"}
_TOOK_OVER: Final = re.compile(r"took over partitions \[([\d, ]*)\]")


async def survivors_take_over(bench: Bench) -> None:
    """The dead worker stays dead."""
    bench.keep("recovery-dynamic", await _killed(bench, restart=False))


async def restarted_at_once(bench: Bench) -> None:
    """The dead worker's supervisor starts it again; its static membership keeps its partitions."""
    bench.keep("recovery-static", await _killed(bench, restart=True))


async def _killed(bench: Bench, *, restart: bool) -> Recovery:
    scene = with_settings(bench.fresh("recovery"), SETTINGS)
    bench.fill(scene, JOURNAL, minimal.start_records(scene.codec, scene.settings), minimal.ACCOUNTS)
    async with AsyncExitStack() as stack:
        # the first one takes the subscriptions in alone: what is measured begins after that
        workers = {1: await stack.enter_async_context(running("rating", scene, 1))}
        await watch([workers[1]], scene.records[JOURNAL], lambda _: None)
        for number in range(2, WORKERS + 1):
            workers[number] = await stack.enter_async_context(running("rating", scene, number))
            await workers[number].ready()
        load = Load(scene, JOURNAL, Pace(RATE_PER_S), locating=True)
        with load.running(), bench.shown("kill -9" + (", restart" if restart else ""), None):
            await until(lambda: _all_flow(load, scene), "every partition moves", WITHIN_S, LOOK_EVERY_S)
            await asyncio.sleep(WARM_UP_S)
            lost = owned(workers[VICTIM])
            killed_at = time.monotonic()
            workers[VICTIM].child.kill()
            if restart:
                await workers[VICTIM].child.ended()
                await stack.enter_async_context(running("rating", scene, VICTIM))
            await until(
                lambda: recovered(load, lost, killed_at) is not None, "lost partitions move", WITHIN_S, LOOK_EVERY_S
            )
            found = recovered(load, lost, killed_at)
    assert found is not None  # noqa: S101 - it was waited for
    return found


def owned(worker: Worker) -> frozenset[int]:
    """The partitions that it took over last, by its log.

    Raises:
        RuntimeError: it has none, so its death would show nothing.
    """
    told = _TOOK_OVER.findall(worker.child.command.log.read_text(encoding="utf-8"))
    partitions = frozenset(int(number) for number in told[-1].split(",") if number.strip()) if told else frozenset()
    if not partitions:
        raise RuntimeError(f"the worker that is to die owns no partition.{worker.child.log_tail()}")
    return partitions


def recovered(load: Load, lost: frozenset[int], killed_at_s: float) -> Recovery | None:
    """When the lost partitions moved again and when they had caught up, seconds after the kill; None until then.

    Only totals count that have an event in them that was acknowledged after the kill: the dead can't have folded it.
    """
    firsts: list[float] = []
    caught_up: dict[int, float] = {}
    for seen in load.seen[:]:
        sent_at_s = load.positions.get((seen.partition, seen.position), 0.0)
        if seen.partition in lost and sent_at_s > killed_at_s:
            firsts.append(seen.at_s)
            if seen.at_s - sent_at_s < CAUGHT_UP_S:
                caught_up.setdefault(seen.partition, seen.at_s)
    if caught_up.keys() != lost:
        return None
    return Recovery(min(firsts) - killed_at_s, max(caught_up.values()) - killed_at_s, len(lost))


def _all_flow(load: Load, scene: Scene) -> bool:
    return len({seen.partition for seen in load.seen[:]}) == scene.settings.partitions
