"""Whose part of the log is read again, and how far."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError

from schemas.partition import murmur2, partition_of

_LOADED_WITHIN_S: Final = 10.0
_ASK_AGAIN_S: Final = 0.1


class JournalCut(Exception):
    """The beginning of the journal is gone, so nothing that depends on it can be told; the text says which and why."""


class NotRated(Exception):
    """Rating has committed nothing of a partition that has entries; the text says what to look at."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A tenant, or one customer of it, and where it lives."""

    tenant: str
    customer: str | None
    partitions: int
    tenant_slice: int

    @property
    def homes(self) -> list[int]:
        """The partitions in which its accounts may stand."""
        if self.customer is not None:
            return [self.home(self.customer)]
        first, size = murmur2(self.tenant.encode()), min(self.tenant_slice, self.partitions)
        return sorted((first + place) % self.partitions for place in range(size))

    @property
    def slice(self) -> list[int]:
        """The partitions in which any record of the tenant may stand, whatever its key names."""
        return Scope(self.tenant, None, self.partitions, self.tenant_slice).homes

    def home(self, customer: str) -> int:
        """The partition of an account."""
        return partition_of(self.tenant, customer, partitions=self.partitions, slice_size=self.tenant_slice)

    def has(self, key: bytes | None) -> bool:
        """Whether a record of the journal, or of its statements, is of this scope."""
        if key is None:
            return False
        if self.customer is not None:
            return key == f"{self.tenant}/{self.customer}".encode()
        return key.startswith(f"{self.tenant}/".encode())


@dataclass(frozen=True, slots=True)
class Stretch:
    """The positions [start, end) of a partition: `start` is the first that the broker still has."""

    partition: int
    start: int
    end: int

    def until(self, end: int) -> "Stretch":
        """The part of it before a position."""
        return Stretch(self.partition, self.start, min(self.end, end))


class Positions:
    """How far topics reach, and how far groups have come on them. Each answer asks the broker."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._servers = bootstrap_servers

    async def stretches(self, topic: str, partitions: Iterable[int]) -> dict[int, Stretch]:
        """What the partitions of a topic hold now.

        Raises:
            KafkaConnectionError: no broker answers.
        """
        consumer = AIOKafkaConsumer(bootstrap_servers=self._servers, isolation_level="read_committed")
        await consumer.start()
        try:
            wanted = [TopicPartition(topic, partition) for partition in partitions]
            starts = await consumer.beginning_offsets(wanted)
            ends = await consumer.end_offsets(wanted)
        finally:
            await consumer.stop()
        return {one.partition: Stretch(one.partition, starts[one], ends[one]) for one in wanted}

    async def committed(self, topic: str, group: str, partitions: Iterable[int]) -> Mapping[int, int]:
        """Up to which position a group has done its work on these partitions; absent where it has done none.

        A broker that has just become the coordinator of a group loads it first; so it is asked for some seconds.

        Raises:
            KafkaConnectionError: no broker answers, or none can tell yet.
        """
        admin = AIOKafkaAdminClient(bootstrap_servers=self._servers)
        await admin.start()
        try:
            found = await _asked(admin, group, [TopicPartition(topic, partition) for partition in partitions])
        finally:
            await admin.close()
        return {at.partition: one.offset for at, one in found.items() if one.offset >= 0}


async def _asked(admin: Any, group: str, wanted: Sequence[TopicPartition]) -> Mapping[TopicPartition, Any]:
    """What a group has committed of each partition that is asked for, or a negative offset."""
    patient_until = monotonic() + _LOADED_WITHIN_S
    reason = "its coordinator tells nothing yet"
    while True:
        try:
            # The client keeps to itself that a coordinator still loads: the answer has no partition then. A true one
            # has every partition that was asked for.
            found: Mapping[TopicPartition, Any] = await admin.list_consumer_group_offsets(group, partitions=wanted)
        except KafkaError as error:
            if not error.retriable:
                raise
            found, reason = {}, str(error)
        if len(found) == len(wanted):
            return found
        if monotonic() > patient_until:
            raise KafkaConnectionError(f"group {group}: {reason}; try again")
        await asyncio.sleep(_ASK_AGAIN_S)


def require_rated(topic: str, group: str, held: Iterable[Stretch], rated: Mapping[int, int]) -> None:
    """Refuses to judge a partition by a group that has done nothing of it: all would be passed without a look.

    Raises:
        NotRated: the text names group, topic and partitions.
    """
    unrated = [str(one.partition) for one in held if one.end > one.start and one.partition not in rated]
    if unrated:
        raise NotRated(
            f"group {group} has committed nothing on {topic}, partition {', '.join(unrated)}, which has entries: does"
            " rating run, are its offsets gone, and is BEAAS_TOPIC_PREFIX its prefix? Nothing can be compared before it"
            " has"
        )


def require_whole(topic: str, stretches: Iterable[Stretch]) -> None:
    """Refuses a journal whose beginning is gone: what is folded without it would be a guess.

    Raises:
        JournalCut: the text names partition and position.
    """
    cut = [one for one in stretches if one.start > 0]
    if cut:
        where = ", ".join(f"partition {one.partition} begins at {one.start}" for one in cut)
        raise JournalCut(
            f"{topic} has lost its beginning ({where}): a bill is a fold of the whole journal, so there is nothing to"
            " refold from; restore the topic from a backup, and keep it without retention"
        )
