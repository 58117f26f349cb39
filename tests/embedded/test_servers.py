import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec
import psycopg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

from connectors.embedded.cluster import EmbeddedServers
from tests.support.processes import listening_addresses, processes_of

KILLED_AND_BACK_WITHIN_S = 60  # 3 s on an idle machine


async def write_one_record(servers: EmbeddedServers, topic: str, value: bytes) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap_servers, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def read_all_records(servers: EmbeddedServers, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka_bootstrap_servers, auto_offset_reset="earliest")
    async with consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        return [(await consumer.getone()).value for _ in range(end)]


async def on_kafka(servers: EmbeddedServers, configs: Mapping[str, str]) -> dict[str, str]:
    """Returns the broker's values of these settings."""
    client = AdminClient({"bootstrap.servers": servers.kafka_bootstrap_servers})
    [described] = client.describe_configs([ConfigResource(ConfigResource.Type.BROKER, "1")]).values()
    return {name: described.result(10)[name].value for name in configs}


async def test_everything_listens_on_loopback_only(servers: EmbeddedServers) -> None:
    ports = msgspec.json.decode((servers.directory.path / "ports.json").read_bytes(), type=dict[str, int])
    listening = listening_addresses(processes_of(servers.directory.path))
    assert {address for address, _ in listening} <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert {port for _, port in listening} == set(ports.values())


async def test_kafka_keeps_its_records_over_a_restart_and_over_kill_9(servers: EmbeddedServers) -> None:
    topic = f"kept-{uuid.uuid4()}"
    await write_one_record(servers, topic, b"measured")
    await servers.kafka.restart()
    assert await read_all_records(servers, topic) == [b"measured"]
    began = time.monotonic()
    await servers.kafka.kill()
    await servers.kafka.start()
    assert time.monotonic() - began < KILLED_AND_BACK_WITHIN_S
    assert await read_all_records(servers, topic) == [b"measured"]


async def test_kafka_keeps_what_it_is_given_and_makes_no_topic_by_itself(servers: EmbeddedServers) -> None:
    expected = {
        "auto.create.topics.enable": "false",
        "log.retention.ms": "-1",
        "log.retention.bytes": "-1",
        "message.max.bytes": str(16 * 1024 * 1024),
        "offsets.retention.minutes": str(10 * 366 * 24 * 60),
    }
    assert await on_kafka(servers, expected) == expected


async def test_postgres_keeps_its_rows_over_a_restart_and_over_kill_9(servers: EmbeddedServers) -> None:
    table = f"kept_{uuid.uuid4().hex}"
    async with await psycopg.AsyncConnection.connect(servers.postgres_url) as connection:
        await connection.execute(f"CREATE TABLE {table} AS SELECT 42 AS billed".encode())
    for interrupted in (servers.postgres.stop, servers.postgres.kill):
        await interrupted()
        await servers.postgres.start()
        async with await psycopg.AsyncConnection.connect(servers.postgres_url) as connection:
            rows = await connection.execute(f"TABLE {table}".encode())
            assert await rows.fetchall() == [(42,)]


async def test_postgres_decodes_logically_and_refuses_a_wrong_password(servers: EmbeddedServers) -> None:
    async with await psycopg.AsyncConnection.connect(servers.postgres_url, autocommit=True) as connection:
        names = ("wal_level", "max_replication_slots", "max_wal_senders", "max_slot_wal_keep_size", "fsync")
        shown = {name: await (await connection.execute(f"SHOW {name}".encode())).fetchone() for name in names}
    assert shown == {
        "wal_level": ("logical",),
        "max_replication_slots": ("16",),
        "max_wal_senders": ("16",),
        "max_slot_wal_keep_size": ("16GB",),
        "fsync": ("on",),
    }
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        await psycopg.AsyncConnection.connect(servers.postgres_url, password="guessed")


async def test_the_registry_answers_at_once_after_postgres_was_killed(servers: EmbeddedServers) -> None:
    async with aiohttp.ClientSession() as session:
        await servers.postgres.kill()
        await servers.postgres.start()
        for _ in range(3):
            async with session.get(f"{servers.schema_registry_url}/subjects") as answer:
                assert answer.status == 200


async def test_the_registry_keeps_schemas_and_refuses_incompatible_ones_after_kill_9(servers: EmbeddedServers) -> None:
    subject = f"{servers.schema_registry_url}/subjects/kept-{uuid.uuid4()}-value/versions"
    first, incompatible = _schema(), _schema('{"name": "b", "type": "string"}')
    async with aiohttp.ClientSession() as session:
        async with session.post(subject, json=first) as answer:
            assert answer.status == 200
        await servers.registry.kill()
        await servers.registry.start()
        async with session.get(subject) as answer:
            assert await answer.json(content_type=None) == [1]
        async with session.post(subject, json=incompatible) as answer:
            assert answer.status == 409
        async with session.get(f"{servers.schema_registry_url}/config") as answer:
            assert await answer.json(content_type=None) == {"compatibilityLevel": "BACKWARD_TRANSITIVE"}


async def test_no_password_stands_in_a_log_or_on_a_command_line(servers: EmbeddedServers) -> None:
    passwords = [servers.directory.password("postgres"), servers.directory.password("registry")]
    written = {str(path): path.read_text(errors="replace") for path in _text_files(servers.directory.path)}
    seen = written | {f"pid {pid}": line for pid, line in processes_of(servers.directory.path).items()}
    assert {"kafka.log", "postgres.log", "registry.log", "server.properties"} <= {Path(where).name for where in written}
    assert [where for where, text in seen.items() if any(password in text for password in passwords)] == []


def _text_files(directory: Path) -> list[Path]:
    """Returns the logs and the files that configure the servers, all but the one that is made to hold passwords."""
    return [*directory.glob("logs/*"), *directory.glob("*.json.*"), *directory.glob("kafka/*.properties")]


def _schema(*more: str) -> dict[str, str]:
    fields = ", ".join(['{"name": "a", "type": "string"}', *more])
    return {"schema": f'{{"type": "record", "name": "R", "fields": [{fields}]}}'}
