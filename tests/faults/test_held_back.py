"""An unfinished transaction hides what stands behind it from readers; whoever looks for lag sees it all the same."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from billing.invariants import everything_settles
from connectors.audit.lags import Group, Standing, group_lag
from connectors.embedded.cluster import EmbeddedServers
from connectors.kafka.scan import Kafka, Place, Span
from tests.faults.auditor.topics import Topics
from tests.support.pipeline import until

PREFIX = "held."
PLACE = Place(f"{PREFIX}journal", 0)
WITHIN_S = 30.0


@contextmanager
def unfinished(servers: str) -> Iterator[Producer]:
    """A topic with one committed record, and three in a transaction that is open while the block runs."""
    admin = AdminClient({"bootstrap.servers": servers})
    for answer in admin.create_topics([NewTopic(PLACE.topic, 1, 1)]).values():
        answer.result(WITHIN_S)
    producer = Producer({"bootstrap.servers": servers, "transactional.id": f"{PREFIX}writer"})
    producer.init_transactions(WITHIN_S)
    try:
        producer.begin_transaction()
        producer.produce(PLACE.topic, b"committed")
        producer.commit_transaction(WITHIN_S)
        producer.begin_transaction()
        for value in (b"one", b"two", b"three"):
            producer.produce(PLACE.topic, value)
        producer.flush(WITHIN_S)
        yield producer
    finally:
        for answer in admin.delete_topics([PLACE.topic]).values():
            answer.result(WITHIN_S)


def behind(servers: EmbeddedServers) -> int:
    """As the bench's auditor sees a group that has read all that it is given; the commit's marker is at offset 1."""
    environment: Mapping[str, str] = {
        "BEAAS_KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        "BEAAS_SCHEMA_REGISTRY_URL": servers.schema_registry_url,
        "BEAAS_TOPIC_PREFIX": PREFIX,
    }
    topics = Topics(environment)
    try:
        return topics.ends("journal")[0] - 2
    finally:
        topics.close()


async def test_whoever_has_read_all_that_he_is_given_is_behind_while_a_transaction_stays_open(
    servers: EmbeddedServers,
) -> None:
    kafka = Kafka(servers.kafka_bootstrap_servers)
    one = Standing(Group("rating", PLACE.topic, ""), {}, {PLACE: 2})

    def judged(after: timedelta) -> list[tuple[str, str]]:
        lag = group_lag(kafka, one, kafka.spans([PLACE]), datetime.now(UTC) + after)
        assert after.total_seconds() <= lag.waited_s or not lag.behind
        return [(found.subject, found.detail) for found in everything_settles([lag._replace(waited_s=after.seconds)])]

    with unfinished(servers.kafka_bootstrap_servers) as producer:
        assert kafka.spans([PLACE]) == {PLACE: Span(PLACE, 0, 2)}
        assert kafka.held_back([PLACE]) == {PLACE: Span(PLACE, 2, 5)}
        assert behind(servers) == 3
        assert judged(timedelta(0)) == []
        assert await asyncio.to_thread(judged, timedelta(minutes=2)) == [
            (
                f"group rating on {PLACE.topic} (an open or unfinished transaction holds readers back at 0/2)",
                "3 records behind, the oldest for 120 s: does its process run?",
            )
        ]
        producer.abort_transaction(WITHIN_S)

        async def ended() -> bool:
            return await asyncio.to_thread(kafka.held_back, [PLACE]) == {}

        await until(ended, "the mark of the abortion")
        assert judged(timedelta(minutes=2)) == []
