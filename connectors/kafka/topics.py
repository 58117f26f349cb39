"""Makes the topics, and refuses to go on with ones that would place accounts elsewhere than their state."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schemas.topics import TOPICS, Topic

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient

_TIMEOUT_S: Final = 10.0
_LOOK_AGAIN_S: Final = 0.05


class KafkaUnreachable(Exception):
    """No broker answers in time, or it refuses what is asked of it; the text says what to do (exit status 3)."""


class TopicMismatch(Exception):
    """A topic exists that can't be used as it is; the text says what to do."""


@dataclass(frozen=True, slots=True)
class CreatedTopics:
    """What `create_topics` did: full names, in the order of `schemas.topics`."""

    created: tuple[str, ...]
    kept: tuple[str, ...]


def create_topics(
    bootstrap_servers: str,
    *,
    prefix: str,
    partitions: int,
    replication_factor: int = 1,
    timeout_s: float = _TIMEOUT_S,
) -> CreatedTopics:
    """Returns once every topic exists with so many partitions and its declared settings; a repeat changes nothing.

    Raises:
        KafkaUnreachable: no broker answers, or it refuses.
        TopicMismatch: a topic has another number of partitions.
    """
    from confluent_kafka import KafkaException  # noqa: PLC0415 - only what administers Kafka waits for librdkafka
    from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - as above

    # log_level 0: librdkafka floods stderr while a broker is away, and says nothing that the exception doesn't.
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})
    cluster = _Cluster(admin, prefix, timeout_s)
    try:
        missing, kept = _sorted_out(cluster.partition_counts(), prefix, partitions)
        cluster.create(missing, partitions, replication_factor)
        cluster.await_topics(partitions)
        cluster.configure(kept)
    except (KafkaException, TimeoutError) as error:
        reason = error.args[0].str() if isinstance(error, KafkaException) else str(error)
        raise KafkaUnreachable(
            f"Kafka at {bootstrap_servers}: {reason}; check that it runs and BEAAS_KAFKA_BOOTSTRAP_SERVERS"
        ) from error
    return CreatedTopics(
        tuple(topic.full_name(prefix) for topic in missing), tuple(topic.full_name(prefix) for topic in kept)
    )


def _sorted_out(
    existing: Mapping[str, int], prefix: str, partitions: int
) -> tuple[tuple[Topic, ...], tuple[Topic, ...]]:
    """Returns the topics that are missing and those that are there, with the partitions they must have."""
    kept = tuple(topic for topic in TOPICS if topic.full_name(prefix) in existing)
    for topic in kept:
        found = existing[topic.full_name(prefix)]
        if found != partitions:
            raise TopicMismatch(
                f"topic {topic.full_name(prefix)} has {found} partitions, not {partitions}. Accounts never move, so "
                f"the number is fixed when topics are made: set BEAAS_PARTITIONS={found}, or use another "
                "BEAAS_TOPIC_PREFIX and bill anew from there."
            )
    return tuple(topic for topic in TOPICS if topic not in kept), kept


@dataclass(frozen=True, slots=True)
class _Cluster:
    """A Kafka cluster, asked with bounded time-outs."""

    admin: "AdminClient"
    prefix: str
    timeout_s: float

    def partition_counts(self) -> dict[str, int]:
        """Returns the partitions of every topic that the brokers know of and lead."""
        topics = self.admin.list_topics(timeout=self.timeout_s).topics
        return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}

    def await_topics(self, partitions: int) -> None:
        """Returns once the brokers know of every topic: they learn of a new one after its creation is acknowledged."""
        deadline = time.monotonic() + self.timeout_s
        while missing := _sorted_out(self.partition_counts(), self.prefix, partitions)[0]:
            if time.monotonic() > deadline:
                names = ", ".join(topic.full_name(self.prefix) for topic in missing)
                raise TimeoutError(f"{names} not ready {self.timeout_s:g} s after creation")
            time.sleep(_LOOK_AGAIN_S)

    def create(self, missing: tuple[Topic, ...], partitions: int, replication_factor: int) -> None:
        from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # noqa: PLC0415 - as above

        wanted = [
            NewTopic(topic.full_name(self.prefix), partitions, replication_factor, config=topic.config())
            for topic in missing
        ]
        if wanted:
            for answer in self.admin.create_topics(wanted, operation_timeout=self.timeout_s).values():
                self._await_created(answer)

    def configure(self, kept: tuple[Topic, ...]) -> None:
        """Sets what we declare and leaves every other setting of an operator's alone."""
        from confluent_kafka.admin import (  # type: ignore[attr-defined]  # noqa: PLC0415 - as above; re-exported
            AlterConfigOpType,
            ConfigEntry,
            ConfigResource,
            ResourceType,
        )

        wanted = [
            ConfigResource(
                ResourceType.TOPIC,
                topic.full_name(self.prefix),
                incremental_configs=[
                    ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                    for name, value in topic.config().items()
                ],
            )
            for topic in kept
        ]
        if wanted:
            for answer in self.admin.incremental_alter_configs(wanted).values():
                answer.result(self.timeout_s)

    def _await_created(self, answer: "Future[None]") -> None:
        from confluent_kafka import KafkaError, KafkaException  # noqa: PLC0415 - as above

        try:
            answer.result(self.timeout_s)
        except KafkaException as refusal:
            # Another setup at the same time, or a broker that has not heard of it yet: what it is like is looked at
            # afterwards in any case.
            if refusal.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise
