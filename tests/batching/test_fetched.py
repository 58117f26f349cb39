from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from streams.batching.batch import Record
from streams.batching.fetched import FetchedRecords

TOLD = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")


def batch(first: int, count: int) -> bytes:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1 << 20)
    for number in range(count):
        headers = [("name", b"x"), ("empty", None)] if number % 2 else []
        builder.append(number, 1_000 + number, b"key" if number % 3 else None, b"v" * number or None, headers)
    return first.to_bytes(8, "big") + bytes(builder.build())[8:]  # the checksum begins behind it


def read(kind: type[Any], raw: bytes, offset: int) -> tuple[list[Any], int]:
    fetched = kind(TopicPartition("t", 3), MemoryRecords(raw), [], offset, None, None, True, READ_COMMITTED)
    return list(fetched), fetched.next_fetch_offset


@pytest.mark.parametrize("offset", [0, 10, 13])
def test_a_fetch_hands_out_what_aiokafka_would_and_goes_as_far(offset: int) -> None:
    raw = batch(10, 5) + batch(15, 3)
    stock, stock_end = read(PartitionRecords, raw, offset)
    ours, end = read(FetchedRecords, raw, offset)
    assert ours == [Record(*(getattr(record, name) for name in TOLD)) for record in stock]
    assert (len(ours), end) == (18 - max(offset, 10), stock_end)
