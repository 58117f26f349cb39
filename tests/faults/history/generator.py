"""The load generator: carries a script out against real servers, and writes what came of it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, Self, assert_never

from schemas import topics
from streams.settings import load_settings
from tests.faults.history.door import UNKNOWN, Door, Refused, open_door
from tests.faults.history.log import Asked, HistoryLog
from tests.faults.history.script import PRODUCERS, Shape, Tenant, script
from tests.faults.history.sender import Sender
from tests.faults.history.steps import Apply, Clock, Command, Grant, Send, Step, Void
from tests.faults.history.wire import Writer
from tests.oracle.numbers import instant_text

_AHEAD: Final = 400  # steps of all tenants: while one waits to be invoiced, the others go on
_ENDS_AT_ONCE: Final = 8
_LOOK_EACH_S: Final = 0.1
_AGAIN_AFTER_S: Final = 0.5
_ACKNOWLEDGE_WITHIN_S: Final = 30.0
"""After this time a record is sent again, its fate being unknown."""
_SETTLE_WITHIN_S: Final = 300.0
"""How long to wait for anything to be invoiced."""


class Pace:
    """At most so many turns a second; what was missed is not made up for."""

    def __init__(self, rate: float) -> None:
        self._each_s, self._next = 1 / rate, 0.0

    async def turn(self) -> None:
        """Returns when it is time."""
        now = monotonic()
        self._next = max(self._next + self._each_s, now - 0.1)
        if self._next > now:
            await asyncio.sleep(self._next - now)


@dataclass(slots=True, eq=False)
class Lane:
    """One tenant on its way: its steps are taken in their order, beside all others'."""

    tenant: Tenant
    steps: asyncio.Queue[Step | None] = field(default_factory=asyncio.Queue)
    task: asyncio.Task[None] | None = None
    begun: bool = False
    halting: bool = False


class Generator:
    """Sends usage and commands by a seed's script. Use as `async with`, or call `close` in the end.

    Args:
        environment: the `BEAAS_` settings that lead to the servers: past any fault, where there are faults between.
        history: the file to write.
        seed: of the script.
        rate: usage records a second at most.
        shape: how large tenants are.
    """

    def __init__(
        self, environment: Mapping[str, str], history: Path, *, seed: int, rate: float, shape: Shape | None = None
    ) -> None:
        self._settings = load_settings(environment)
        self._log = HistoryLog(history, seed)
        self._pace = Pace(rate)
        self._script = script(seed, shape or Shape())
        self._lanes: dict[str, Lane] = {}
        self._room = asyncio.Semaphore(_AHEAD)
        self._ends = asyncio.Semaphore(_ENDS_AT_ONCE)
        self._failure: BaseException | None = None
        self._stack = AsyncExitStack()
        self._door: Door
        self._sender: Sender
        self._started = False

    @property
    def acknowledged(self) -> int:
        """How many usage records were acknowledged, each counted once."""
        return self._sender.acknowledged if self._started else 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Connected; a second call changes nothing."""
        if self._started:
            return
        settings = self._settings
        topic = topics.USAGE.full_name(settings.topic_prefix)
        writer = await asyncio.to_thread(Writer.of_registry, settings.schema_registry_url, topic)
        self._door = await self._stack.enter_async_context(open_door(settings))
        self._sender = Sender(
            settings.kafka_bootstrap_servers,
            topic,
            writer,
            self._log,
            producers=PRODUCERS,
            acknowledge_within_s=_ACKNOWLEDGE_WITHIN_S,
        )
        await self._sender.start()
        self._started = True

    async def run_until(self, *, acknowledged: int) -> None:
        """So many usage records, and some more that are on their way, have been acknowledged.

        Raises:
            Exception: what ended a tenant's lane; the history then ends there.
        """
        await self.start()
        while self.acknowledged < acknowledged:
            tenant, step = next(self._script)
            await self._put(self._lane(tenant), step)

    async def finish(self) -> None:
        """Every tenant is at its end: each cycle is closed and invoiced, each subscription canceled, all usage sent.

        Raises:
            TimeoutError: something is not invoiced within five minutes.
        """
        await asyncio.gather(*map(self._halt, self._lanes.values()))
        await asyncio.gather(*[self._end(lane.tenant) for lane in self._lanes.values() if lane.begun])
        self._log.end()
        await self.close()

    async def close(self) -> None:
        """Nothing runs and nothing is open any more; the history stands in its file."""
        for lane in self._lanes.values():
            if lane.task is not None:
                lane.task.cancel()
                await asyncio.wait({lane.task})
        if self._started:
            self._started = False
            await self._sender.stop()
            await self._stack.aclose()
            self._log.close()

    # Lanes -----------------------------------------------------------------------------------------------------------

    def _lane(self, tenant: Tenant) -> Lane:
        lane = self._lanes.get(tenant.code)
        if lane is None:
            lane = self._lanes[tenant.code] = Lane(tenant)
            lane.task = asyncio.create_task(self._travel(lane))
            lane.task.add_done_callback(self._ended)
        return lane

    async def _put(self, lane: Lane, step: Step) -> None:
        """Waits until there is room; fails as soon as any lane has."""
        await self._room.acquire()
        if self._failure is not None:
            raise self._failure
        lane.steps.put_nowait(step)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = failure
            self._room.release()

    async def _travel(self, lane: Lane) -> None:
        while not lane.halting:
            step = await lane.steps.get()
            if step is None:
                return
            self._room.release()
            await self._take(step)
            lane.begun = True

    async def _halt(self, lane: Lane) -> None:
        """The lane takes no further step; one that was begun is finished."""
        assert lane.task is not None
        lane.halting = True
        lane.steps.put_nowait(None)
        await lane.task

    async def _end(self, tenant: Tenant) -> None:
        async with self._ends:
            await self._bring_to_its_end(tenant)

    async def _bring_to_its_end(self, tenant: Tenant) -> None:
        await self._sender.crowd(tenant.code).none.wait()
        closing, *canceling = tenant.ending()
        await self._take(closing)
        for step in canceling:
            await self._take(step)
        await self._settled(tenant.code, tenant.end)
        for step in tenant.stragglers():
            await self._take(step)
        await self._sender.crowd(tenant.code).none.wait()

    # Steps -----------------------------------------------------------------------------------------------------------

    async def _take(self, step: Step) -> None:
        if isinstance(step, Send):
            await self._pace.turn()
            await self._sender.send(step)
            return
        if not isinstance(step, Void):  # else nobody could say on which side of it the usage on its way belongs
            await self._sender.crowd(step.tenant).none.wait()
        twins = [self._ask(step, twin=twin) for twin in (False, True)[: 1 + _is_twice(step)]]
        await asyncio.shield(asyncio.gather(*twins))
        if isinstance(step, Apply | Command) and step.settle:
            await self._settled(step.tenant, step.at)

    async def _ask(self, step: Step, *, twin: bool) -> None:
        """The step has taken effect, or was refused."""
        asked, first = _told(step, twin=twin), 0
        while True:
            attempt = self._log.invoke(asked=asked, first=first)
            first = first or attempt
            try:
                await self._door.do(step)
            except Refused as refusal:
                self._log.outcome(attempt, "fail", str(refusal))
                return
            except UNKNOWN as error:
                self._log.outcome(attempt, "info", f"{type(error).__name__}: {error!s:.200}")
                await asyncio.sleep(_AGAIN_AFTER_S)
            else:
                self._log.outcome(attempt, "ok")
                return

    async def _settled(self, tenant: str, at: datetime) -> None:
        async with _patience(f"tenant {tenant} to be invoiced up to {at}", _SETTLE_WITHIN_S):
            while not await self._door.settled(tenant, at):  # noqa: ASYNC110 - PostgreSQL tells no event
                await asyncio.sleep(_LOOK_EACH_S)


@asynccontextmanager
async def _patience(what: str, within_s: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(within_s):
            yield
    except TimeoutError:
        raise TimeoutError(f"waited {within_s:g} s for {what}; are all roles running?") from None


def _is_twice(step: Step) -> bool:
    return not isinstance(step, Send) and step.twice


def _told(step: Step, *, twin: bool) -> Asked:
    """The step as the history has it."""
    match step:
        case Apply(tenant=tenant, at=at, document=document):
            return Asked("apply", tenant, instant_text(at), document=dict(document), twin=twin)
        case Clock(tenant=tenant, at=at):
            return Asked("clock", tenant, instant_text(at), twin=twin)
        case Command(tenant=tenant, at=at, name=name, subscription=code):
            return Asked(name, tenant, instant_text(at), subscription=code, twin=twin)
        case Void(tenant=tenant, at=at, customer=customer, id=usage, source=source):
            return Asked("void", tenant, instant_text(at), customer=customer, id=usage, source=source, twin=twin)
        case Grant(tenant=tenant, at=at, customer=customer, id=grant, amount=amount):
            return Asked("grant", tenant, instant_text(at), customer=customer, id=grant, amount=amount, twin=twin)
        case Send():
            raise AssertionError(step)
        case _:
            assert_never(step)
