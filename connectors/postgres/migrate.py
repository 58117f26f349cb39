"""Migrations: plain SQL files by domain, one order over all, each applied once and never changed afterwards."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import psycopg

_NAME: Final = re.compile(r"(?P<number>[0-9]{4})_(?P<name>[a-z0-9_]+)\.sql")
_OUTSIDE_TRANSACTION: Final = "-- no-transaction"
_ADVISORY_KEY: Final = 0x6265616173  # "beaas": any constant does, if nothing else on the server uses it
_WAIT_FOR_OTHER_S: Final = 120  # as long as another migration may hold the advisory lock
_LOCK_TIMEOUT_S: Final = 5  # a migration that waits longer for a table would stop everybody queued behind it

_BOOKKEEPING: Final = """
CREATE SCHEMA IF NOT EXISTS beaas;
CREATE TABLE IF NOT EXISTS beaas.migrations (
    number integer PRIMARY KEY,
    domain text NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


class MigrationDrift(Exception):
    """The files and the database tell different histories; the text names the file and what to do."""


@dataclass(frozen=True, slots=True, order=True)
class Migration:
    """One file: its place in the one order, its domain, its text and the fingerprint that must never change."""

    number: int
    domain: str
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """The fingerprint of the text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def path(self) -> str:
        """Where the file stands below the migrations' directory."""
        return f"{self.domain}/{self.number:04}_{self.name}.sql"

    @property
    def in_transaction(self) -> bool:
        """Whether it runs in a transaction; one that does not holds a single statement that may be repeated."""
        return not self.sql.startswith(_OUTSIDE_TRANSACTION)


def migrations(directory: Traversable | None = None) -> tuple[Migration, ...]:
    """Returns all migrations in their order.

    Raises:
        MigrationDrift: two files have one number, or a file is not named `NNNN_name.sql`.
    """
    found: dict[int, Migration] = {}
    for migration in _read(directory or files("migrations")):
        twin = found.setdefault(migration.number, migration)
        if twin is not migration:
            raise MigrationDrift(f"{twin.path} and {migration.path} have one number; give the newer one the next free")
    return tuple(sorted(found.values()))


def migrate(url: str, directory: Traversable | None = None) -> tuple[Migration, ...]:
    """Brings the database to the newest migration and returns what was applied now, nothing where it stood there.

    Runs as the owner of the tables. Any number of processes may call it at once: one applies, the others wait.

    Raises:
        MigrationDrift: an applied file was changed or is missing, or a new one is numbered before an applied one.
        psycopg.Error: a statement failed; its file has left nothing behind, those before it stay.
    """
    wanted = migrations(directory)
    with psycopg.connect(url, autocommit=True, application_name="beaas migrate") as connection, _alone(connection):
        connection.execute(_BOOKKEEPING)
        pending = _pending(wanted, _applied(connection))
        for migration in pending:
            _apply(connection, migration)
    return pending


def check(url: str, directory: Traversable | None = None) -> tuple[Migration, ...]:
    """Returns what `migrate` would apply, without changing anything; raises `MigrationDrift` as it does."""
    wanted = migrations(directory)
    with psycopg.connect(url, autocommit=True, application_name="beaas migrate") as connection:
        made = connection.execute("SELECT to_regclass('beaas.migrations') IS NOT NULL").fetchone()
        return _pending(wanted, _applied(connection)) if made == (True,) else wanted


def _read(directory: Traversable) -> Iterator[Migration]:
    domains = (entry for entry in directory.iterdir() if entry.is_dir())
    for domain in sorted(domains, key=lambda entry: entry.name):
        for file in domain.iterdir():
            if not file.name.endswith(".sql"):
                continue
            named = _NAME.fullmatch(file.name)
            if named is None:
                raise MigrationDrift(f"{domain.name}/{file.name}: name it NNNN_name.sql, such as 0042_coupons.sql")
            yield Migration(int(named["number"]), domain.name, named["name"], file.read_text(encoding="utf-8"))


def _applied(connection: psycopg.Connection) -> dict[int, tuple[str, str]]:
    rows = connection.execute("SELECT number, domain, name, sha256 FROM beaas.migrations ORDER BY number")
    return {number: (f"{domain}/{number:04}_{name}.sql", sha256) for number, domain, name, sha256 in rows}


def _pending(wanted: Sequence[Migration], applied: dict[int, tuple[str, str]]) -> tuple[Migration, ...]:
    by_number = {migration.number: migration for migration in wanted}
    for number, (path, sha256) in applied.items():
        migration = by_number.get(number)
        if migration is None or migration.path != path:
            raise MigrationDrift(f"{path} is applied and missing here; run a version of beaas that has it")
        if migration.sha256 != sha256:
            raise MigrationDrift(f"{path} was changed after it was applied; restore it and add a new migration instead")
    newest = max(applied, default=0)
    pending = tuple(migration for migration in wanted if migration.number not in applied)
    if pending and pending[0].number < newest:
        raise MigrationDrift(
            f"{pending[0].path} comes before the applied {newest:04}; give it a number above {newest:04}"
        )
    return pending


def _apply(connection: psycopg.Connection, migration: Migration) -> None:
    sql = migration.sql.encode()  # bytes are taken as they are: the text is our own package's
    try:
        if migration.in_transaction:
            with connection.transaction():
                connection.execute(sql)
                _record(connection, migration)
        else:
            connection.execute(sql)
            _record(connection, migration)
    except psycopg.Error as error:
        error.add_note(f"while applying migrations/{migration.path}")
        raise


def _record(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "INSERT INTO beaas.migrations (number, domain, name, sha256) VALUES (%s, %s, %s, %s)",
        (migration.number, migration.domain, migration.name, migration.sha256),
    )


@contextmanager
def _alone(connection: psycopg.Connection) -> Iterator[None]:
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{_WAIT_FOR_OTHER_S}s",))
    connection.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_KEY,))
    connection.execute("SELECT set_config('lock_timeout', %s, false)", (f"{_LOCK_TIMEOUT_S}s",))
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_ADVISORY_KEY,))
