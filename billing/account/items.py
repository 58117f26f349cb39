"""What of an account is written: one head, and small items that are read when they are asked for."""

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from billing.account.identity import group_mark
from billing.errors import Defect
from billing.statement import Total

if TYPE_CHECKING:
    from billing.account.cell import Cell

HEAD: Final = b""
"""The key suffix of the head."""
FRONTIER: Final = b"f"
VERSION: Final = 4
"""Stands first in every item; another one is refused, and a replay of the journal rebuilds the state."""

_LATE: Final = struct.Struct(">cI")
_PARKED: Final = struct.Struct(">cQ")
_CELL: Final = struct.Struct(">cIIH")
_GROUPS: Final = struct.Struct(">cIIHI")

LoadItem = Callable[[bytes], bytes | None]


def late_key(ordinal: int) -> bytes:
    """Returns the key of the cells of one subscription that changed after they were billed."""
    return _LATE.pack(b"l", ordinal)


def parked_key(number: int) -> bytes:
    """Returns the key of one parked usage."""
    return _PARKED.pack(b"p", number)


def cell_key(ordinal: int, window: int, price: int, group: tuple[str, ...]) -> bytes:
    """Returns the key of a cell."""
    return _CELL.pack(b"c", ordinal, window, price) + group_mark(group)


def groups_key(ordinal: int, window: int, price: int, part: int) -> bytes:
    """Returns the key of one part of the list of a window's groups."""
    return _GROUPS.pack(b"g", ordinal, window, price, part)


def check_version(version: object, what: str) -> None:
    """Refuses an item that other code wrote.

    Raises:
        Defect: the version is not `VERSION`.
    """
    if version != VERSION:
        raise Defect(f"{what} of version {version!r} was stored, this code reads {VERSION}; replay rebuilds it")


class Items:
    """The items of one account: what has changed lies over what `load` returns.

    `load` must know what `taken` handed out before, even while that is still on its way to the disk.
    """

    __slots__ = ("_changed", "_load", "_written_when_taken", "cells", "head_changed", "position", "totals")

    def __init__(self, load: LoadItem) -> None:
        self._load = load
        self._changed: dict[bytes, bytes | None] = {}
        self._written_when_taken: dict[bytes, Callable[[], bytes | None]] = {}
        self.cells: list[Cell] = []
        self.totals: list[Total] = []
        self.head_changed = False
        self.position = -1
        """The journal position that was applied last."""

    def get(self, key: bytes) -> bytes | None:
        """Returns an item as it stands now."""
        return self._changed[key] if key in self._changed else self._load(key)

    def put(self, key: bytes, value: bytes | None) -> None:
        """Writes an item; None deletes it."""
        self._changed[key] = value

    def put_when_taken(self, key: bytes, write: Callable[[], bytes | None]) -> None:
        """As `put`, once for all that happens to an item until it is taken; who puts so keeps what it holds himself."""
        self._written_when_taken[key] = write

    def touch(self, cell: "Cell") -> None:
        """Remembers that a cell has changed."""
        if not cell.dirty:
            cell.dirty = True
            self.cells.append(cell)

    def drop(self, cell: "Cell", final: Total | None) -> None:
        """Deletes a cell; `final` is the last total that is said of it, None where all has been said."""
        if final is not None:
            self.totals.append(final)
        cell.dirty = cell.dropped = True
        self.put(cell.key, None)

    def taken(self) -> list[tuple[bytes, bytes | None]]:
        """Returns what has changed since it was called last, cells included."""
        for cell in self.cells:
            if not cell.dropped:
                self._changed[cell.key] = cell.dump()
                cell.dirty = False
        for key, write in self._written_when_taken.items():
            self._changed[key] = write()
        self._written_when_taken.clear()
        changed, self._changed = self._changed, {}
        self.cells, self.totals, self.head_changed = [], [], False
        return list(changed.items())
