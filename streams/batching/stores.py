"""Local stores: one for each table and owned partition, a cache of the changelog that a restart need not read again."""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import rocksdict

from streams.batching.tables import ID_BYTES, Changes, FoldTable, entries

_OFFSET_KEY = b"\x00changelog-offset"
_WRITE_BUFFER_BYTES = 4 << 20  # random keys: an insertion takes 1.2 µs, in 16 MiB 2.2, as it misses the caches
_BLOCK_CACHE_BYTES = 64 << 20
_BLOOM_BITS = 10
_MEMTABLE_BLOOM = 0.1
"""Of the write buffer, for a filter before it: looking up a key that is not there, as nearly every id is, takes 0.6 µs
in place of 2.9."""


class StateReader(Protocol):
    """What a fold may do with a store."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value as of the last flush."""

    def get_many(self, keys: list[bytes], /) -> list[bytes | None]:
        """The values as of the last flush, in the order of the keys; far cheaper than one by one."""


class Store(StateReader, Protocol):
    """What the transport does with a store."""

    @property
    def changelog_offset(self) -> int | None:
        """Offset of the last changelog record that the store holds; None: it is empty."""

    def write(self, changes: Changes, changelog_offset: int) -> None:
        """Changes and offset are written together or not at all, so that no crash leaves a hole before the offset."""

    def clear(self) -> None:
        """The store is empty."""

    def close(self) -> None:
        """Files and locks are released."""


class MemoryStore:
    """A dict; each start restores it from the log's beginning."""

    def __init__(self) -> None:
        self._items: dict[bytes, bytes] = {}
        self._changelog_offset: int | None = None
        self.get = self._items.get

    @property
    def changelog_offset(self) -> int | None:
        """See `Store`."""
        return self._changelog_offset

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """See `StateReader`."""
        return [self.get(key) for key in keys]

    def write(self, changes: Changes, changelog_offset: int) -> None:
        """See `Store`."""
        for key, value in entries(changes):
            if value is None:
                self._items.pop(key, None)
            else:
                self._items[key] = value
        self._changelog_offset = changelog_offset

    def clear(self) -> None:
        """See `Store`."""
        self._items.clear()
        self._changelog_offset = None

    def close(self) -> None:
        """See `Store`."""
        self.clear()


class RocksStore:
    """RocksDB with its write-ahead log unsynced: a power cut loses a tail, which the restore reads again.

    Without the log each kill would lose what no buffer has brought to disk, of a quiet partition that of weeks; by then
    the changelog may have compacted deletions away that the store has not seen.
    """

    def __init__(self, path: Path, ttl_s: int | None, cache: Any) -> None:
        self._path, self._ttl_s, self._cache = path, ttl_s, cache
        self._open()

    def _open(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        access = rocksdict.AccessType
        self._db: Any = rocksdict.Rdict(
            str(self._path),
            options=_options(self._cache),
            access_type=access.read_write() if self._ttl_s is None else access.with_ttl(self._ttl_s),
        )
        self.get = self._db.get

    @property
    def changelog_offset(self) -> int | None:
        """See `Store`."""
        raw = self._db.get(_OFFSET_KEY)
        return None if raw is None else int.from_bytes(raw, "big")

    def get_many(self, keys: list[bytes]) -> list[bytes | None]:
        """See `StateReader`."""
        found: list[bytes | None] = self._db.get(keys)
        return found

    def write(self, changes: Changes, changelog_offset: int) -> None:
        """See `Store`."""
        batch = rocksdict.WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        # Sorted, since where the last one went in is in the cache; and no tuple for each, for the collector's sake.
        if isinstance(changes, list):
            for row in sorted(changes):
                put(row[:ID_BYTES], row[ID_BYTES:])
        else:
            for key in sorted(changes):
                value = changes[key]
                if value is None:
                    delete(key)
                else:
                    put(key, value)
        put(_OFFSET_KEY, changelog_offset.to_bytes(8, "big"))
        self._db.write(batch)

    def clear(self) -> None:
        """See `Store`."""
        self._db.close()
        shutil.rmtree(self._path)
        self._open()

    def close(self) -> None:
        """See `Store`."""
        self._db.close()


def _options(cache: Any) -> Any:
    options = rocksdict.Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_write_buffer_size(_WRITE_BUFFER_BYTES)
    options.set_memtable_prefix_bloom_ratio(_MEMTABLE_BLOOM)
    options.set_memtable_whole_key_filtering(whole_key_filter=True)
    table = rocksdict.BlockBasedOptions()
    table.set_bloom_filter(_BLOOM_BITS, block_based=False)
    table.set_block_cache(cache)
    options.set_block_based_table_factory(table)
    return options


class Stores:
    """The open stores of a worker."""

    def __init__(self, url: str, directory: Path, tables: Sequence[FoldTable]) -> None:
        if url not in {"rocksdb://", "memory://"}:
            raise ValueError(f"table store {url!r}: use rocksdb:// or memory://")
        self._directory = None if url == "memory://" else directory
        self._tables = tables
        self._cache: Any = None if self._directory is None else rocksdict.Cache(_BLOCK_CACHE_BYTES)
        self._open: dict[int, dict[FoldTable, Store]] = {}

    def keep(self, partitions: Iterable[int]) -> dict[int, dict[FoldTable, Store]]:
        """The stores of these partitions, opened where they were not; those of all others are closed.

        A partition that stays keeps its store: the restore then reads only what it misses.
        """
        wanted = set(partitions)
        with ExitStack() as closing:  # all of them, though one may fail, as on a full disk
            for partition in self._open.keys() - wanted:
                for store in self._open.pop(partition).values():
                    closing.callback(store.close)
        for partition in wanted - self._open.keys():
            self._open[partition] = {table: self._new(table, partition) for table in self._tables}
        return {partition: self._open[partition] for partition in sorted(wanted)}

    def __getitem__(self, partition: int) -> dict[FoldTable, Store]:
        return self._open[partition]

    def close(self) -> None:
        """All stores are closed."""
        self.keep(())

    def _new(self, table: FoldTable, partition: int) -> Store:
        if self._directory is None:
            return MemoryStore()
        return RocksStore(self._directory / f"{table.name}-{partition}", table.ttl_s, self._cache)
