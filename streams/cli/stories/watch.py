"""Many that wait, one that looks: a single question for all of them, asked again while anyone waits."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Generic, TypeVar

_Key = TypeVar("_Key", bound=Hashable)
_Answer = TypeVar("_Answer")


class Watch(Generic[_Key, _Answer]):
    """Answers each key once there is an answer, whoever waits for it.

    Args:
        ask: tells the answers that there are by now, of the keys given.
        each_s: how long to rest between two questions.
    """

    def __init__(self, ask: Callable[[Sequence[_Key]], Awaitable[Mapping[_Key, _Answer]]], each_s: float) -> None:
        self._ask = ask
        self._each_s = each_s
        self._waiting: dict[_Key, asyncio.Future[_Answer]] = {}
        self._looking: asyncio.Task[None] | None = None

    async def answer(self, key: _Key) -> _Answer:
        """Returns the key's answer as soon as there is one; nobody else may wait for the same key.

        Raises:
            Exception: what `ask` raised, to everyone who waited then.
        """
        assert key not in self._waiting
        future = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            answer: _Answer = await future
        finally:
            self._waiting.pop(key, None)
        return answer

    async def _look(self) -> None:
        while self._waiting:
            asked = dict(self._waiting)
            try:
                answers = await self._ask(list(asked))
            except Exception as error:  # noqa: BLE001 - it belongs to those who wait
                for future in _still(self._waiting.values()):
                    future.set_exception(error)
                return
            for key, value in answers.items():
                for future in _still([asked[key]]):
                    future.set_result(value)
            await asyncio.sleep(self._each_s)


def _still(futures: Iterable[asyncio.Future[_Answer]]) -> list[asyncio.Future[_Answer]]:
    """Returns those that are still waited for."""
    return [future for future in futures if not future.done()]
