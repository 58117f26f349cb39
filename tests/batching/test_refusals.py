"""What a worker does not start with, and what it says then."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.batching import topics
from streams.batching.settings import BatchSettings
from streams.batching.tables import FoldTable
from tests.batching.harness import PARTITIONS, RESTART_ME, Lane


@pytest.fixture
def lane(servers: Any, tmp_path: Path) -> Iterator[Lane]:
    lane = Lane(servers.kafka_bootstrap_servers, tmp_path)
    yield lane
    lane.close()


@pytest.fixture
def admin(lane: Lane) -> AdminClient:
    return AdminClient({"bootstrap.servers": lane.bootstrap_servers})


def _settings(lane: Lane) -> BatchSettings:
    return BatchSettings(bootstrap_servers=lane.bootstrap_servers, instance="a", data_dir=lane.directory)


async def test_missing_topics_are_named(lane: Lane) -> None:
    with pytest.raises(topics.TopicError, match=r"topic absent-source does not exist: create it first"):
        await topics.prepare(_settings(lane), "absent-source", [], [])
    with pytest.raises(topics.TopicError, match=r"topic absent-outcomes does not exist"):
        await topics.prepare(_settings(lane), lane.source, ["absent-outcomes"], [])


async def test_changelogs_are_made_like_the_source_and_only_once(lane: Lane, admin: AdminClient) -> None:
    tables = [FoldTable("one", f"{lane.name}-one"), FoldTable("two", f"{lane.name}-two")]
    for _ in range(2):
        assert await topics.prepare(_settings(lane), lane.source, [lane.outcomes], tables) == PARTITIONS
    made = admin.list_topics().topics
    assert [len(made[table.changelog].partitions) for table in tables] == [PARTITIONS, PARTITIONS]


async def test_a_changelog_with_other_partitions_than_the_source_is_refused(lane: Lane) -> None:
    table = FoldTable("one", f"{lane.name}-one")
    lane.make(NewTopic(table.changelog, PARTITIONS + 1, 1))
    with pytest.raises(topics.TopicError, match=rf"{table.changelog} has 5 partitions and its source .* has 4"):
        await topics.prepare(_settings(lane), lane.source, [], [table])


def test_a_worker_whose_unread_records_were_deleted_leaves_and_says_so(lane: Lane, admin: AdminClient) -> None:
    lane.fill(200)
    lane.start("a")
    lane.wait_until_folded()
    assert lane.end("a", signal.SIGTERM) == 0
    lane.fill(200, first=1_000_000)
    ends = lane.ends()
    for deleted in admin.delete_records([TopicPartition(lane.source, 0, ends[0])]).values():
        deleted.result()
    lane.start("a")
    assert lane.reap("a") == RESTART_ME
    assert f"but the log starts at {ends[0]}: retention deleted records unread" in lane.log("a")


def test_the_checks_take_no_error_for_the_end_of_a_partition(lane: Lane, admin: AdminClient) -> None:
    lane.fill(200)
    for deleted in admin.delete_records([TopicPartition(lane.source, 0, lane.ends()[0])]).values():
        deleted.result()
    with pytest.raises(AssertionError, match="Offset out of range"):
        lane.read(lane.source)


def test_a_worker_whose_changelog_was_made_anew_leaves_and_says_so(lane: Lane, admin: AdminClient) -> None:
    lane.fill(200)
    lane.start("a")
    lane.wait_until_folded()
    assert lane.end("a", signal.SIGTERM) == 0
    changelog = f"{lane.name}-counts-changelog"
    ends = lane.ends()
    for deleted in admin.delete_topics([changelog]).values():
        deleted.result()
    lane.start("a")
    assert lane.reap("a") == RESTART_ME
    assert ends
    assert "the changelog lost records or was made anew" in lane.log("a")
