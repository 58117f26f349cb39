"""Tables, their changelog records, and the local stores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import rocksdict
from hypothesis import given
from hypothesis import strategies as st

from streams.batching.stores import MemoryStore, RocksStore, Store, Stores
from streams.batching.tables import Changes, FoldTable, PackedIdTable

TABLE = FoldTable("accounts", "app-accounts-changelog")
IDS = PackedIdTable("ids", "app-ids-changelog", retention_s=60)


@dataclass
class Record:
    """A changelog record, as far as a table looks at it."""

    key: bytes
    value: bytes | None


def row(number: int) -> bytes:
    return number.to_bytes(16, "big") + number.to_bytes(8, "big") * 2


@given(st.lists(st.binary(min_size=32, max_size=32), unique_by=lambda one: one[:16]))
def test_unpacking_packed_ids_gives_them_back(rows: list[bytes]) -> None:
    records = [Record(key, value) for key, value in IDS.pack(rows)]
    assert IDS.unpack(records) == rows


def test_packed_records_stay_under_the_batch_size_and_are_keyed_by_their_first_row() -> None:
    rows = [row(number) for number in range(45_000)]
    records = list(IDS.pack(rows))
    assert [(key, len(value or b"")) for key, value in records] == [
        (rows[0][16:24], 640_000),
        (rows[20_000][16:24], 640_000),
        (rows[40_000][16:24], 160_000),
    ]


@pytest.mark.parametrize(
    "bad", [[row(1), b"v" * 31], [b"v" * 33, b"v" * 31], {b"k" * 16: b"v" * 16}, {b"k" * 16: None}]
)
def test_an_id_row_of_another_size_is_refused(bad: Changes) -> None:
    with pytest.raises(ValueError, match="table ids: a row must be 16 \\+ 16 bytes"):
        list(IDS.pack(bad))


@pytest.mark.parametrize("kind", ["memory", "rocksdb", "rocksdb with expiry"])
def test_of_rows_of_one_id_the_last_in_the_changelog_is_restored(kind: str, tmp_path: Path) -> None:
    """A refusal takes an id back, and what was refused may count later: at the same position, in whatever order."""
    rows = [row(1)[:24] + digest for digest in (b"\xff" * 8, b"\x01" * 8, b"\xfe" * 8, b"\x02" * 8)]
    together = [Record(b"k", b"".join([*rows[:2], row(2)])), Record(b"l", b"".join(rows[2:]))]
    store = OPENERS[kind](tmp_path / "store")
    store.write(IDS.unpack(together), 1)
    assert store.get(rows[0][:16]) == rows[-1][16:]
    store.close()


def test_rows_for_a_table_that_is_not_packed_are_refused() -> None:
    with pytest.raises(ValueError, match="table accounts: rows are for packed tables"):
        list(TABLE.pack([row(1)]))


def test_unpacking_a_table_keeps_the_last_value_of_a_key() -> None:
    records = [Record(b"a", b"1"), Record(b"b", b"1"), Record(b"a", None)]
    assert TABLE.unpack(records) == {b"a": None, b"b": b"1"}


OPENERS: dict[str, Callable[[Path], Store]] = {
    "memory": lambda _: MemoryStore(),
    "rocksdb": lambda path: RocksStore(path, None, rocksdict.Cache(1 << 20)),
    "rocksdb with expiry": lambda path: RocksStore(path, 3600, rocksdict.Cache(1 << 20)),
}


@pytest.mark.parametrize("kind", OPENERS)
def test_a_store_holds_what_was_written_and_how_far(kind: str, tmp_path: Path) -> None:
    store = OPENERS[kind](tmp_path / "store")
    assert (store.changelog_offset, store.get(b"a")) == (None, None)
    store.write({b"a": b"1", b"b": b"2", b"c": b"3"}, 7)
    store.write({b"b": None, b"c": b"4", b"absent": None}, 9)
    assert store.changelog_offset == 9
    assert store.get_many([b"c", b"b", b"a"]) == [b"4", None, b"1"]
    store.write([row(2), row(1)], 10)
    assert (store.changelog_offset, store.get(row(1)[:16]), store.get(row(2)[:16])) == (10, row(1)[16:], row(2)[16:])
    store.clear()
    emptied: int | None = store.changelog_offset
    assert (emptied, store.get_many([b"a"])) == (None, [None])
    store.close()


def test_a_rocksdb_store_outlives_its_process(tmp_path: Path) -> None:
    stores = Stores("rocksdb://", tmp_path, [TABLE, IDS])
    stores.keep([0, 1])
    stores[1][TABLE].write({b"a": b"1"}, 5)
    stores.close()
    again = Stores("rocksdb://", tmp_path, [TABLE, IDS]).keep([1])
    assert {p: {t.name: s.changelog_offset for t, s in tables.items()} for p, tables in again.items()} == {
        1: {"accounts": 5, "ids": None}
    }


def test_a_partition_that_stays_keeps_its_store_and_others_are_closed(tmp_path: Path) -> None:
    stores = Stores("memory://", tmp_path, [TABLE])
    kept = stores.keep([0, 1])[1][TABLE]
    assert stores.keep([1, 2])[1][TABLE] is kept
    assert list(stores.keep([2])) == [2]


def test_a_store_that_cannot_be_closed_keeps_no_other_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = Stores("rocksdb://", tmp_path, [TABLE, IDS])
    stores.keep([0, 1])

    def fail() -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(stores[0][TABLE], "close", fail)
    others = [stores[0][IDS], stores[1][TABLE], stores[1][IDS]]
    with pytest.raises(OSError, match="No space left"):
        stores.close()
    for store in others:
        with pytest.raises(Exception, match="closed"):
            store.get(b"a")


def test_an_unknown_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="use rocksdb:// or memory://"):
        Stores("redis://", tmp_path, [TABLE])
