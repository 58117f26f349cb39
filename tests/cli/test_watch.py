"""One question at a time serves all who wait."""

import asyncio
from collections.abc import Sequence

import pytest

from streams.cli.stories.watch import Watch


class Oracle:
    """Knows an answer once it was asked so many times."""

    def __init__(self, **asked_before: int) -> None:
        self.left = asked_before
        self.questions: list[list[str]] = []

    async def ask(self, keys: Sequence[str]) -> dict[str, str]:
        """Answers those whose time has come."""
        self.questions.append(sorted(keys))
        for key in keys:
            self.left[key] -= 1
        return {key: key.upper() for key in keys if self.left[key] < 0}


async def test_all_that_wait_are_asked_for_together_until_each_has_its_answer() -> None:
    oracle = Oracle(a=0, b=1, c=2)
    watch = Watch(oracle.ask, 0)
    assert await asyncio.gather(*map(watch.answer, "abc")) == ["A", "B", "C"]
    assert oracle.questions == [["a", "b", "c"], ["b", "c"], ["c"]]
    oracle.left["a"] = 0
    assert await watch.answer("a") == "A"
    assert oracle.questions[3:] == [["a"]]


async def test_who_gives_up_is_asked_for_no_more_and_the_others_are() -> None:
    oracle = Oracle(a=10**9, b=20)
    watch = Watch(oracle.ask, 0.001)
    patient = asyncio.create_task(watch.answer("b"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(watch.answer("a"), 0.002)
    assert await patient == "B"
    assert oracle.questions[0] == ["a", "b"]
    assert oracle.questions[-1] == ["b"]


async def test_an_error_reaches_everyone_who_waits_and_the_next_question_is_a_new_one() -> None:
    async def fail(_: Sequence[str]) -> dict[str, str]:
        raise ConnectionError

    watch = Watch(fail, 0)
    assert [type(error) for error in await asyncio.gather(*map(watch.answer, "ab"), return_exceptions=True)] == [
        ConnectionError,
        ConnectionError,
    ]
    with pytest.raises(ConnectionError):
        await watch.answer("a")
