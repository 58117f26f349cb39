"""The scheduler's process: one leads, the others stand by; it works at once where it is woken, and rests where not."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from time import monotonic
from typing import Final

from connectors.postgres.pool import Connection
from connectors.postgres.queries import schedule, subscription
from connectors.scheduler.metrics import SchedulerMetrics
from connectors.scheduler.rounds import Round, Rounds

_STANDBY_S: Final = 0.5  # how soon another takes over from a leader that is gone
_AT_BARRIER_S: Final = 0.05  # intake commits some ten times a second, and tells nobody
_SHORTEST_REST_S: Final = 0.05
_COUNT_EACH_S: Final = 2.0


async def run_scheduler(
    rounds: Rounds,
    *,
    stop: asyncio.Event,
    metrics: SchedulerMetrics | None = None,
    longest_rest_s: float = 0.5,
) -> None:
    """Leads, or waits until it may, and makes rounds until `stop` is set; ends between two rounds.

    Any number may run: one leads, and the first to notice that it is gone follows. Whatever is raised is meant to end
    the process; starting again is always safe.

    Args:
        rounds: what to do, and the pool to do it with: three connections at least.
        stop: ends it.
        metrics: what to count with; those of the process by default.
        longest_rest_s: how late it may notice that the real clock has reached a due moment, which nobody tells.
    """
    watch = metrics or SchedulerMetrics()
    async with rounds.pool.connection() as session:
        try:
            await session.set_autocommit(True)
            if await _lead(session, stop):
                watch.leads.set(1)
                await schedule.listen(session)
                await _work(rounds, _Rest(session, stop, longest_rest_s), watch)
        finally:
            watch.leads.set(0)
            await session.close()  # with the session the lead is given up, and the pool makes a new one


async def _lead(session: Connection, stop: asyncio.Event) -> bool:
    """Returns whether this session leads now, False where it was stopped while it waited."""
    while not stop.is_set():
        answer = await schedule.try_to_lead(session)
        if answer is not None and answer.leads:
            return True
        await _stopped_within(stop, _STANDBY_S)
    return False


@dataclass(frozen=True, slots=True)
class _Rest:
    """How the leader rests: until it is woken or stopped, or the time is over."""

    session: Connection
    stop: asyncio.Event
    longest_s: float

    async def take(self, rest_s: float) -> None:
        """Rests."""
        waits = {asyncio.create_task(self._woken(rest_s)), asyncio.create_task(self.stop.wait())}
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        for wait in done:
            wait.result()  # a session that was cut is found out here

    async def _woken(self, rest_s: float) -> None:
        async with aclosing(self.session.notifies(timeout=rest_s, stop_after=1)) as woken:
            async for _ in woken:
                pass


async def _work(rounds: Rounds, rest: _Rest, watch: SchedulerMetrics) -> None:
    rest_s, counted_at = _SHORTEST_REST_S, 0.0
    while not rest.stop.is_set():
        with watch.round_seconds.time():
            made = await rounds.once()
        _count(made, watch)
        if monotonic() - counted_at > _COUNT_EACH_S:
            await _gauge(rounds, rest.session, watch)
            counted_at = monotonic()
        if made.worked:
            rest_s = _SHORTEST_REST_S
            continue
        rest_s = _AT_BARRIER_S if made.waiting else min(2 * rest_s, rest.longest_s)
        await rest.take(rest_s)


async def _stopped_within(stop: asyncio.Event, rest_s: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), rest_s)
    except TimeoutError:
        return


def _count(made: Round, watch: SchedulerMetrics) -> None:
    watch.fallen_due.inc(made.fallen_due)
    watch.released.inc(made.released)


async def _gauge(rounds: Rounds, session: Connection, watch: SchedulerMetrics) -> None:
    due = await subscription.count_due(session, real_now=rounds.now() - rounds.close_grace)
    waiting = await schedule.count_waiting(session)
    assert due is not None
    assert waiting is not None
    watch.due_backlog.set(due.due)
    watch.waiting_at_barrier.set(waiting.at_barrier)
