"""Debezium in the relay's place: Kafka Connect standalone, the EventRouter on the outbox as it is."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from benchmarks.bench import Bench, Scene
from benchmarks.peers import supply
from connectors.embedded.child import Child, Command

READY_WITHIN_S: Final = 180.0
STOP_WITHIN_S: Final = 20.0
_NAME: Final = "debezium_bench"
_LOGGING: Final = """\
status=warn
appender.out.type=Console
appender.out.name=Out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d{ISO8601} %p %c{1} %m%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=Out
"""


@asynccontextmanager
async def debezium(bench: Bench, scene: Scene) -> AsyncIterator[Child]:
    """Connect reads the scene's outbox while the block runs.

    Raises:
        ArchiveError: its jars cannot be fetched.
        ServerError: it does not get ready.
    """
    jars = supply.jars(supply.DEBEZIUM_PINS)
    home = scene.settings.data_dir / "debezium"
    home.mkdir(parents=True, mode=0o700)
    (home / "log4j2.properties").write_text(_LOGGING, encoding="utf-8")
    _write(home / "worker.properties", _worker(scene, home))
    _write(home / "connector.properties", _connector(scene))
    with psycopg.connect(scene.postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE PUBLICATION {_NAME} FOR TABLE beaas.billing_events WITH (publish = 'insert')")
    command = Command(
        name="bench-debezium",
        argv=(
            supply.JAVA, "-Xmx512m", "-XX:+UseSerialGC", f"-Dlog4j2.configurationFile={home / 'log4j2.properties'}",
            "-cp", supply.class_path_of(jars), "org.apache.kafka.connect.cli.ConnectStandalone",
            str(home / "worker.properties"), str(home / "connector.properties"),
        ),
        log=scene.settings.data_dir / "debezium.log",
        environment=scene.environment,
    )  # fmt: skip
    child = await Child.spawn(command, bench.directory / "children")
    try:
        await child.ready(lambda: _reads(scene), READY_WITHIN_S)
        yield child
    finally:
        await child.stop(STOP_WITHIN_S)


async def _reads(scene: Scene) -> bool:
    await asyncio.sleep(0.1)
    async with await psycopg.AsyncConnection.connect(scene.postgres_url, autocommit=True) as connection:
        asked = "SELECT active FROM pg_replication_slots WHERE slot_name = %s AND active"
        return await (await connection.execute(asked, [scene_slot(scene)])).fetchone() is not None


def scene_slot(scene: Scene) -> str:
    """The slot's name: the server's slots are one room for all databases."""
    return f"debezium_{scene.settings.topic_prefix.rstrip('.').replace('-', '_')}"


def _worker(scene: Scene, home: Path) -> Mapping[str, str]:
    return {
        "bootstrap.servers": scene.kafka,
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter",
        "offset.storage.file.filename": str(home / "offsets"),
        "offset.flush.interval.ms": "1000",
        "listeners": f"http://127.0.0.1:{_free_port()}",
        "plugin.discovery": "only_scan",
        "producer.compression.type": "none",
    }


def _connector(scene: Scene) -> Mapping[str, str]:
    database = conninfo_to_dict(scene.postgres_url)
    return {
        "name": "outbox",
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "tasks.max": "1",
        "database.hostname": str(database["host"]),
        "database.port": str(database["port"]),
        "database.user": str(database["user"]),
        "database.password": str(database["password"]),
        "database.dbname": str(database["dbname"]),
        "topic.prefix": "outbox",
        "plugin.name": "pgoutput",
        "slot.name": scene_slot(scene),
        "publication.name": _NAME,
        "publication.autocreate.mode": "disabled",
        "table.include.list": "beaas.billing_events",
        "snapshot.mode": "no_data",
        "tombstones.on.delete": "false",
        "poll.interval.ms": "10",
        "max.batch.size": "4096",
        "max.queue.size": "16384",
        "transforms": "outbox",
        "transforms.outbox.type": "io.debezium.transforms.outbox.EventRouter",
        "transforms.outbox.table.field.event.id": "id",
        "transforms.outbox.table.field.event.key": "aggregate_id",
        "transforms.outbox.table.field.event.payload": "payload",
        "transforms.outbox.route.by.field": "aggregate_type",
        "transforms.outbox.route.topic.replacement": f"{scene.settings.topic_prefix}${{routedByValue}}",
    }


def _write(path: Path, properties: Mapping[str, str]) -> None:
    path.touch(mode=0o600)  # the connector's holds the database password
    path.write_text("".join(f"{name}={value}\n" for name, value in properties.items()), encoding="utf-8")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
