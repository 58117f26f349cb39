"""Tables: what a fold remembers, one changelog topic each, partitioned like the source.

They take the place of Faust's tables, which write a record per changed key per event and the local store first; a crash
then leaves the disk ahead of the changelog, where no other worker sees it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeAlias

Items: TypeAlias = Mapping[bytes, bytes | None]
"""Values by their keys; None deletes."""

POSITION_KEY = b"\x00position"
"""Reserved in the table that carries the source position: 8 bytes, big-endian, the next offset to fold."""

_FOREVER = -1
_TOMBSTONES_KEPT_MS = 7 * 86_400_000  # a local store that was away for less has seen every deletion


def changelog(app_id: str, table: str) -> str:
    """The topic that holds what is in a table of an application."""
    return f"{app_id}-{table}-changelog"


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

    def pack(self, items: Items) -> Iterable[tuple[bytes, bytes | None]]:
        """Keys and values of changelog records that hold the items."""
        return items.items()

    def unpack(self, records: Sequence[Any]) -> Items:
        """What changelog records hold, the last of a key only."""
        return {record.key: record.value for record in records}


ID_BYTES = 16
_ROW_BYTES = 2 * ID_BYTES
_ROWS_PER_RECORD = 20_000  # 640 kB, so that a record always fits a producer batch


@dataclass(frozen=True, slots=True)
class PackedIdTable(FoldTable):
    """16-byte keys with 16-byte values that are written once: ids seen, and what was seen with them.

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

    def pack(self, items: Items) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of changelog records of up to 20,000 rows.

        Raises:
            ValueError: If an item is not 16 + 16 bytes.
        """
        # Flat, since a tuple for each row is what the garbage collector would look at most (7 % of rating).
        parts = [part or b"" for part in chain.from_iterable(items.items())]
        for first in range(0, len(parts), 2 * _ROWS_PER_RECORD):
            rows = parts[first : first + 2 * _ROWS_PER_RECORD]
            packed = b"".join(rows)
            if len(packed) != ID_BYTES * len(rows):
                raise ValueError(
                    f"table {self.name}: an id row must be {ID_BYTES} + {ID_BYTES} bytes and is never deleted"
                )
            yield rows[1][:8], packed

    def unpack(self, records: Sequence[Any]) -> Items:
        """What changelog records hold."""
        return {
            packed[at : at + ID_BYTES]: packed[at + ID_BYTES : at + _ROW_BYTES]
            for packed in (record.value for record in records)
            for at in range(0, len(packed), _ROW_BYTES)
        }
