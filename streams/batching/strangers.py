"""Records of strangers: a header whose name is no UTF-8 must not end a worker for ever.

Kafka's protocol calls a header's name a string, and no broker looks. aiokafka's parser raises in the middle of the
fetch, at every attempt, so that nothing behind such a record would ever be read.
"""

import struct
from collections.abc import Iterator
from typing import Any, Final

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

_HEAD: Final = struct.Struct(">qi")  # a batch begins with its first offset and its length


def forgive() -> None:
    """From now on every consumer of this process reads on behind such a record; the name's bytes are shown escaped."""
    fetcher.MemoryRecords = ForgivingRecords  # no other way in: the fetcher looks the name up where it is used


class ForgivingRecords:
    """The batches of a fetch, as aiokafka's `MemoryRecords`; each can be read a second time, forgivingly."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._at = memoryview(raw), 0
        self.kind: type[ForgivingBatch] = ForgivingBatch
        """What the batches are handed out as."""
        self._records: Any = MemoryRecords(raw)
        self.has_next, self.size_in_bytes = self._records.has_next, self._records.size_in_bytes

    def next_batch(self) -> "ForgivingBatch":
        """The next batch."""
        _, length = _HEAD.unpack_from(self._raw, self._at)
        start, self._at = self._at, self._at + _HEAD.size + length
        return self.kind(self._records.next_batch(), self._raw[start : self._at])


class ForgivingBatch:
    """A batch whose records are read by the fast parser, and from the start again by ours where that one fails.

    The fetcher drops what it has seen already: offsets below the one it expects.
    """

    def __init__(self, batch: Any, raw: memoryview) -> None:
        self._batch, self._raw = batch, raw
        self.size_bytes = len(raw)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __next__(self) -> Any:
        return next(self._batch)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._batch
        except UnicodeDecodeError:
            yield from self.forgivingly()

    def forgivingly(self) -> Any:
        """An iterator over all of its records."""
        batch: Any = iter(_DefaultRecordBatchPy(self._raw))
        batch._buffer = _Forgiving(batch._buffer)  # noqa: SLF001 - what it cuts the names out of
        return batch


class _Forgiving(bytearray):
    """Bytes whose parts are decoded whatever they hold."""

    def __getitem__(self, at: Any) -> Any:
        part = super().__getitem__(at)
        return _Forgiving(part) if isinstance(part, bytearray) else part

    def decode(self, *_: Any, **__: Any) -> str:
        return super().decode("utf-8", "backslashreplace")
