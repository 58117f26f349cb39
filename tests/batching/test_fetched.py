from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from streams.batching.batch import Record
from streams.batching.fetched import FetchedRecords, packed
from streams.batching.strangers import ForgivingRecords

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


def fetch(raw: bytes, offset: int, aborted: Sequence[tuple[int, int]] = ()) -> FetchedRecords:
    return FetchedRecords(
        TopicPartition("t", 3), ForgivingRecords(raw), list(aborted), offset, None, packed, True, READ_COMMITTED
    )


def packed_batches(raw: bytes, offset: int, aborted: Sequence[tuple[int, int]] = ()) -> tuple[list[Any], int]:
    fetched = fetch(raw, offset, aborted)
    return list(fetched), fetched.next_fetch_offset


@pytest.mark.parametrize("offset", [0, 10, 13, 14])
def test_packed_batches_hold_the_records_that_aiokafka_would_hand_out(offset: int) -> None:
    raw = batch(10, 5) + batch(15, 3)
    stock, stock_end = read(PartitionRecords, raw, offset)
    batches, end = packed_batches(raw, offset)
    records = [record for one in batches for record in one.take("t", 3, offset, 1_000)]
    assert records == [Record(*(getattr(record, name) for name in TOLD)) for record in stock]
    assert (batches[-1].offset, end) == (17, stock_end)
    assert sum(one.size_bytes for one in batches) <= len(raw)


def test_batches_behind_the_one_that_is_read_are_handed_out_by_a_later_look() -> None:
    fetched = fetch(batch(10, 5) + batch(15, 3), 10)
    first = next(iter(fetched))
    assert (first.offset, fetched.next_fetch_offset) == (14, 15)
    assert [one.offset for one in fetched] == [17]


def transactional(first: int, *, control: bytes | None = None) -> bytes:
    """A batch of producer 7 in a transaction, or the marker that ends one."""
    builder = DefaultRecordBatchBuilder(2, 0, 1, 7, 0, -1 if control else 0, 1 << 20)
    builder.append(0, 1_000, control, b"v", [])
    raw = bytearray(builder.build())
    raw[:8] = first.to_bytes(8, "big")
    if control is not None:
        raw[22] |= 0x20  # the attributes' bit of a control batch
        raw[17:21] = calc_crc32c(bytes(raw[21:])).to_bytes(4, "big")
    return bytes(raw)


def test_a_batch_of_a_transaction_that_was_aborted_is_passed_over_packed_or_not() -> None:
    abort, commit = bytes([0, 0, 0, 0]), bytes([0, 0, 0, 1])
    raw = (
        transactional(0)
        + transactional(1, control=abort)
        + transactional(2)
        + transactional(3, control=commit)
        + batch(4, 1)
    )
    batches, end = packed_batches(raw, 0, [(7, 0)])
    assert ([one.offset for one in batches], end) == ([2, 4], 5)
    seven, _ = packed_batches(raw, 0)
    assert [one.offset for one in seven] == [0, 2, 4]  # without the broker's list of aborted transactions
