"""One event loop for each simulated process: no sockets, no real time, and it can be cut off in the middle of an await.

asyncio code of the product runs on it unchanged. What is ready is run in its order. Everything that would leave the
process is an operation of the world (`world.py`), which decides when it happens and whether its answer is seen.
"""

import asyncio
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from typing import Any, TypeVar

T = TypeVar("T")


class Killed(BaseException):
    """The process ends here, like by SIGKILL: nothing that follows may have an effect."""


class Clock:
    """The world's time in seconds; it moves only when the world moves it."""

    def __init__(self) -> None:
        self.now_s = 0.0


class ProcessLoop:
    """Runs the tasks of one incarnation of one process; it has what asyncio's tasks, futures and time-outs ask for.

    Attributes:
        doomed: set from inside: what is still ready is not run any more.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._as_loop: Any = self  # asyncio's types want all of an event loop
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._count = 0
        self._tasks: dict[asyncio.Task[Any], None] = {}  # a set's order hangs on addresses
        self.doomed = False

    # What asyncio asks of a loop ------------------------------------------------------------------------------------

    def time(self) -> float:
        """See `asyncio.AbstractEventLoop`."""
        return self._clock.now_s

    def get_debug(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return False

    def is_running(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return True

    def is_closed(self) -> bool:
        """See `asyncio.AbstractEventLoop`."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Nothing: asyncio tells here of tasks that were cut off, and of answers that nobody waits for any more."""

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """See `asyncio.AbstractEventLoop`."""
        handle = asyncio.Handle(callback, args, self._as_loop, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """See `asyncio.AbstractEventLoop`."""
        handle = asyncio.TimerHandle(when, callback, args, self._as_loop, context)
        self._count += 1
        heappush(self._timers, (when, self._count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: it is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        """See `asyncio.AbstractEventLoop`."""
        return asyncio.Future(loop=self._as_loop)

    def create_task(
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        """See `asyncio.AbstractEventLoop`."""
        task = asyncio.Task(coro, loop=self._as_loop, name=name, context=context)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    # What the world asks of it --------------------------------------------------------------------------------------

    @property
    def due_s(self) -> float | None:
        """When the next timer goes off."""
        while self._timers and self._timers[0][2].cancelled():
            heappop(self._timers)
        return self._timers[0][0] if self._timers else None

    def run(self) -> None:
        """Runs all that is ready or due by now, and what becomes ready by that."""
        ready, timers, now_s = self._ready, self._timers, self._clock.now_s
        while timers and timers[0][0] <= now_s:
            ready.append(heappop(timers)[2])
        events._set_running_loop(self._as_loop)
        try:
            while ready and not self.doomed:
                handle = ready.popleft()
                if not handle.cancelled():
                    handle._run()
        finally:
            events._set_running_loop(None)

    def cut_off(self) -> None:
        """No task runs any more; whatever their `finally` blocks still ask of the world is refused by it."""
        self._ready.clear()
        self._timers.clear()
        events._set_running_loop(self._as_loop)
        try:
            for task in list(self._tasks):
                _end(task.get_coro())
        finally:
            events._set_running_loop(None)
            self._tasks.clear()


def _end(coroutine: Any) -> None:
    """Throws `Killed` into a coroutine as often as it takes: `finally` blocks may wait for something again."""
    for _ in range(20):
        if coroutine.cr_frame is None or coroutine.cr_running:
            return
        try:
            coroutine.throw(Killed())
        except BaseException:  # noqa: BLE001 - it is dead, whatever it died of
            return
    raise AssertionError(f"{coroutine} does not end")
