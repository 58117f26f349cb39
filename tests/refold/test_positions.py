"""How far a group has come is asked until its coordinator can tell: nothing and not yet are two answers."""

import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    NotCoordinatorForGroupError,
)

from connectors.embedded.cluster import EmbeddedServers
from streams.refold import scope
from streams.refold.scope import Positions
from tests.support.kafka_auditor import KafkaAuditor

PARTITIONS = range(2)
LOADING = CoordinatorNotAvailableError(), CoordinatorLoadInProgressError(), NotCoordinatorForGroupError()


@pytest.fixture
async def group(servers: EmbeddedServers) -> tuple[str, str]:
    """A topic of two partitions, and a group that is at 3 in the second of them."""
    topic = KafkaAuditor(servers.kafka_bootstrap_servers).make_topic(partitions=len(PARTITIONS))
    name = f"group-{uuid.uuid4().hex}"
    place = TopicPartition(topic, 1)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers.kafka_bootstrap_servers, group_id=name, enable_auto_commit=False
    )
    consumer.assign([place])
    async with consumer:
        await consumer.commit({place: 3})
    return topic, name


def begins_with(monkeypatch: pytest.MonkeyPatch, *answers: KafkaError | None) -> list[str]:
    """The client's first answers are these errors, or none of any partition; returns of which groups it was asked."""
    first, asked, answer = list(answers), list[str](), AIOKafkaAdminClient.list_consumer_group_offsets

    async def told(self: Any, group: str, **options: Sequence[TopicPartition]) -> Any:
        asked.append(group)
        if not first:
            return await answer(self, group, **options)
        error = first.pop(0)
        if error is not None:
            raise error
        return {}

    monkeypatch.setattr(AIOKafkaAdminClient, "list_consumer_group_offsets", told)
    return asked


async def test_it_is_told_by_partition_and_not_where_it_is_nothing(
    servers: EmbeddedServers, group: tuple[str, str]
) -> None:
    positions, (topic, name) = Positions(servers.kafka_bootstrap_servers), group
    assert await positions.committed(topic, name, PARTITIONS) == {1: 3}
    assert await positions.committed(topic, "nobody", PARTITIONS) == {}
    assert await positions.committed("nothing", name, PARTITIONS) == {}


async def test_a_coordinator_that_still_loads_is_asked_again(
    servers: EmbeddedServers, group: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = begins_with(monkeypatch, *LOADING, None)
    assert await Positions(servers.kafka_bootstrap_servers).committed(*group, PARTITIONS) == {1: 3}
    assert len(asked) == len(LOADING) + 2


@pytest.mark.parametrize("answer", [LOADING[0], None], ids=["an error", "no partition"])
async def test_a_coordinator_that_loads_for_too_long_is_no_answer(
    answer: KafkaError | None, servers: EmbeddedServers, group: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scope, "_LOADED_WITHIN_S", -1.0)
    begins_with(monkeypatch, answer)
    with pytest.raises(KafkaConnectionError, match="try again"):
        await Positions(servers.kafka_bootstrap_servers).committed(*group, PARTITIONS)


async def test_any_other_refusal_is_an_error_at_once(
    servers: EmbeddedServers, group: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = begins_with(monkeypatch, GroupAuthorizationFailedError())
    with pytest.raises(GroupAuthorizationFailedError):
        await Positions(servers.kafka_bootstrap_servers).committed(*group, PARTITIONS)
    assert len(asked) == 1
