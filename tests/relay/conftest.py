"""An outbox for each test, and a bus to carry it to."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from connectors.bus.kafka import KafkaBus
from connectors.embedded.cluster import EmbeddedServers
from tests.relay.bench import Bench, outbox_database
from tests.support.kafka_auditor import PARTITIONS, KafkaAuditor


@pytest.fixture(scope="session")
def servers(mortal_servers: EmbeddedServers) -> EmbeddedServers:
    """Here servers are killed, restarted and set up badly."""
    return mortal_servers


@pytest.fixture(scope="module")
def database(servers: EmbeddedServers) -> Iterator[str]:
    """A migrated database for the tests of a module, each with a topic prefix of its own."""
    with outbox_database(servers.postgres_url) as url:
        yield url


@pytest_asyncio.fixture
async def bench(servers: EmbeddedServers, database: str) -> AsyncIterator[Bench]:
    made = Bench(database, KafkaAuditor(servers.kafka_bootstrap_servers))
    made.kafka.make_topic(made.topic)
    made.clear()
    yield made
    await made.drop_slot()


@pytest_asyncio.fixture
async def bus(servers: EmbeddedServers) -> AsyncIterator[KafkaBus]:
    made = KafkaBus(servers.kafka_bootstrap_servers, partitions=PARTITIONS)
    await made.start()
    yield made
    await made.stop()
