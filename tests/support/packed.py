"""Records that are handed out together, in the place of a broker's batch."""

from collections.abc import Sequence

from streams.batching.batch import Record


class Together:
    """As `streams.batching.batch.Packed`."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.offset = records[-1].offset
        self.size_bytes = sum(len(record.value or b"") for record in records)
        self._left = list(records)

    def take(self, topic: str, partition: int, start: int, most: int) -> list[Record]:
        """The next records from an offset on: so many, or all that are left."""
        assert all((record.topic, record.partition) == (topic, partition) for record in self._left)
        left = [record for record in self._left if record.offset >= start]
        self._left = left[most:]
        return left[:most]
