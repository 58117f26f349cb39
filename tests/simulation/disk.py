"""Local disks: what a worker wrote there survives its death, and may lose a tail to a power cut, or everything."""

from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from streams.batching.stores import MemoryStore, Stores
from streams.batching.tables import Changes, FoldTable, entries

_SYNCED_EVERY = 8


@dataclass(slots=True)
class File:
    """One store on a disk: what is safe, and writes since, each whole."""

    items: dict[bytes, bytes] = field(default_factory=dict)
    changelog_offset: int | None = None
    unsynced: list[tuple[Changes, int]] = field(default_factory=list)

    def append(self, changes: Changes, changelog_offset: int) -> None:
        """A write; now and then all before it are safe."""
        self.unsynced.append((changes, changelog_offset))
        if len(self.unsynced) > _SYNCED_EVERY:
            self.sync()

    def sync(self) -> None:
        """Everything is safe."""
        for changes, offset in self.unsynced:
            for key, value in entries(changes):
                if value is None:
                    self.items.pop(key, None)
                else:
                    self.items[key] = value
            self.changelog_offset = offset
        self.unsynced = []

    def clear(self) -> None:
        """Nothing is left."""
        self.items, self.changelog_offset, self.unsynced = {}, None, []


@dataclass(slots=True)
class Disk:
    """The disk of one instance of a worker."""

    files: dict[tuple[str, int], File] = field(default_factory=dict)

    def cut_power(self, random: Random) -> None:
        """Of every store some of its last writes are gone."""
        for file in self.files.values():
            del file.unsynced[random.randint(0, len(file.unsynced)) :]

    def wipe(self) -> None:
        """Everything is gone."""
        self.files.clear()


class DiskStore(MemoryStore):
    """The product's store in memory, over a file."""

    def __init__(self, file: File) -> None:
        super().__init__()
        file.sync()
        self._file = file
        self._items.update(file.items)
        self._changelog_offset = file.changelog_offset

    def write(self, changes: Changes, changelog_offset: int) -> None:
        """See `Store`."""
        kept = copy(changes)
        super().write(kept, changelog_offset)
        self._file.append(kept, changelog_offset)

    def clear(self) -> None:
        """See `Store`."""
        super().clear()
        self._file.clear()

    def close(self) -> None:
        """See `Store`."""


class DiskStores(Stores):
    """The product's stores of a worker, on a simulated disk."""

    def __init__(self, disk: Disk, tables: Iterable[FoldTable]) -> None:
        super().__init__("memory://", Path(), list(tables))
        self._disk = disk

    def _new(self, table: FoldTable, partition: int) -> DiskStore:
        return DiskStore(self._disk.files.setdefault((table.name, partition), File()))
