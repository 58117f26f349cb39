"""Records that are handed out together, in the place of a broker's batch."""

from collections.abc import Sequence
from dataclasses import dataclass

from streams.batching.batch import Record


@dataclass(frozen=True, slots=True)
class Together:
    """As `streams.batching.batch.Packed`."""

    records: Sequence[Record]

    @property
    def offset(self) -> int:
        """Of the last one."""
        return self.records[-1].offset

    @property
    def size_bytes(self) -> int:
        """Of the values."""
        return sum(len(record.value or b"") for record in self.records)

    def unpack(self, topic: str, partition: int, start: int) -> list[Record]:
        """Those from an offset on."""
        assert all((record.topic, record.partition) == (topic, partition) for record in self.records)
        return [record for record in self.records if record.offset >= start]
