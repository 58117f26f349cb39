"""Fetched records as we use them: aiokafka's own parser and rules, and half of the time that its records take."""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher

from streams.batching.batch import Record


def lighten() -> None:
    """From now on every consumer of this process hands `Record`s out."""
    fetcher.PartitionRecords = FetchedRecords  # no other way in: the fetcher looks the name up where it is used


class FetchedRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """The records of one fetch of one partition.

    Stock: a frozen dataclass of eleven fields for each record, through a method, a generator and another method, which
    is 1.3 µs of the 6 that a plain loop takes to read, decode and add; this is 0.7.
    """

    def __iter__(self) -> Iterator[Record]:
        """The generator that reads them, without a call for each."""
        records: Iterator[Record] = self._records_iterator
        return records

    def _consumer_record(self, tp: Any, record: Any) -> Record:
        headers = record.headers
        return Record(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp,
            record.key,
            record.value,
            tuple(headers) if headers else (),
        )
