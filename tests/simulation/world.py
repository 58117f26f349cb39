"""The world: a clock, processes, and every operation that leaves a process, in an order that a seed decides.

An operation is asked for by a process and happens later, when the world picks it. There the process may die: before
the operation has its effect, or after it and before the answer (what a client calls commit-unknown). Or the process may
be stalled, so that others take over and it wakes up as a zombie.
"""

import asyncio
import zlib
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from random import Random
from typing import Any, Protocol

from tests.simulation.loop import Clock, Killed, ProcessLoop

STEP_S = 0.001
"""How long an operation takes at least: timers go off while others work."""
EPOCH_S = 1_700_000_000.0
"""What the wall clock shows when the world begins."""


class Fate(Enum):
    """What becomes of the process that an operation belongs to."""

    LIVES = "lives"
    DIES_BEFORE = "dies before"
    DIES_AFTER = "dies after"
    STALLS = "stalls"


class Stuck(AssertionError):
    """The world makes no progress, though nothing fails any more."""


@dataclass(slots=True, eq=False)
class Process:
    """A process of the system: what runs in it, and how it stands.

    Attributes:
        main: makes what it runs, at each start.
        immortal: whether faults pass it by.
        on_death: told after each death.
        on_stall: told when it begins to sleep.
        stop: asks it to end gracefully, where it can.
    """

    name: str
    main: Callable[[], Coroutine[Any, Any, None]]
    immortal: bool = False
    on_death: Callable[[], None] | None = None
    on_stall: Callable[[], None] | None = None
    stop: Callable[[], None] | None = None
    loop: ProcessLoop | None = None
    awake: bool = True
    starts: int = 0
    silences: int = 0
    """How often it died or was stalled."""

    @property
    def alive(self) -> bool:
        """Whether it runs (a stalled one does)."""
        return self.loop is not None

    @property
    def is_silent(self) -> bool:
        """Whether nobody hears of it."""
        return self.loop is None or not self.awake


@dataclass(slots=True, eq=False)
class Operation:
    """Something that a process has asked for."""

    process: Process
    label: str
    effect: Callable[[], Any]
    answer: asyncio.Future[Any]
    when: Callable[[], bool] | None
    deadline_s: float | None
    lane: object | None
    """Operations of one lane happen in their order, like requests on one connection."""
    frozen: bool = False
    """It still stands in the memory of a stalled process."""


class Fates(Protocol):
    """Who decides what fails."""

    def of(self, operation: Operation) -> Fate:
        """What becomes of the process at this operation."""

    def arrives(self, operation: Operation) -> bool:
        """Whether an operation that was on its way when its process died still has its effect."""

    def restart_s(self, process: Process) -> float:
        """How long a dead process stays away."""

    def stall_s(self, process: Process) -> float:
        """How long a stalled one sleeps."""


@dataclass(slots=True)
class World:
    """Everything that the processes share.

    Attributes:
        shuffled: whether what happens next is drawn; otherwise first come, first served.
        trace: a checksum of all that has happened.
        happened: how often what kind of trouble came.
    """

    random: Random
    fates: Fates
    shuffled: bool = True
    clock: Clock = field(default_factory=Clock)
    processes: dict[str, Process] = field(default_factory=dict)
    current: Process | None = None
    steps: int = 0
    trace: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=80))
    _pending: list[Operation] = field(default_factory=list)
    _timers: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _count: int = 0
    _cpu_s: float = 0.0

    # What processes ask ---------------------------------------------------------------------------------------------

    async def op(
        self,
        label: str,
        effect: Callable[[], Any],
        *,
        when: Callable[[], bool] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """The effect has happened; returns what it returned.

        Args:
            label: names the kind of step in traces.
            effect: runs at one moment, all of it.
            when: it happens only while this holds ...
            timeout_s: ... or after so long.
        """
        return await self.submit(label, effect, when=when, timeout_s=timeout_s)

    def submit(
        self,
        label: str,
        effect: Callable[[], Any],
        *,
        when: Callable[[], bool] | None = None,
        timeout_s: float | None = None,
        lane: object | None = None,
    ) -> asyncio.Future[Any]:
        """Asks for an operation; returns its answer to come."""
        process = self.current
        if process is None or process.loop is None:
            raise Killed  # a `finally` block of a process that is dead
        deadline_s = None if timeout_s is None else self.clock.now_s + timeout_s
        answer = process.loop.create_future()
        self._pending.append(Operation(process, label, effect, answer, when, deadline_s, lane))
        return answer

    def die(self, doing: str, reason: BaseException) -> None:
        """In the place of the product's `die`: the process ends at once."""
        process = self.current
        if process is not None and process.loop is not None:
            process.loop.doomed = True
            self.happened[f"ended by {type(reason).__name__}"] += 1
            self.note(f"{process.name} gives up: {doing}: {reason!r}")
        raise Killed

    def wall_s(self) -> float:
        """What the wall clock shows."""
        return EPOCH_S + self.clock.now_s

    def monotonic_s(self) -> float:
        """What a monotonic clock shows."""
        return self.clock.now_s

    def cpu_s(self) -> float:
        """CPU seconds used: a millisecond between two looks."""
        self._cpu_s += 0.001
        return self._cpu_s

    # Processes ------------------------------------------------------------------------------------------------------

    def add(self, process: Process) -> None:
        """The process runs."""
        self.processes[process.name] = process
        self.start(process)

    def start(self, process: Process) -> None:
        """A new incarnation runs."""
        assert process.loop is None
        process.loop, process.awake = ProcessLoop(self.clock), True
        process.starts += 1
        self.note(f"{process.name} starts")
        self.inside(process, lambda loop: loop.create_task(process.main()))

    def inside(self, process: Process, act: Callable[[ProcessLoop], object]) -> None:
        """Does something inside a process, then lets it run until it waits."""
        if process.loop is not None:
            before, self.current = self.current, process
            try:
                act(process.loop)
            finally:
                self.current = before
            self._run(process)

    def kill(self, process: Process, *, restart: bool = True) -> None:
        """The process is gone, with all that it remembers; what was on its way may still arrive."""
        if process.loop is None:
            return
        self.happened["death"] += 1
        self.note(f"{process.name} dies")
        loop, process.loop, process.awake = process.loop, None, True
        process.silences += 1
        mine = [operation for operation in self._pending if operation.process is process]
        self._pending = [operation for operation in self._pending if operation.process is not process]
        self._arrive(mine)
        before, self.current = self.current, process
        loop.cut_off()
        self.current = before
        if process.on_death is not None:
            process.on_death()
        if restart:
            self.after(self.fates.restart_s(process), lambda: self._restart(process))

    def stall(self, process: Process, operation: Operation | None = None) -> None:
        """The process sleeps; `operation`, and all else that it has asked for, has not left it yet."""
        self.happened["stall"] += 1
        self.note(f"{process.name} stalls")
        process.awake = False
        process.silences += 1
        if process.on_stall is not None:
            process.on_stall()
        if operation is not None:
            for waiting in self._pending:
                waiting.frozen = waiting.frozen or waiting.process is process
        start = process.starts
        self.after(self.fates.stall_s(process), lambda: self._wake(process, start))

    def after(self, delay_s: float, act: Callable[[], None]) -> None:
        """`act` is called so much later."""
        self._count += 1
        heappush(self._timers, (self.clock.now_s + delay_s, self._count, act))

    def note(self, text: str) -> None:
        """Remembers what happened: in the trace, and as text for whoever reads a failure."""
        self.trace = zlib.crc32(text.encode(), self.trace)
        self.recent.append(f"{self.clock.now_s:9.3f} {text}")

    # Going on -------------------------------------------------------------------------------------------------------

    def run(self, done: Callable[[], bool], *, most_steps: int) -> None:
        """Goes on until it is done.

        Raises:
            Stuck: so many steps were not enough, or nothing can happen any more.
        """
        last = self.steps + most_steps
        while not done():
            if self.steps >= last:
                raise Stuck(f"not done after {most_steps} steps, at {self.clock.now_s:.1f} s\n{self.story()}")
            self.step()

    def step(self) -> None:
        """One operation happens, or, where none can, time passes."""
        ready = self._ready()
        if not ready:
            self._pass_time()
            return
        self.steps += 1
        self.clock.now_s += STEP_S
        operation = ready[self.random.randrange(len(ready))] if self.shuffled and len(ready) > 1 else ready[0]
        fate = Fate.LIVES if operation.process.immortal else self.fates.of(operation)
        self.note(f"{operation.process.name} {operation.label} {fate.value}")
        self._happen(operation, fate)
        self._run_due()

    def story(self) -> str:
        """What happened lately, and what everybody waits for."""
        waiting = [f"  {one.process.name} {one.label}{' (frozen)' if one.frozen else ''}" for one in self._pending]
        return "\n".join([*self.recent, "waiting:", *waiting])

    def _ready(self) -> list[Operation]:
        ready, lanes, now_s = [], set(), self.clock.now_s
        for operation in self._pending:
            if operation.lane is not None:
                if operation.lane in lanes:
                    continue
                lanes.add(operation.lane)
            if operation.frozen:
                continue
            is_late = operation.deadline_s is not None and now_s >= operation.deadline_s
            if operation.when is None or is_late or operation.when():
                ready.append(operation)
        return ready

    def _happen(self, operation: Operation, fate: Fate) -> None:
        process = operation.process
        if fate is Fate.STALLS:
            self.stall(process, operation)
            return
        self._pending.remove(operation)
        if fate is Fate.DIES_AFTER:
            _try(operation.effect)
        if fate is not Fate.LIVES:
            self.kill(process)
            return
        try:
            result = operation.effect()
        except Exception as error:  # noqa: BLE001 - what a server answers is the client's business
            if not operation.answer.done():
                operation.answer.set_exception(error)
        else:
            if not operation.answer.done():
                operation.answer.set_result(result)
        self._run(process)

    def _run(self, process: Process) -> None:
        if not process.awake or process.loop is None:
            return
        before, self.current = self.current, process
        process.loop.run()
        self.current = before
        if process.loop.doomed:
            self.kill(process)

    def _arrive(self, on_their_way: list[Operation]) -> None:
        """Of each lane a beginning."""
        lost: set[object] = set()
        for operation in on_their_way:
            if operation.frozen or (operation.when is not None and not operation.when()):
                continue
            if operation.lane in lost or not self.fates.arrives(operation):
                if operation.lane is not None:
                    lost.add(operation.lane)
                continue
            self.happened["request that outlives its process"] += 1
            self.note(f"{operation.process.name} {operation.label} arrives all the same")
            _try(operation.effect)

    def _restart(self, process: Process) -> None:
        if process.loop is None:
            self.start(process)

    def _wake(self, process: Process, start: int) -> None:
        if process.awake or process.starts != start:
            return
        self.note(f"{process.name} wakes up")
        process.awake = True
        for operation in self._pending:
            if operation.process is process:
                operation.frozen = False
        self._run(process)

    def _pass_time(self) -> None:
        moments = [timer[0] for timer in self._timers[:1]]
        moments += [one.deadline_s for one in self._pending if one.deadline_s is not None and not one.frozen]
        moments += [due for one in self.processes.values() if one.loop and one.awake and (due := one.loop.due_s)]
        if not moments:
            raise Stuck(f"nobody waits for anything that could come\n{self.story()}")
        self.clock.now_s = max(self.clock.now_s, min(moments))
        self._run_due()

    def _run_due(self) -> None:
        now_s = self.clock.now_s
        while self._timers and self._timers[0][0] <= now_s:
            heappop(self._timers)[2]()
        for process in self.processes.values():
            loop = process.loop
            if loop is not None and process.awake and (due := loop.due_s) is not None and due <= now_s:
                self._run(process)


def _try(effect: Callable[[], Any]) -> None:
    with suppress(Exception):  # nobody is there to hear of it
        effect()
