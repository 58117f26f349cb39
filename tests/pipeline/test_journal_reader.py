"""Reading the journal back by position."""

import uuid
from contextlib import aclosing

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic, RecordsToDelete
from aiokafka.errors import OffsetOutOfRangeError

from connectors.embedded.cluster import EmbeddedServers
from streams.agents.journal import JournalReader


async def a_topic_of(servers: EmbeddedServers, records: int) -> str:
    topic = f"journal-{uuid.uuid4().hex}"
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap_servers)
    producer = AIOKafkaProducer(bootstrap_servers=servers.kafka_bootstrap_servers)
    await admin.start()
    await producer.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
        for number in range(records):
            await producer.send_and_wait(topic, b"%d" % number, partition=0)
        await admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=3)})
    finally:
        await producer.stop()
        await admin.close()
    return topic


async def test_positions_are_read_from_the_first_to_before_the_last_and_what_retention_took_is_an_error(
    servers: EmbeddedServers,
) -> None:
    reader = JournalReader(servers.kafka_bootstrap_servers, await a_topic_of(servers, 10))
    try:
        async with aclosing(reader.records(0, 4, 8)) as found:
            assert [(one.offset, one.value) async for one in found] == [(n, b"%d" % n) for n in range(4, 8)]
        async with aclosing(reader.records(0, 4, 4)) as found:
            assert [one async for one in found] == []
        with pytest.raises(OffsetOutOfRangeError):
            async with aclosing(reader.records(0, 2, 8)) as found:
                assert [one async for one in found] == []
    finally:
        await reader.stop()


async def test_a_reader_that_was_asked_for_nothing_can_be_stopped(servers: EmbeddedServers) -> None:
    reader = JournalReader(servers.kafka_bootstrap_servers, "journal")
    async with aclosing(reader.records(0, 4, 4)) as found:
        assert [one async for one in found] == []
    await reader.stop()
