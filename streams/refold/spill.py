"""What was refolded, kept on the disk until it is compared, so that a tenant of any size fits."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_SCHEMA: Final = """
CREATE TABLE statements (
    statement_id TEXT PRIMARY KEY, partition INTEGER, position INTEGER, value BLOB, owes INTEGER,
    published INTEGER, invoiced INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE events (invoice_id TEXT PRIMARY KEY, number TEXT, value BLOB, told INTEGER NOT NULL DEFAULT 0)
WITHOUT ROWID;
"""


class Refolded(NamedTuple):
    """A statement that was refolded: its record, and what was found of it so far."""

    statement_id: str
    partition: int
    position: int
    value: bytes
    owes: bool
    """Whether it has lines, and so an invoice."""
    published: int | None
    """The offset of its record on the statements topic; None where none was found."""


class Told(NamedTuple):
    """The event that tells of an invoice, as it ought to be."""

    invoice_id: str
    number: str
    value: bytes


class Spill:
    """Refolded statements and events, in a file."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path)
        self._db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")

    def add(self, statement: Refolded) -> bool:
        """Keeps a statement; False where one of its id is there already."""
        done = self._db.execute(
            "INSERT OR IGNORE INTO statements VALUES (?, ?, ?, ?, ?, ?, 0)", (*statement[:4], *statement[4:])
        )
        return bool(done.rowcount)

    def statement(self, statement_id: str) -> Refolded | None:
        """Returns the statement; None where the journal says none of this id."""
        row = self._db.execute(
            "SELECT statement_id, partition, position, value, owes, published FROM statements WHERE statement_id = ?",
            (statement_id,),
        ).fetchone()
        return None if row is None else Refolded(*row)

    def published(self, statement_id: str, offset: int) -> None:
        """Its record stands on the statements topic."""
        self._db.execute("UPDATE statements SET published = ? WHERE statement_id = ?", (offset, statement_id))

    def invoiced(self, statement_id: str) -> None:
        """It has its invoice."""
        self._db.execute("UPDATE statements SET invoiced = 1 WHERE statement_id = ?", (statement_id,))

    def all(self) -> Iterator[Refolded]:
        """Yields every statement, in the order of the journal."""
        yield from self._some("TRUE")

    def unpublished(self) -> Iterator[Refolded]:
        """Yields the statements without a record."""
        yield from self._some("published IS NULL")

    def uninvoiced(self) -> Iterator[Refolded]:
        """Yields the statements that owe an invoice and have none."""
        yield from self._some("owes AND NOT invoiced")

    def tell(self, told: Told) -> None:
        """Keeps the event that ought to tell of an invoice."""
        self._db.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, 0)", told)

    def event(self, invoice_id: str) -> Told | None:
        """Returns the event that ought to tell of the invoice."""
        row = self._db.execute(
            "SELECT invoice_id, number, value FROM events WHERE invoice_id = ?", (invoice_id,)
        ).fetchone()
        return None if row is None else Told(*row)

    def told(self, invoice_id: str) -> None:
        """An event that tells of the invoice was found."""
        self._db.execute("UPDATE events SET told = 1 WHERE invoice_id = ?", (invoice_id,))

    def untold(self) -> Iterator[Told]:
        """Yields the events that were found nowhere."""
        for row in self._db.execute("SELECT invoice_id, number, value FROM events WHERE NOT told ORDER BY number"):
            yield Told(*row)

    def close(self) -> None:
        """The file is closed."""
        self._db.close()

    def _some(self, condition: str) -> Iterator[Refolded]:
        query = "SELECT statement_id, partition, position, value, owes, published FROM statements"
        for row in self._db.execute(f"{query} WHERE {condition} ORDER BY partition, position"):
            yield Refolded(*row)
