"""How long a fold holds the event loop, which its keeper's turns are sized by."""

import asyncio

import pytest

from streams.batching import flush
from streams.batching.flush import _longest_hold


class Clock:
    """The thread's clock, which only a hold moves."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        """What `thread_time` answers."""
        return self.now_s

    def hold(self, seconds: float) -> None:
        """So long the thread works."""
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """In the place of `thread_time`."""
    clock = Clock()
    monkeypatch.setattr(flush, "thread_time", clock)
    return clock


async def test_what_others_do_while_a_fold_waits_is_not_its_own(clock: Clock) -> None:
    waits, others_are_done = asyncio.Event(), asyncio.Event()

    async def fold() -> None:
        clock.hold(1)
        waits.set()
        await others_are_done.wait()
        clock.hold(2)

    async def others() -> None:
        await waits.wait()
        clock.hold(8)
        others_are_done.set()

    held_s, _ = await asyncio.gather(_longest_hold(fold()), others())
    assert held_s == 2


@pytest.mark.parametrize("holds_s", [(4, 1, 1), (1, 4, 1), (1, 1, 4)])
async def test_the_longest_of_a_folds_holds_counts(clock: Clock, holds_s: tuple[int, ...]) -> None:
    async def fold() -> None:
        first_s, *rest_s = holds_s
        clock.hold(first_s)
        for seconds in rest_s:
            await asyncio.sleep(0)
            clock.hold(seconds)

    assert await _longest_hold(fold()) == 4


async def test_what_is_thrown_into_a_wait_reaches_the_fold() -> None:
    seen: list[str] = []

    async def fold() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    task = asyncio.ensure_future(_longest_hold(fold()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]
