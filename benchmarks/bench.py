"""What every row stands on: embedded servers, topics filled before anything is measured, and the results so far."""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Final

import msgspec
import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from benchmarks.fill import fill
from benchmarks.measured import Measured, Run
from benchmarks.workload import Keyed
from connectors.embedded.child import Command, run_to_end
from connectors.embedded.cluster import EmbeddedServers
from connectors.embedded.errors import ServerError
from connectors.embedded.postgres_place import remove_files_elsewhere
from schemas.codec import Codec
from schemas.topics import Topic
from streams.app import codec_of
from streams.cli.setup import create_topics, migrate_postgres, register_schemas
from streams.settings import Settings, load_settings
from tools.compile import environment as environment_of

WITHIN_S: Final = 300.0
SKIPPED_PART: Final = 0.05
"""The first twentieth of the records is in no figure: subscriptions start there, and a JVM compiles."""


@dataclass(slots=True)
class Scene:
    """Topics under a prefix of their own, filled, and what is run on them."""

    settings: Settings
    environment: dict[str, str]
    codec: Codec
    records: dict[Topic, int] = field(default_factory=dict)

    def topic(self, topic: Topic) -> str:
        """The topic's name here."""
        return topic.full_name(self.settings.topic_prefix)

    @property
    def kafka(self) -> str:
        """Where Kafka clients start from."""
        return self.settings.kafka_bootstrap_servers

    @property
    def postgres_url(self) -> str:
        """The scene's database; it holds the password."""
        return self.settings.postgres_url.get_secret_value()


@dataclass(slots=True)
class Bench:
    """The servers and what was measured so far."""

    directory: Path
    servers: EmbeddedServers
    bar: Progress
    events: int
    """How many the large topics hold."""
    compiled: Path | None = None
    """Where beaas stands compiled, as a wheel installs it; None: the interpreted checkout is measured."""
    results: dict[str, list[Run]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    """Rows that could not be measured, each with the reason."""
    _scenes: dict[str, Scene] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def kept(self, name: str, make: Callable[[Scene], None]) -> Scene:
        """The scene of this name, made once and read by every run."""
        if name not in self._scenes:
            scene = self.fresh(name)
            make(scene)
            self._scenes[name] = scene
        return self._scenes[name]

    def fresh(self, name: str, *, database: bool = False, settings: Mapping[str, str] | None = None) -> Scene:
        """A scene of its own with its topics and schemas made, and its own migrated database if asked for."""
        prefix = f"{name}-{next(self._numbers)}."
        environment = self.servers.environment() | {
            "BEAAS_TOPIC_PREFIX": prefix,
            "BEAAS_DATA_DIR": str(self.directory / "workers" / prefix),
            **({} if self.compiled is None else environment_of(self.compiled)),
            **(settings or {}),
        }
        if database:
            environment["BEAAS_POSTGRES_URL"] = _new_database(self.servers.postgres_url, prefix)
        read = load_settings(environment)
        if database:
            migrate_postgres(read)
        create_topics(read)
        register_schemas(read)
        return Scene(read, {**os.environ, **environment}, codec_of(read))

    def fill(self, scene: Scene, topic: Topic, records: Iterable[Keyed], total: int) -> None:
        """The scene's topic holds the records."""
        with self.shown(f"filling {scene.topic(topic)}", total) as show:
            produced = fill(scene.kafka, scene.topic(topic), records, show)
        scene.records[topic] = scene.records.get(topic, 0) + produced

    async def program(self, row: str, argv: tuple[str, ...], environment: Mapping[str, str]) -> Measured | None:
        """Runs a program whose last line of output is its `Measured`, and keeps that; a failure is a missing row."""
        log = self.directory / "programs" / f"{row}-{next(self._numbers)}.log"
        log.parent.mkdir(exist_ok=True)
        with self.shown(row, None):
            try:
                command = Command(row, argv, log, environment)
                await run_to_end(command, self.directory / "children", WITHIN_S)
                measured = msgspec.json.decode(log.read_bytes().splitlines()[-1], type=Measured)
            except (ServerError, msgspec.DecodeError, IndexError) as failure:
                self.lack(row, str(failure))
                return None
        self.keep(row, measured)
        return measured

    def keep(self, row: str, run: Run) -> None:
        """The run counts, and is shown above the bars."""
        self.bar.console.print(f"{row}: {run.summary}", highlight=False)
        self.results.setdefault(row, []).append(run)

    def lack(self, row: str, reason: str) -> None:
        """The row is reported as missing, for this reason."""
        self.bar.console.print(f"{row}: not measured: {reason}", highlight=False, markup=False)
        self.missing[row] = reason

    @contextmanager
    def shown(self, what: str, total: int | None) -> Iterator[Callable[[int], None]]:
        """Shows progress while the block runs."""
        task = self.bar.add_task(what, total=total)
        try:
            yield lambda done: self.bar.update(task, completed=done)
        finally:
            self.bar.remove_task(task)


def skipped(records: int) -> int:
    """How many of so many records are in no figure."""
    return int(records * SKIPPED_PART)


async def until(holds: Callable[[], bool], what: str, within_s: float = WITHIN_S, interval_s: float = 0.02) -> None:
    """Waits for something that only asking tells.

    Raises:
        RuntimeError: it did not come in time.
    """
    try:
        async with asyncio.timeout(within_s):
            while not holds():  # noqa: ASYNC110 - see above
                await asyncio.sleep(interval_s)
    except TimeoutError:
        raise RuntimeError(f"{what}: not within {within_s:g} s") from None


@contextmanager
def directory_for_servers() -> Iterator[Path]:
    """A directory that PostgreSQL's own account can pass through; it goes afterwards."""
    path = Path(tempfile.mkdtemp(prefix="beaas-bench-"))
    path.chmod(0o711)
    try:
        yield path
    finally:
        remove_files_elsewhere(path / "servers" / "postgres")
        shutil.rmtree(path, ignore_errors=True)


def progress() -> Progress:
    """Bars on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)


def _new_database(server_url: str, prefix: str) -> str:
    name = f"bench_{prefix.rstrip('.').replace('-', '_')}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return str(make_conninfo(server_url, dbname=name))
