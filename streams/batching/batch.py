"""What the transport hands to a fold, and what the fold hands back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from streams.batching.stores import StateReader
from streams.batching.tables import Changes, FoldTable


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as a fetch brought it: `key` and `value` are bytes, or None; `timestamp` in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: Any
    value: Any
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Packed(Protocol):
    """Records of one partition as the broker sent them, until they are folded."""

    @property
    def offset(self) -> int:
        """Of the last one; it may be gone meanwhile."""

    @property
    def size_bytes(self) -> int:
        """What they take in memory, packed: compressed as they came, with keys and headers."""

    def take(self, topic: str, partition: int, start: int, most: int) -> list[Record]:
        """The next records from an offset on: so many, or all that are left. Each is taken once."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """One fetch of one partition, or the rest of it: all records between two source positions."""

    topic: str
    partition: int
    packed: Sequence[Packed]
    """May be empty: transaction markers and aborted records take offsets too, and the position must pass them."""
    start: int
    """Position before the batch: where the batch before it ended."""
    end: int
    """Position after the batch; larger than the last record's offset + 1 where markers follow it."""
    lag: int = 0
    """How far the log's end was from there when it was fetched."""
    size_bytes: int = 0
    """What all of the fetch takes in memory, packed; of its rest too, until that is empty."""

    @property
    def offsets(self) -> int:
        """How many records there are at most."""
        return self.end - self.start

    def turn(self, most: int) -> "tuple[Turn, RecordBatch | None]":
        """Takes the first records, so many at most; returns them, and the rest if that takes offsets.

        No more are unpacked than that: a small batch may hold very many.
        """
        records: list[Record] = []
        for at, one in enumerate(self.packed):
            records += one.take(self.topic, self.partition, self.start, most - len(records))
            if len(records) == most and (position := records[-1].offset + 1) < self.end:
                return Turn(records, position), replace(self, packed=self.packed[at:], start=position)
        return Turn(records, self.end), None

    def since(self, position: int) -> "RecordBatch":
        """The part from a later position on, of a batch that nothing was taken of."""
        return replace(self, packed=[one for one in self.packed if one.offset >= position], start=position)


class Turn(NamedTuple):
    """Records to fold, and the position after them."""

    records: list[Record]
    end: int


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

    tables: Mapping[FoldTable, Changes] = field(default_factory=dict)
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
