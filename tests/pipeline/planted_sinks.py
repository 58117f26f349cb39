"""The sinks with a planted bug: a batch counts as written before it is, and whoever dies in between has lost it."""

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, TypeVar

sys.path.insert(0, str(Path(__file__).parents[2]))

import streams.agents.apps
from streams.agents.sinks import SinkFold
from streams.batching.batch import Record
from streams.cli import main

T = TypeVar("T")


class ConfirmsBeforeItWrites(SinkFold[T]):
    """Writes only once the file that the test names is there; the position is flushed at once."""

    _writing: ClassVar[set[asyncio.Task[None]]] = set()

    async def fold(self, records: Sequence[Record]) -> None:
        """The batch is on its way to the sink."""
        task = asyncio.create_task(self._write_later(records))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write_later(self, records: Sequence[Record]) -> None:
        while not Path(os.environ["PLANTED_WRITES_ONCE"]).exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(0.05)
        await super().fold(records)


if __name__ == "__main__":
    vars(streams.agents.apps)["SinkFold"] = ConfirmsBeforeItWrites
    main()
