"""The ceilings: what plain loops around aiokafka reach, with nothing durable and nothing exact.

A program of its own, so that its CPU time is its own: `python -m benchmarks.raw sum|pipe TOPIC PROPERTY SKIP` with the
settings in the environment prints one `Measured` as JSON.
"""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from benchmarks.measured import Measured
from schemas import topics
from schemas.codec import Codec
from schemas.partition import placement
from streams.app import codec_of
from streams.settings import Settings, load_settings

_FETCH_RECORDS = 5_000
_BATCH_BYTES = 900_000
Take = Callable[[list[Any]], Awaitable[None]]


async def run(mode: str, topic: str, measured: str, skip: int, settings: Settings) -> Measured:
    """Reads the whole topic by the named loop."""
    codec = codec_of(settings)
    if mode == "sum":
        return await _over_all(settings, topic, skip, _summing(codec, measured))
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        acks="all",
        linger_ms=0,
        max_batch_size=_BATCH_BYTES,
        max_request_size=8 << 20,
    )
    await producer.start()
    try:
        return await _over_all(settings, topic, skip, _piping(producer, codec, settings))
    finally:
        await producer.stop()


def _summing(codec: Codec, measured: str) -> Take:
    """Decode, and add the property in a dict by account; a whole number, so the cheapest addition there is."""
    sums: dict[tuple[str, str], int] = {}
    frame = codec.usage_frame

    async def take(records: list[Any]) -> None:
        decode = codec.decode_usage
        for record in records:
            value = record.value
            if value[:5] == frame:  # the journal also holds commands
                usage = decode(value)
                key = (usage.tenant, usage.customer)
                sums[key] = sums.get(key, 0) + int(usage.properties[measured])

    return take


def _piping(producer: Any, codec: Codec, settings: Settings) -> Take:
    """Decode, and produce to the account's partition of the journal; a fetch is acknowledged before the next."""
    place = placement(partitions=settings.partitions, slice_size=settings.tenant_slice)
    journal = topics.JOURNAL.full_name(settings.topic_prefix)

    async def take(records: list[Any]) -> None:
        decode, create = codec.decode_usage, producer.create_batch
        batches: defaultdict[int, list[Any]] = defaultdict(lambda: [create()])
        for record in records:
            usage = decode(record.value)
            lane = batches[place(usage.tenant, usage.customer)]
            stamped = {"timestamp": record.timestamp, "key": record.key, "value": record.value, "headers": []}
            if lane[-1].append(**stamped) is None:
                lane.append(create())
                lane[-1].append(**stamped)
        sent = [
            await producer.send_batch(batch, journal, partition=partition)
            for partition, lane in batches.items()
            for batch in lane
        ]
        for future in sent:
            await future

    return take


async def _over_all(settings: Settings, topic: str, skip: int, take: Take) -> Measured:
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=None,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        max_partition_fetch_bytes=1 << 20,
    )
    await consumer.start()
    try:
        sources = [TopicPartition(topic, number) for number in range(settings.partitions)]
        consumer.assign(sources)
        left = sum((await consumer.end_offsets(sources)).values())
        read = first = 0
        wall, cpu = time.perf_counter(), time.process_time()
        while read < left:
            if not first and read > skip:
                first, wall, cpu = read, time.perf_counter(), time.process_time()
            for records in (await consumer.getmany(timeout_ms=1_000, max_records=_FETCH_RECORDS)).values():
                await take(records)
                read += len(records)
        return Measured(read - first, time.perf_counter() - wall, time.process_time() - cpu)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    mode, topic, measured, skip = sys.argv[1:]
    print(msgspec.json.encode(asyncio.run(run(mode, topic, measured, int(skip), load_settings()))).decode())
