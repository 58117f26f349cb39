"""Usage ids as a partition knows them: new ones in memory until they are flushed, the others in its table."""

from collections.abc import Callable
from typing import Final, TypeAlias

POSITION_BYTES: Final = 8
Row: TypeAlias = bytes | None
"""An id's row in the table: 8 bytes of position, 8 of content."""


class SeenInBatch:
    """The ids of a batch that was read at once, and those that are new since the last flush; the hot path asks it."""

    __slots__ = ("_new", "_stored")

    def __init__(self, new: dict[bytes, bytes], keys: list[bytes], lookup: Callable[[list[bytes]], list[Row]]) -> None:
        self._new = new
        # Nearly all are new: 0.6 µs an id for all at once, against 12 µs for single reads.
        self._stored = {key: row for key, row in zip(keys, lookup(keys), strict=True) if row is not None}

    def get(self, key: bytes, /) -> tuple[int, bytes] | None:
        """Where and with what content an id of the batch was seen first; None when it is new."""
        row = self._new.get(key) or self._stored.get(key)
        return None if row is None else _seen(row)

    def put(self, key: bytes, known: tuple[int, bytes], /) -> None:
        """From now on the id is known."""
        self._new[key] = known[0].to_bytes(POSITION_BYTES, "big") + known[1]


class SeenIds:
    """The ids of one partition: new ones in memory until they are flushed, the others in the table."""

    def __init__(self, lookup: Callable[[list[bytes]], list[Row]]) -> None:
        self._lookup = lookup
        self.new: dict[bytes, bytes] = {}
        """As rows of the table: bytes are nothing to the garbage collector."""

    def of(self, keys: list[bytes]) -> SeenInBatch:
        """The ids of a batch: it knows these and no others."""
        return SeenInBatch(self.new, keys, self._lookup)

    def get(self, key: bytes, /) -> tuple[int, bytes] | None:
        """Where and with what content any id was seen first; None when it is new."""
        row = self.new.get(key) or self._lookup([key])[0]
        return None if row is None else _seen(row)

    def put(self, key: bytes, known: tuple[int, bytes], /) -> None:
        """From now on the id is known."""
        self.new[key] = known[0].to_bytes(POSITION_BYTES, "big") + known[1]


def _seen(row: bytes) -> tuple[int, bytes]:
    return int.from_bytes(row[:POSITION_BYTES], "big"), row[POSITION_BYTES:]
