"""How far a group is, asked of a broker that has just started, and of one on which a flush is under way."""

import uuid
from collections.abc import Sequence
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from connectors.embedded.cluster import EmbeddedServers
from connectors.kafka import groups
from connectors.kafka.groups import committed_offsets
from tests.support.kafka_auditor import KafkaAuditor

WITHIN_S = 60
LOADING = KafkaError.COORDINATOR_LOAD_IN_PROGRESS, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.NOT_COORDINATOR


class Starting:
    """A broker that answers with these errors first, and with offset 7 after them; `of_one` stands at partition 1."""

    def __init__(self, refusals: Sequence[int], of_one: int | None = None) -> None:
        self._refusals = list(refusals)
        self._of_one = None if of_one is None else KafkaError(of_one)
        self.asked = 0

    def list_consumer_group_offsets(self, _wanted: Any, **_: float) -> dict[str, Future[Any]]:
        """As the client's."""
        self.asked += 1
        answer: Future[Any] = Future()
        if self._refusals:
            answer.set_exception(KafkaException(KafkaError(self._refusals.pop(0))))
        else:
            first, second = TopicPartition("t", 0, 7), TopicPartition("t", 1)
            told = SimpleNamespace(topic="t", partition=1, offset=second.offset, error=self._of_one)
            answer.set_result(SimpleNamespace(topic_partitions=[first, told if self._of_one else second]))
        return {"g": answer}


def asked(broker: Starting) -> dict[tuple[str, int], int]:
    admin: Any = broker
    return committed_offsets(admin, "g", [("t", 0), ("t", 1)])


def test_a_coordinator_that_still_loads_is_asked_again() -> None:
    broker = Starting(LOADING)
    assert asked(broker) == {("t", 0): 7}
    assert broker.asked == len(LOADING) + 1


def test_a_coordinator_that_loads_for_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "_LOADED_WITHIN_S", -1.0)
    with pytest.raises(KafkaException) as refusal:
        asked(Starting(LOADING))
    assert refusal.value.args[0].code() == LOADING[0]


def test_any_other_refusal_is_an_error_at_once() -> None:
    broker = Starting([KafkaError.GROUP_AUTHORIZATION_FAILED])
    with pytest.raises(KafkaException):
        asked(broker)
    assert broker.asked == 1


def test_an_error_of_one_partition_is_not_taken_for_a_group_that_has_committed_nothing_there() -> None:
    with pytest.raises(KafkaException) as refusal:
        asked(Starting([], of_one=KafkaError.TOPIC_AUTHORIZATION_FAILED))
    assert refusal.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_while_a_transaction_commits_more_what_was_committed_before_is_told(servers: EmbeddedServers) -> None:
    """Asked for stable offsets only, the broker would tell of none, and all of the partition would seem to be left."""
    bootstrap, group = servers.kafka_bootstrap_servers, f"group-{uuid.uuid4().hex}"
    topic = KafkaAuditor(bootstrap).make_topic(partitions=1)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, 0, 0)])
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": group})
    producer.init_transactions(WITHIN_S)

    def begin(offset: int) -> None:
        producer.begin_transaction()
        place = TopicPartition(topic, 0, offset)
        producer.send_offsets_to_transaction([place], consumer.consumer_group_metadata(), WITHIN_S)

    begin(1)
    producer.commit_transaction(WITHIN_S)
    begin(2)
    assert committed_offsets(AdminClient({"bootstrap.servers": bootstrap}), group, [(topic, 0)]) == {(topic, 0): 1}
    producer.abort_transaction(WITHIN_S)
    consumer.close()
