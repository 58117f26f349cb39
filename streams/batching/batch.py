"""What the transport hands to a fold, and what the fold hands back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from streams.batching.stores import StateReader
from streams.batching.tables import FoldTable, Items


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as a fetch brought it: `key` and `value` are bytes, or None; `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: Any
    value: Any
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One fetch of one partition: all records between two source positions."""

    topic: str
    partition: int
    records: Sequence[Record]
    """May be empty: transaction markers and aborted records take offsets too, and the position must pass them."""
    start: int
    """Position before the batch: where the batch before it ended."""
    end: int
    """Position after the batch; larger than the last record's offset + 1 where markers follow it."""
    lag: int = 0
    """How far the log's end was from there when it was fetched."""

    size_bytes: int = 0
    """Bytes of the values; of a part of a fetch its share by the number of records, as counting takes 0.05 µs a record.
    """

    def split(self, count: int) -> "tuple[RecordBatch, RecordBatch]":
        """The first `count` records, of more, and the rest."""
        middle, share = self.records[count - 1].offset + 1, self._share_bytes(count)
        return (
            replace(self, records=self.records[:count], end=middle, size_bytes=share),
            replace(self, records=self.records[count:], start=middle, size_bytes=self.size_bytes - share),
        )

    def since(self, position: int) -> "RecordBatch":
        """The part from a later position on."""
        records = [record for record in self.records if record.offset >= position]
        return replace(self, records=records, start=position, size_bytes=self._share_bytes(len(records)))

    def _share_bytes(self, count: int) -> int:
        return self.size_bytes * count // len(self.records) if self.records else 0


class Outgoing(NamedTuple):
    """A record to publish with the flush; at most `BatchSettings.record_max_bytes` long.

    A tuple, because an agent that passes every record on makes one for each (0.3 µs instead of 1 µs).
    """

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int | None = None
    """None: when it is sent."""


@dataclass(frozen=True, slots=True)
class Flush:
    """All that a fold changed since its last flush."""

    tables: Mapping[FoldTable, Items] = field(default_factory=dict)
    """What changed. The fold's own dict will do: that stays until `flushed`."""
    outcomes: Sequence[Outgoing] = ()
    """Published in this order within a topic partition."""


@dataclass(frozen=True, slots=True)
class Partition:
    """An owned partition, as its fold sees it."""

    number: int
    _stores: Mapping[FoldTable, StateReader]

    def store(self, table: FoldTable) -> StateReader:
        """The partition's part of a table, as of the last flush."""
        return self._stores[table]


class Fold(Protocol):
    """One partition's state between two flushes. It must be deterministic in the log: no clock, no outside look-up.

    Calls never overlap: while a flush is under way nothing is folded, so a fold needs no second working set.
    """

    async def fold(self, records: Sequence[Record], /) -> None:
        """Takes the next records of the partition; every record comes once, in order. An error ends the worker."""

    def flush(self) -> Flush:
        """What changed since the last flush; the working set is clean afterwards."""

    def flushed(self) -> None:
        """The last `flush` is committed and readable in the stores: clean keys may be evicted now."""


FoldFactory: TypeAlias = Callable[[Partition], Fold]
