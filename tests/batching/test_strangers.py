from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.record.default_records import _DefaultRecordBatchBuilderPy
from aiokafka.record.memory_records import MemoryRecords

from streams.batching import fetched
from streams.batching.batch import Record, RecordBatch
from streams.batching.fetched import PackedRecords
from streams.batching.strangers import ForgivingRecords


class Name(str):
    """A header's name that goes to the wire as other bytes."""

    __slots__ = ()

    def encode(self, *_: object) -> bytes:
        """The name in Latin-1."""
        return b"caf\xe9"


def batch(first: int, *names: str, codec: int = 0) -> bytes:
    """A batch with a record for each name, whose value is its offset."""
    builder = _DefaultRecordBatchBuilderPy(
        magic=2, compression_type=codec, is_transactional=0, producer_id=-1, producer_epoch=-1, base_sequence=-1,
        batch_size=1 << 20,
    )  # fmt: skip
    for number, name in enumerate(names):
        builder.append(number, 1_000, None, f"{first + number}".encode(), [(name, b"x")])
    raw = bytes(builder.build())
    return first.to_bytes(8, "big") + raw[8:]  # the checksum begins behind it


def read(records: Any, offset: int) -> list[tuple[int, bytes, tuple[tuple[str, bytes], ...]]]:
    fetched = PartitionRecords(TopicPartition("t", 0), records, [], offset, None, None, True, READ_COMMITTED)
    return [(record.offset, record.value, record.headers) for record in fetched]


@pytest.mark.parametrize("codec", [0, 1], ids=["plain", "gzip"])
def test_a_header_whose_name_is_no_text_hides_no_record(codec: int) -> None:
    raw = batch(10, "a", Name("b"), "c", codec=codec) + batch(13, "é", codec=codec)
    with pytest.raises(UnicodeDecodeError):
        read(MemoryRecords(raw), 10)
    names = ["a", "caf\\xe9", "c", "é"]
    expected = [(10 + number, f"{10 + number}".encode(), ((name, b"x"),)) for number, name in enumerate(names)]
    assert read(ForgivingRecords(raw), 10) == expected
    assert read(ForgivingRecords(raw), 12) == expected[2:]


def test_a_fetch_that_ends_within_a_batch_is_read_up_to_there() -> None:
    raw = batch(0, "a", "b") + batch(2, "c")[:-3]
    assert read(ForgivingRecords(raw), 0) == read(MemoryRecords(raw), 0)
    assert read(ForgivingRecords(b""), 0) == []


def in_turns(raw: bytes, start: int, most: int) -> list[tuple[int, bytes, tuple[tuple[str, bytes | None], ...]]]:
    """The same of packed batches, so many records at a time."""
    records = ForgivingRecords(raw)
    records.kind = PackedRecords
    packed: list[Any] = []
    while records.has_next():
        packed.append(records.next_batch())
    rest: RecordBatch | None = RecordBatch("t", 0, packed, start, packed[-1].offset + 1)
    found = []
    while rest is not None:
        turn, rest = rest.turn(most)
        found += [(record.offset, record.value, record.headers) for record in turn.records]
    return found


@pytest.mark.parametrize("most", [1, 2, 3, 100])
@pytest.mark.parametrize("start", [10, 11, 12, 13])
@pytest.mark.parametrize("codec", [0, 1], ids=["plain", "gzip"])
def test_packed_batches_with_such_a_name_lose_and_repeat_no_record(codec: int, start: int, most: int) -> None:
    raw = batch(10, "a", Name("b"), "c", codec=codec) + batch(13, "é", Name("d"), codec=codec)
    assert in_turns(raw, start, most) == read(ForgivingRecords(raw), start)


def test_of_a_batch_that_holds_very_many_records_no_more_are_unpacked_than_a_turn_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = 0

    def counted(*fields: Any) -> Record:
        nonlocal made
        made += 1
        return Record(*fields)

    monkeypatch.setattr(fetched, "Record", counted)
    records = ForgivingRecords(batch(0, *["n"] * 5_000, codec=1))
    records.kind = PackedRecords
    one: Any = records.next_batch()
    turn, rest = RecordBatch("t", 0, [one], 0, 5_000, 0, one.size_bytes).turn(20)
    assert (len(turn.records), made) == (20, 20)
    assert rest is not None
    assert rest.size_bytes == one.size_bytes  # until it is empty it is all there
