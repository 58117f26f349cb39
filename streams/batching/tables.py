"""Tables: what a fold remembers, one changelog topic each, partitioned like the source.

They take the place of Faust's tables, which write a record per changed key per event and the local store first; a crash
then leaves the disk ahead of the changelog, where no other worker sees it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Changes: TypeAlias = Mapping[bytes, bytes | None] | list[bytes]
"""What changes in a table: values by their keys, None deletes; in a packed table rows, each a key and its value, and no
two of one key."""

POSITION_KEY = b"\x00position"
"""Reserved in the table that carries the source position: 8 bytes, big-endian, the next offset to fold."""

ID_BYTES = 16
_ROW_BYTES = 2 * ID_BYTES
_POSITION_BYTES = 8
_FOREVER = -1
_TOMBSTONES_KEPT_MS = 7 * 86_400_000  # a local store that was away for less has seen every deletion


def changelog(app_id: str, table: str) -> str:
    """The topic that holds what is in a table of an application."""
    return f"{app_id}-{table}-changelog"


def entries(changes: Changes) -> Iterable[tuple[bytes, bytes | None]]:
    """Keys and values of what changes."""
    if isinstance(changes, list):
        return ((row[:ID_BYTES], row[ID_BYTES:]) for row in changes)
    return changes.items()


@dataclass(frozen=True, slots=True)
class FoldTable:
    """Raw keys and values; the changelog is compacted."""

    name: str
    changelog: str

    @property
    def changelog_config(self) -> dict[str, str]:
        """How the changelog topic is created."""
        return {"cleanup.policy": "compact", "delete.retention.ms": str(_TOMBSTONES_KEPT_MS)}

    @property
    def ttl_s(self) -> int | None:
        """Seconds after which the local store may forget an item; None: never."""
        return None

    def pack(self, changes: Changes) -> Iterable[tuple[bytes, bytes | None]]:
        """Keys and values of changelog records that hold the changes.

        Raises:
            ValueError: If they are rows.
        """
        if isinstance(changes, list):
            raise ValueError(f"table {self.name}: rows are for packed tables, this one takes values by their keys")  # noqa: TRY004 - a wrong choice of table, not of type
        return changes.items()

    def unpack(self, records: Sequence[Any]) -> Changes:
        """What changelog records hold, the last of a key only."""
        return {record.key: record.value for record in records}


_ROWS_PER_RECORD = 20_000  # 640 kB, so that a record always fits a producer batch


@dataclass(frozen=True, slots=True)
class PackedIdTable(FoldTable):
    """16-byte keys with 16-byte values: ids seen, and what was seen with them; the last row of a key counts.

    The changelog packs many into a record (32 bytes each), keyed by the leading 8 bytes of the first one's value, which
    is its source offset. Rows are never deleted: they expire, in the changelog and on disk, after `retention_s`.
    """

    retention_s: int | None = None

    @property
    def changelog_config(self) -> dict[str, str]:
        """Retention instead of compaction: no two records have the same key."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(_FOREVER if self.retention_s is None else self.retention_s * 1000),
            "retention.bytes": str(_FOREVER),
        }

    @property
    def ttl_s(self) -> int | None:
        """Seconds after which the local store may forget a row."""
        return self.retention_s

    def pack(self, changes: Changes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of changelog records of up to 20,000 rows.

        Raises:
            ValueError: If they are no rows of 16 + 16 bytes.
        """
        if not isinstance(changes, list) or {*map(len, changes)} - {_ROW_BYTES}:
            raise ValueError(f"table {self.name}: a row must be {ID_BYTES} + {ID_BYTES} bytes and is never deleted")
        for first in range(0, len(changes), _ROWS_PER_RECORD):
            rows = changes[first : first + _ROWS_PER_RECORD]
            yield rows[0][ID_BYTES : ID_BYTES + _POSITION_BYTES], b"".join(rows)

    def unpack(self, records: Sequence[Any]) -> Changes:
        """What changelog records hold, the last row of a key only."""
        last = {
            packed[at : at + ID_BYTES]: packed[at : at + _ROW_BYTES]
            for packed in (record.value for record in records)
            for at in range(0, len(packed), _ROW_BYTES)
        }
        return list(last.values())
