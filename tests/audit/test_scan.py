"""Kafka read in bulk, on a real Kafka: what retention deletes is said, and what was aborted hides nothing."""

import uuid
from time import monotonic

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined] # re-exported without saying so

from connectors.audit.lags import Group, standing
from connectors.embedded.cluster import EmbeddedServers
from connectors.kafka.scan import Kafka, Place, Span
from connectors.kafka.topics import KafkaUnreachable

POSITION = b"\x00position"
WITHIN_S = 60
MORE_THAN_EVER = 12_000


@pytest.fixture
def topic(servers: EmbeddedServers) -> str:
    name = f"scan.{uuid.uuid4().hex}"
    admin = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
    admin.create_topics([NewTopic(name, 2, 1)])[name].result(WITHIN_S)
    return name


def flushed(servers: EmbeddedServers, topic: str, *values: bytes, key: bytes = b"k", commit: bool = True) -> None:
    """The values are in one transaction in partition 0, which is then over."""
    producer = Producer({"bootstrap.servers": servers.kafka_bootstrap_servers, "transactional.id": topic})
    producer.init_transactions(WITHIN_S)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, key, partition=0)
    assert producer.flush(WITHIN_S) == 0
    (producer.commit_transaction if commit else producer.abort_transaction)(WITHIN_S)
    kafka, deadline = Kafka(servers.kafka_bootstrap_servers), monotonic() + WITHIN_S
    while kafka.held_back([Place(topic, 0)]):  # the coordinator answers before its mark stands in the partition
        assert monotonic() < deadline, "the transaction does not end"


def test_a_span_whose_beginning_retention_has_deleted_is_said_and_not_jumped_over(
    servers: EmbeddedServers, topic: str
) -> None:
    flushed(servers, topic, *(b"%d" % number for number in range(9)))
    kafka, place = Kafka(servers.kafka_bootstrap_servers), Place(topic, 0)
    span = kafka.spans([place])[place]
    admin = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
    for answer in admin.delete_records([TopicPartition(topic, 0, 4)]).values():
        answer.result(WITHIN_S)
    for read in (lambda: list(kafka.scan([span])), lambda: kafka.first_ms([span])):
        with pytest.raises(KafkaUnreachable) as gone:
            read()
        assert str(gone.value) == f"{topic}/0: retention deleted what was just to be read; try again"
    [records] = kafka.scan([Span(place, 4, span.end)])
    assert [record.value() for record in records] == [b"4", b"5", b"6", b"7", b"8"]


@pytest.mark.parametrize("aborted", [0, 1, 9, MORE_THAN_EVER])
def test_a_position_is_found_behind_a_flush_of_any_length_that_was_aborted(
    servers: EmbeddedServers, topic: str, aborted: int
) -> None:
    flushed(servers, topic, (17).to_bytes(8, "big"), (18).to_bytes(8, "big"), key=POSITION)
    if aborted:
        flushed(servers, topic, *[b"x"] * aborted, commit=False)
    found = standing(Kafka(servers.kafka_bootstrap_servers), Group("nobody", f"{topic}-source", topic))
    assert found.positions == {Place(f"{topic}-source", 0): 18}
