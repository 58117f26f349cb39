"""Filling topics before anything is measured."""

from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import Producer

from benchmarks.workload import Keyed

_SETTINGS: Final = {
    "acks": "all",
    "enable.idempotence": True,
    "linger.ms": 20,
    "batch.size": 512_000,
    "batch.num.messages": 20_000,
    "queue.buffering.max.messages": 200_000,
    "partitioner": "murmur2_random",
    "log_level": 2,
}
_POLL_EVERY: Final = 500


def fill(servers: str, topic: str, records: Iterable[Keyed], progress: Callable[[int], None]) -> int:
    """The topic holds the records, in their order within a partition. Returns how many they are.

    Raises:
        RuntimeError: the broker did not acknowledge all of them.
    """
    producer = Producer({"bootstrap.servers": servers, **_SETTINGS})
    produced = 0
    for record in records:
        while True:
            try:
                producer.produce(topic, record.value, record.key, record.partition)
                break
            except BufferError:
                producer.poll(0.1)
        produced += 1
        if produced % _POLL_EVERY == 0:
            producer.poll(0)
            progress(produced)
    if left := producer.flush(60):
        raise RuntimeError(f"{topic}: {left} of {produced} records were not acknowledged within 60 s")
    progress(produced)
    return produced
