"""The topics that a worker needs: found, or named in an error before anything is folded."""

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code

from streams.batching.settings import BatchSettings
from streams.batching.tables import FoldTable

_MISSING_AFTER_S = 2.0
_CREATED_WITHIN_S = 15.0
_POLL_S = 0.05


class TopicError(Exception):
    """A topic is missing or has other partitions than its state; the text says which and what to do."""


async def prepare(settings: BatchSettings, source: str, published: Sequence[str], tables: Sequence[FoldTable]) -> int:
    """The source and what is published to exist, and each changelog has the source's partitions. Returns their number.

    Changelogs are created where they are missing. A state belongs to a partition number, so neither the source nor a
    changelog may ever be repartitioned.

    Raises:
        TopicError: If a topic is missing or its partitions differ.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap_servers.split(","))
    await admin.start()
    try:
        for topic in published:
            await _require(admin, topic)
        partitions = await _require(admin, source)
        for table in tables:
            found = await _count(admin, table.changelog) or await _create(admin, settings, table, partitions)
            if found != partitions:
                raise TopicError(
                    f"{table.changelog} has {found} partitions and its source {source} has {partitions}: they must"
                    " agree, and a source is never repartitioned once it has state"
                )
    finally:
        await admin.close()
    return partitions


async def _require(admin: Any, topic: str) -> int:
    if not (found := await _appeared(admin, topic, _MISSING_AFTER_S)):
        raise TopicError(f"topic {topic} does not exist: create it first, with the partition count it shall keep")
    return found


async def _count(admin: Any, topic: str) -> int:
    """The topic's partitions; 0 if it does not exist."""
    (described,) = await admin.describe_topics([topic])
    if described["error_code"] == UnknownTopicOrPartitionError.errno:
        return 0
    if described["error_code"]:
        raise for_code(described["error_code"])(topic)
    return len(described["partitions"])


async def _create(admin: Any, settings: BatchSettings, table: FoldTable, partitions: int) -> int:
    config = {**table.changelog_config, "max.message.bytes": str(settings.record_max_bytes)}
    topic = NewTopic(table.changelog, partitions, settings.replication_factor, topic_configs=config)
    response = await admin.create_topics([topic])
    code, *_, message = response.topic_errors[0][1:]
    if code not in {0, TopicAlreadyExistsError.errno}:  # another worker may have been quicker
        raise for_code(code)(f"{table.changelog}: {message}")
    if not (found := await _appeared(admin, table.changelog, _CREATED_WITHIN_S)):
        raise TopicError(f"{table.changelog} was created, but Kafka doesn't show it after {_CREATED_WITHIN_S} s")
    return found


async def _appeared(admin: Any, topic: str, within_s: float) -> int:
    """The topic's partitions, 0 if it did not appear in time; a broker hears of a new topic a little later."""
    deadline = monotonic() + within_s
    while not (found := await _count(admin, topic)) and monotonic() < deadline:  # noqa: ASYNC110 - Kafka tells nobody
        await asyncio.sleep(_POLL_S)
    return found
