"""The close barrier: how far the usage topic reached, and how far intake has come on it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Final, Protocol

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]  # missing in its __all__

from connectors.kafka.groups import committed_offsets

_TIMEOUT_S: Final = 10.0


class UsageBarrier(Protocol):
    """What the scheduler asks of Kafka; offsets by partition of the usage topic."""

    async def end_offsets(self) -> dict[int, int]:
        """Returns where each partition ends now: everything acknowledged before this call stands before it.

        The end of the log and not of its stable part: usage in a transaction that is still open counts as sent.
        """

    async def committed(self) -> dict[int, int]:
        """Returns the position up to which intake has put each partition into the journal; absent where it has none."""


class KafkaBarrier:
    """The barrier on a Kafka cluster."""

    def __init__(self, bootstrap_servers: str, *, topic: str, group: str) -> None:
        """Asks the cluster about the usage `topic` (its full name) and intake's consumer `group`."""
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "client.id": "beaas-scheduler"})
        self._topic = topic
        self._group = group

    async def end_offsets(self) -> dict[int, int]:
        """As the port says.

        Raises:
            KafkaException: the cluster does not answer, or there is no such topic.
        """
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call]  # a static method without annotations
        answers = self._admin.list_offsets(
            {TopicPartition(self._topic, partition): latest for partition in await self._partitions()},
            isolation_level=IsolationLevel.READ_UNCOMMITTED,
            request_timeout=_TIMEOUT_S,
        )
        return {at.partition: (await asyncio.wrap_future(answer)).offset for at, answer in answers.items()}

    async def committed(self) -> dict[int, int]:
        """As the port says.

        Raises:
            KafkaException: the cluster does not answer.
        """
        places = [(self._topic, partition) for partition in await self._partitions()]
        found = await asyncio.to_thread(committed_offsets, self._admin, self._group, places)
        return {partition: offset for (_, partition), offset in found.items()}

    async def _partitions(self) -> list[int]:
        """Asked each time: a barrier that overlooked an added partition would let usage be late."""
        listed = await asyncio.to_thread(self._admin.list_topics, self._topic, _TIMEOUT_S)
        topic = listed.topics[self._topic]
        if topic.error is not None:
            raise KafkaException(topic.error)
        return list(topic.partitions)


def note(ends: Mapping[int, int]) -> str:
    """Returns the offsets as they are noted beside a command."""
    return json.dumps({str(partition): offset for partition, offset in sorted(ends.items())})


def passed(noted: str, committed: Mapping[int, int]) -> bool:
    """Tells whether intake has passed every offset noted; of an empty partition there is nothing to pass."""
    ends: dict[str, int] = json.loads(noted)
    return all(committed.get(int(partition), 0) >= end for partition, end in ends.items())
