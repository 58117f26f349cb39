"""What others see of a flush: all of it or nothing, and a position that passes what no fold ever gets."""

import gc
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import ProducerFenced
from confluent_kafka import Producer
from confluent_kafka.cimpl import NewTopic

from streams.batching.producer import FencedProducer, Write
from streams.batching.settings import BatchSettings
from tests.batching.counting_worker import ANNOUNCE_EVERY
from tests.batching.harness import PARTITIONS, Lane

RECORDS = 3_000


@pytest.fixture
def lane(servers: Any, tmp_path: Path) -> Iterator[Lane]:
    lane = Lane(servers.kafka_bootstrap_servers, tmp_path)
    yield lane
    lane.close()


def test_the_committed_offset_passes_markers_and_aborted_records(lane: Lane) -> None:
    """The close barrier waits for the end offset, which counts both; a partition with nothing else must reach it."""
    producer = Producer({"bootstrap.servers": lane.bootstrap_servers, "transactional.id": lane.name})
    producer.init_transactions()
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        for partition in range(PARTITIONS - 1):
            producer.produce(lane.source, key=b"key", value=b"id-%d" % partition, partition=partition)
        producer.flush()
        end()
    lane.start("a")
    lane.wait_until_folded()
    assert lane.committed() == {0: 4, 1: 4, 2: 4, 3: 0}
    assert lane.end("a", signal.SIGTERM) == 0
    assert lane.differences() == []


def test_outcomes_never_show_without_the_state_that_led_to_them(lane: Lane) -> None:
    """Outcomes are read first, then the state: what was announced must be in the counts at any moment."""
    filling = threading.Thread(target=lane.fill, args=(RECORDS,), kwargs={"rate": 2_000})
    filling.start()
    lane.start("a")
    looks = 0
    while filling.is_alive() or looks == 0:
        announced = lane.announced()
        counts = lane.counts()
        assert {key: counts.get(key, 0) for key, last in announced.items() if counts.get(key, 0) < last[-1]} == {}
        looks += bool(announced)
    filling.join()
    lane.wait_until_folded()
    assert lane.end("a", signal.SIGTERM) == 0
    assert lane.differences() == []
    assert sum(map(len, lane.announced().values())) == sum(n // ANNOUNCE_EVERY for n in lane.counts().values())


@pytest.fixture
def topic(lane: Lane) -> str:
    topic = f"{lane.name}-letters"
    lane.make(NewTopic(topic, 1, 1, config={"max.message.bytes": str(8 << 20)}))
    return topic


def _producer(lane: Lane) -> FencedProducer:
    settings = BatchSettings(
        bootstrap_servers=lane.bootstrap_servers, instance="a", data_dir=lane.directory, record_max_bytes=5 << 20
    )
    return FencedProducer(settings, f"{lane.name}-0")


async def test_records_larger_than_a_batch_go_out_in_order_among_small_ones(lane: Lane, topic: str) -> None:
    values = [b"first", b"x" * (4 << 20), b"between", b"y" * (1 << 20), b"last"]
    producer = _producer(lane)
    await producer.start()
    last = await producer.transact([Write(topic, 0, [(b"key", value, [("n", b"1")], 7) for value in values])])
    await producer.stop()
    assert last == {(topic, 0): 4}
    read = lane.read(topic, partitions=1)
    assert [record.value() for record in read] == values
    assert [(record.key(), record.headers(), record.timestamp()[1]) for record in read] == [
        (b"key", [("n", b"1")], 7)
    ] * 5


async def test_a_record_over_the_limit_is_refused_by_name_of_the_limit(lane: Lane, topic: str) -> None:
    producer = _producer(lane)
    await producer.start()
    with pytest.raises(ValueError, match="must not exceed 5242880"):
        await producer.transact([Write(topic, 0, [(b"key", b"x" * (6 << 20), (), None)])])
    await producer.stop()


async def test_a_former_owner_is_fenced_and_nothing_of_it_is_read(lane: Lane, topic: str) -> None:
    former, owner = _producer(lane), _producer(lane)
    await former.start()
    await owner.start()
    await owner.transact([Write(topic, 0, [(b"key", b"owner", (), None)])])
    with pytest.raises(ProducerFenced):
        await former.transact([Write(topic, 0, [(b"key", b"former", (), None)])])
    await former.stop()
    await owner.stop()
    # aiokafka leaves failed futures, which are told of as they go: here, and not amid another test (`parsing.parsed`).
    del former
    gc.collect()
    assert [record.value() for record in lane.read(topic, partitions=1)] == [b"owner"]
