"""Makes the topics, and refuses to go on with ones that would place accounts elsewhere than their state."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from schemas.topics import TOPICS, Topic

if TYPE_CHECKING:
    from concurrent.futures import Future

    from confluent_kafka.admin import AdminClient

_TIMEOUT_S: Final = 30.0


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
        cluster.configure(kept)
    except (KafkaException, TimeoutError) as error:
        raise KafkaUnreachable(
            f"Kafka at {bootstrap_servers}: {error}; check that it runs and BEAAS_KAFKA_BOOTSTRAP_SERVERS"
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
        topics = self.admin.list_topics(timeout=self.timeout_s).topics
        return {name: len(topic.partitions) for name, topic in topics.items()}

    def create(self, missing: tuple[Topic, ...], partitions: int, replication_factor: int) -> None:
        from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]  # noqa: PLC0415 - as above

        wanted = [
            NewTopic(topic.full_name(self.prefix), partitions, replication_factor, config=topic.config())
            for topic in missing
        ]
        if wanted:
            self._await(self.admin.create_topics(wanted, operation_timeout=self.timeout_s))

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
            self._await(self.admin.incremental_alter_configs(wanted))

    def _await(self, answers: "Mapping[Any, Future[Any]]") -> None:
        for answer in answers.values():
            answer.result(self.timeout_s)
