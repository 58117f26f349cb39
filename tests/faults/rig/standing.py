"""How far everything has come: Kafka's groups, the outbox, the commands, what is due."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import KafkaError

from tests.faults.rig.environment import Environment

SOURCES: Final = {
    "intake": "usage",
    "rating": "journal",
    "sink-statements": "statements",
    "sink-usage-totals": "usage-totals",
    "sink-dead-letters": "dead-letters",
}
"""The topic that each consumer group of the pipeline reads."""
_TIMEOUT_S: Final = 10.0
LOOK_AGAIN_S: Final = 0.25
_UUID_WORDS: Final = 5
UNANSWERED: Final = (KafkaError, psycopg.Error, OSError, TimeoutError)

_UNDONE: Final = """
SELECT
    (SELECT count(*) FROM beaas.journal_commands WHERE settled_at IS NULL) AS unsettled,
    (SELECT count(*) FROM beaas.subscriptions AS s JOIN beaas.tenants AS t USING (tenant_id)
     WHERE s.next_due_at <= coalesce(t.test_clock, now())) AS due,
    (SELECT coalesce(sum(pg_current_wal_lsn() - confirmed_flush_lsn), 1) FROM pg_replication_slots
     WHERE slot_type = 'logical' AND database = current_database()) AS unconfirmed_bytes
"""
_KEEPALIVE_BYTES: Final = 65_536  # what the server itself writes between two confirmations of an idle relay


@dataclass(frozen=True, slots=True)
class Standing:
    """What is not done yet; all zeros once everything is.

    Attributes:
        lag: records that a group has not passed, by group.
        unsettled: commands that no statement has answered.
        due: subscriptions with something due by their tenant's clock.
        unrelayed_bytes: of PostgreSQL's log that the relay has not confirmed.
    """

    lag: dict[str, int]
    unsettled: int
    due: int
    unrelayed_bytes: int

    @property
    def waits_for_nobody(self) -> bool:
        """Whether commands have no answer though no group is behind: what would answer them is lost, not late."""
        return bool(self.unsettled) and not any(self.lag.values())

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return not (any(self.lag.values()) or self.unsettled or self.due or self.unrelayed_bytes > _KEEPALIVE_BYTES)

    def __str__(self) -> str:
        behind = ", ".join(f"{group} {lag}" for group, lag in self.lag.items() if lag) or "none"
        return (
            f"lag {behind}; {self.unsettled} commands not settled, {self.due} subscriptions due, "
            f"{self.unrelayed_bytes} bytes not relayed"
        )


class Watch:
    """Looks at a run from beside it, over direct connections that are made anew after every error."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._admin: Any = None
        self._consumer: Any = None

    async def close(self) -> None:
        """No connection is open."""
        admin, consumer, self._admin, self._consumer = self._admin, self._consumer, None, None
        for client in (admin and admin.close, consumer and consumer.stop):
            if client is not None:
                with contextlib.suppress(*UNANSWERED):
                    await asyncio.wait_for(client(), _TIMEOUT_S)

    async def standing(self) -> Standing | None:
        """How far everything has come now; None while a server does not answer."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                lags = [sum((await self._lag(group)).values()) for group in SOURCES]
                return Standing(dict(zip(SOURCES, lags, strict=True)), *await asyncio.to_thread(self._undone))
        except UNANSWERED:
            await self.close()
            return None

    async def lag(self, group: str) -> tuple[dict[int, int], dict[int, int]] | None:
        """By partition: records that a group has not passed, and how far it has come; None without an answer."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await self._lag(group), await self._committed(group)
        except UNANSWERED:
            await self.close()
            return None

    async def owned(self, group: str) -> dict[str, set[int]]:
        """Which partitions each static member of a group has."""
        await self._connected()
        [described] = await self._admin.describe_consumer_groups([self._environment.topic(group)])
        [group_told] = described.groups
        owned = {}
        for member_id, _client, _host, _metadata, assignment in group_told[5]:
            instance = member_id.rsplit("-", _UUID_WORDS)[0]  # the broker puts a UUID behind a static member's name
            told = ConsumerProtocolMemberAssignment.decode(assignment)
            owned[instance] = {partition for _, partitions in told.assignment for partition in partitions}
        return owned

    async def _lag(self, group: str) -> dict[int, int]:
        await self._connected()
        name = self._environment.topic(SOURCES[group])
        asked = [TopicPartition(name, partition) for partition in range(self._environment.partitions)]
        ends, committed = await self._consumer.end_offsets(asked), await self._committed(group)
        return {at.partition: max(0, end - committed.get(at.partition, 0)) for at, end in ends.items()}

    async def _committed(self, group: str) -> dict[int, int]:
        await self._connected()
        found = await self._admin.list_consumer_group_offsets(self._environment.topic(group))
        return {at.partition: committed.offset for at, committed in found.items() if committed.offset >= 0}

    async def _connected(self) -> None:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(bootstrap_servers=self._environment.kafka)
            await self._admin.start()
        if self._consumer is None:
            self._consumer = AIOKafkaConsumer(bootstrap_servers=self._environment.kafka)
            await self._consumer.start()

    def _undone(self) -> tuple[int, int, int]:
        with psycopg.connect(self._environment.postgres_url, autocommit=True, connect_timeout=5) as connection:
            row = connection.execute(_UNDONE).fetchone()
        assert row is not None
        return int(row[0]), int(row[1]), int(row[2])

    async def converged(self, within_s: float) -> float | None:
        """Waits until nothing is left to do; returns how long that took, None if the time is over."""
        began = time.monotonic()
        while time.monotonic() - began < within_s:
            standing = await self.standing()
            if standing is not None and standing.done:
                return time.monotonic() - began
            await asyncio.sleep(LOOK_AGAIN_S)
        return None
