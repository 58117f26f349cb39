"""Topics on a real Kafka."""

import socket
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined] # re-exported without saying so
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from connectors.embedded.cluster import EmbeddedServers
from connectors.kafka.topics import CreatedTopics, KafkaUnreachable, TopicMismatch, create_topics
from schemas.topics import TOPICS


@pytest.fixture
def prefix() -> str:
    return f"t{uuid.uuid4().hex[:8]}."


def test_topics_are_made_as_declared_and_a_second_time_nothing_changes(servers: EmbeddedServers, prefix: str) -> None:
    names = tuple(topic.full_name(prefix) for topic in TOPICS)
    bootstrap = servers.kafka_bootstrap_servers
    assert create_topics(bootstrap, prefix=prefix, partitions=3) == CreatedTopics(created=names, kept=())
    assert create_topics(bootstrap, prefix=prefix, partitions=3) == CreatedTopics(created=(), kept=names)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    listed = admin.list_topics(timeout=10).topics
    assert {name: len(listed[name].partitions) for name in names} == dict.fromkeys(names, 3)
    for topic in TOPICS:
        declared = topic.config()
        assert {name: value for name, value in configs(admin, topic.full_name(prefix)).items() if name in declared} == (
            declared
        )


def test_a_changed_setting_is_set_back_to_what_is_declared(servers: EmbeddedServers, prefix: str) -> None:
    bootstrap = servers.kafka_bootstrap_servers
    create_topics(bootstrap, prefix=prefix, partitions=1)
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    journal = f"{prefix}journal"
    entries = [
        ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
        for name, value in (("retention.ms", "1000"), ("segment.bytes", "2000000"))
    ]
    for answer in admin.incremental_alter_configs(
        [ConfigResource(ResourceType.TOPIC, journal, incremental_configs=entries)]
    ).values():
        answer.result(10)
    create_topics(bootstrap, prefix=prefix, partitions=1)
    deadline = time.monotonic() + 10  # the broker that is asked learns of it a moment after it is acknowledged
    while journal_settings(admin, journal) != ("-1", "2000000"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_setups_at_the_same_time_make_the_topics_once(servers: EmbeddedServers, prefix: str) -> None:
    with ThreadPoolExecutor() as threads:
        setups = [
            threads.submit(create_topics, servers.kafka_bootstrap_servers, prefix=prefix, partitions=2)
            for _ in range(3)
        ]
    names = {topic.full_name(prefix) for topic in TOPICS}
    assert [set(setup.result().created + setup.result().kept) for setup in setups] == [names] * 3


def test_another_number_of_partitions_is_refused_with_what_to_do(servers: EmbeddedServers, prefix: str) -> None:
    bootstrap = servers.kafka_bootstrap_servers
    create_topics(bootstrap, prefix=prefix, partitions=2)
    with pytest.raises(TopicMismatch, match=r"has 2 partitions, not 4\. .* set BEAAS_PARTITIONS=2"):
        create_topics(bootstrap, prefix=prefix, partitions=4)


def test_a_kafka_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        with pytest.raises(KafkaUnreachable, match="BEAAS_KAFKA_BOOTSTRAP_SERVERS"):
            create_topics(f"127.0.0.1:{held.getsockname()[1]}", prefix="x.", partitions=1, timeout_s=1)


def configs(admin: AdminClient, topic: str) -> dict[str, str]:
    [answer] = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in answer.result(10).items()}


def journal_settings(admin: AdminClient, journal: str) -> tuple[str, str]:
    found = configs(admin, journal)
    return found["retention.ms"], found["segment.bytes"]
