"""Fetched records as we use them: aiokafka's own fetches and rules, and a part of the time that its records take."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from aiokafka.consumer import fetcher

from streams.batching.batch import Record
from streams.batching.strangers import ForgivingBatch, forgive


def lighten() -> None:
    """From now on every consumer of this process hands `Record`s out, or `PackedRecords` if it is told to."""
    forgive()
    fetcher.PartitionRecords = FetchedRecords  # no other way in: the fetcher looks the name up where it is used


def packed(value: bytes | None) -> bytes | None:
    """As a consumer's `value_deserializer` it makes the consumer hand out `PackedRecords`, each in a record's place.

    Unpacked by the thread that fetches, a record costs 0.5 µs more: it goes through two generators and a method one by
    one, and whoever folds it has to bring it over from the other processor's cache.
    """
    return value


class PackedRecords(ForgivingBatch):
    """A batch as the broker sent it; the fetcher sees one record in it, that of the batch's last offset."""

    def __init__(self, batch: Any, raw: memoryview) -> None:
        super().__init__(batch, raw)
        self.offset: int = batch.next_offset - 1
        self._left: Any = None
        self._taken = 0

    def __iter__(self) -> Iterator["PackedRecords"]:
        yield self

    def take(self, topic: str, partition: int, start: int, most: int) -> list[Record]:
        """Its next records from an offset on: so many, or all that are left."""
        found: list[Record] = []
        while len(found) < most and (more := self._take(topic, partition, most - len(found))):
            found += [record for record in more if record.offset >= start] if more[0].offset < start else more
        return found

    def _take(self, topic: str, partition: int, most: int) -> list[Record]:
        if self._left is None:
            self._left = chain(self._batch)  # its own iterator refuses to be looped over a second time
        try:
            found = _records(topic, partition, islice(self._left, most))
        except UnicodeDecodeError:
            self._left = chain(self.forgivingly())
            for _ in islice(self._left, self._taken):
                pass
            found = _records(topic, partition, islice(self._left, most))
        self._taken += len(found)
        if len(found) < most:
            self._left = iter(())  # aiokafka's own raises when it is asked again
        return found


class FetchedRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one fetch of one partition, or its batches.

    Stock: a frozen dataclass of eleven fields for each record, through a method, a generator and another method, which
    is 1.3 µs of the 6 that a plain loop takes to read, decode and add; this is 0.7.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        if self._value_deserializer is packed:
            self._records.kind = PackedRecords

    def __iter__(self) -> Iterator[Any]:
        """The generator that reads them, without a call for each."""
        records: Iterator[Any] = self._records_iterator
        return records

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        if isinstance(record, PackedRecords):
            return record
        (ours,) = _records(tp.topic, tp.partition, iter((record,)))
        return ours


def _records(topic: str, partition: int, records: Iterator[Any]) -> list[Record]:
    return [
        Record(
            topic,
            partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(headers) if (headers := record.headers) else (),
        )
        for record in records
    ]
