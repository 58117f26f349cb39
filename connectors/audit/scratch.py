"""Where facts of two places meet: a temporary database on disk, so that memory stays bounded whatever there is."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

_TABLES = """
CREATE TABLE published (
    id TEXT PRIMARY KEY, tenant TEXT, topic TEXT, aggregate TEXT, partition_ INT, offset_ INT, times INT, contents BLOB,
    at_s INT
) WITHOUT ROWID;
CREATE TABLE outbox (
    id TEXT PRIMARY KEY, tenant TEXT, topic TEXT, aggregate TEXT, sequence INT, age_s INT) WITHOUT ROWID;
CREATE INDEX outbox_aggregate ON outbox (topic, aggregate);
CREATE TABLE invoices (
    id TEXT PRIMARY KEY, tenant TEXT, number TEXT, position INT, statement TEXT, subscription TEXT, at TEXT,
    command TEXT, kind TEXT, partition_ INT, journal INT, settled INT) WITHOUT ROWID;
CREATE TABLE kept (partition_ INT PRIMARY KEY, oldest INT, newest INT) WITHOUT ROWID;
CREATE INDEX invoices_statement ON invoices (tenant, statement);
CREATE TABLE told (kind TEXT, id TEXT, tenant TEXT, name TEXT, digest BLOB, PRIMARY KEY (kind, id)) WITHOUT ROWID;
CREATE TABLE statements (
    id TEXT, digest BLOB, tenant TEXT, partition_ INT, offset_ INT, subscription TEXT, at TEXT, command TEXT, kind TEXT,
    owed INT, done INT, PRIMARY KEY (id, digest)) WITHOUT ROWID;
CREATE INDEX statements_command ON statements (command);
CREATE INDEX statements_place ON statements (partition_, offset_);
CREATE TABLE letters (
    topic TEXT, partition_ INT, offset_ INT, reason TEXT, digest BLOB, PRIMARY KEY (topic, partition_, offset_, reason)
) WITHOUT ROWID;
"""


class Published(NamedTuple):
    """A record of the relay's."""

    id: str
    tenant: str
    topic: str
    aggregate: str
    partition: int
    offset: int
    content: bytes
    """A digest of its value."""
    at_s: int
    """When it was written."""


class Scratch:
    """The temporary database; it is gone once the process is."""

    def __init__(self) -> None:
        # The empty name: a file of its own that SQLite deletes at once, with a cache of some megabytes before it.
        self._connection = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._connection.executescript("PRAGMA synchronous = off; PRAGMA journal_mode = off;" + _TABLES)

    def add(self, table: str, rows: Iterable[tuple[object, ...]], width: int) -> None:
        """The rows are there; one whose key is there already stays as it was."""
        places = ", ".join("?" * width)
        with self._together():
            self._connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({places})", rows)  # noqa: S608 - ours

    def publish(self, records: Iterable[Published]) -> None:
        """The records are counted; of one that comes again the first place stays, and every other content."""
        with self._together():
            self._connection.executemany(
                """INSERT INTO published VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?) ON CONFLICT (id) DO UPDATE SET
                times = times + 1, contents = CASE WHEN instr(contents, substr(excluded.contents, 1, 16)) > 0
                THEN contents ELSE CAST(contents || excluded.contents AS BLOB) END""",
                records,
            )

    def rows(self, query: str, *parameters: object) -> Iterator[tuple[Any, ...]]:
        """Yields what a query returns, bit by bit."""
        yield from self._connection.cursor().execute(query, parameters)

    def run(self, statement: str, *parameters: object) -> None:
        """Runs a statement."""
        self._connection.execute(statement, parameters)

    def close(self) -> None:
        """Nothing is left."""
        self._connection.close()

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        yield
        self._connection.execute("COMMIT")
