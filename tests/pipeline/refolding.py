"""A replay with what a test plants: a reader of a topic that loses, alters or repeats records."""

import tempfile
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

from connectors.postgres.issued import IssuedBooks
from streams.agents.journal import JournalReader
from streams.app import codec_of, service_pool
from streams.cli.replay import scope_of
from streams.refold.difference import Difference
from streams.refold.plan import rating_plan
from streams.refold.replay import Found, Replay, Wire
from streams.refold.scope import Positions
from tests.support.pipeline import Pipeline

Planted = Callable[[Any], Iterable[Any]]
"""What a reader yields in place of a record."""


class PlantedReader(JournalReader):
    """Reads a topic otherwise than it is."""

    def __init__(self, bootstrap_servers: str, topic: str, planted: Planted) -> None:
        super().__init__(bootstrap_servers, topic)
        self._planted = planted

    async def records(self, partition: int, start: int, end: int) -> AsyncGenerator[Any, None]:
        """As planted."""
        async for record in super().records(partition, start, end):
            for instead in self._planted(record):
                yield instead


async def replayed(
    pipeline: Pipeline, tenant: str, planted: dict[str, Planted] | None = None
) -> tuple[list[Difference], Found]:
    """Replays a tenant, with planted readers by topic without its prefix."""
    settings = pipeline.settings
    servers, wrong = settings.kafka_bootstrap_servers, planted or {}

    def reader(topic: str) -> JournalReader:
        return PlantedReader(servers, topic, wrong.get(topic.removeprefix(pipeline.prefix), lambda record: [record]))

    async with AsyncExitStack() as stack:
        books = IssuedBooks(await stack.enter_async_context(service_pool(settings, "replay", 2)))
        codec, scope = codec_of(settings), scope_of(settings, tenant, None)
        window = timedelta(days=settings.usage_window_days)
        plan = await stack.enter_async_context(rating_plan(codec, servers, pipeline.prefix, scope, usage_window=window))
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        wire = Wire(codec, pipeline.prefix, Positions(servers), reader)
        replay = Replay(plan, wire, scope, directory, lambda _what, _done, _whole: None)
        stack.push_async_callback(replay.close)
        found = await replay.refold()
        found += [difference async for difference in replay.compare(books)]
        return found, replay.found
