"""Sends usage to Kafka as a careful producer does: keyed, idempotent, every record acknowledged by all replicas."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from billing.entry import Usage
from connectors.kafka.topics import KafkaUnreachable

SETTINGS: Final = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 20,
    "batch.size": 512_000,
    "batch.num.messages": 20_000,
    "queue.buffering.max.messages": 200_000,
    "message.timeout.ms": 120_000,
    "partitioner": "murmur2_random",
    "log_level": 2,
}
POLL_EVERY: Final = 500


@dataclass(slots=True)
class Sent:
    """What became of the records so far."""

    produced: int = 0
    acknowledged: int = 0
    failed: int = 0
    first_error: str | None = None

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        """Counts one answer of the broker."""
        if error is None:
            self.acknowledged += 1
        else:
            self.failed += 1
            self.first_error = self.first_error or str(error)


def send_usage(  # noqa: PLR0913 - a producer's choices
    usage: Iterable[Usage],
    encode: Callable[[Usage], bytes],
    *,
    bootstrap_servers: str,
    topic: str,
    rate_per_s: float | None = None,
    progress: Callable[[Sent], None] = lambda _: None,
) -> Sent:
    """Sends all of it and waits for every acknowledgement; at most `rate_per_s` records a second.

    Raises:
        KafkaUnreachable: the topic's brokers do not answer within ten seconds.
    """
    producer = Producer({"bootstrap.servers": bootstrap_servers, **SETTINGS})
    try:
        found = producer.list_topics(topic, timeout=10).topics[topic]
    except KafkaException as error:
        raise KafkaUnreachable(f"no Kafka at {bootstrap_servers}: {error.args[0].str()}") from None
    if found.error is not None:
        raise KafkaUnreachable(f"topic {topic}: {found.error.str()}; run `beaas topics create`")
    sent = Sent()
    start = time.monotonic()
    for one in usage:
        _produce(producer, topic, f"{one.tenant}/{one.customer}".encode(), encode(one), sent)
        if sent.produced % POLL_EVERY == 0:
            producer.poll(0)
            progress(sent)
        if rate_per_s is not None:
            ahead = start + sent.produced / rate_per_s - time.monotonic()
            if ahead > 0:
                producer.poll(ahead)
    while producer.flush(0.2):
        progress(sent)
    progress(sent)
    return sent


def _produce(producer: Producer, topic: str, key: bytes, value: bytes, sent: Sent) -> None:
    while True:
        try:
            producer.produce(topic, value, key, on_delivery=sent.delivered)
        except BufferError:
            producer.poll(0.1)  # the queue is full: wait for acknowledgements
        else:
            sent.produced += 1
            return
