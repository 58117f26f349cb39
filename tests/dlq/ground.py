"""A dead-letter topic to redrive from, without any role: letters are laid, the command is run, topics are counted."""

import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from billing.entry import Usage
from connectors.embedded.cluster import EmbeddedServers
from schemas import topics
from schemas.codec import Codec
from schemas.letters import REDRIVE_OF, letter_id
from schemas.records import DeadLetter, DeadLetterRedriven, Header
from streams.app import codec_of
from streams.cli.setup import create_topics, register_schemas
from streams.settings import load_settings
from tests.support.commands import BEAAS, Ran, run_to_end

PARTITIONS = 2
BEFORE = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
READS: Final[dict[str, Any]] = {
    "group.id": "reads",
    "enable.auto.commit": False,
    "isolation.level": "read_committed",
    "auto.offset.reset": "earliest",
    "enable.partition.eof": True,
}
DYING = Path(__file__).with_name("dying_redrive.py")


def usage(number: int) -> Usage:
    """Usage that intake takes."""
    return Usage("T", "c", f"e{number}", "", "work", 1_767_225_600_000_000 + number, {"n": "1"}, None)


@dataclass(frozen=True, slots=True)
class Ground:
    """Topics of a prefix of their own."""

    servers: str
    environment: dict[str, str]
    prefix: str
    codec: Codec
    directory: Path

    @property
    def letters(self) -> str:
        """The dead-letter topic."""
        return topics.DEAD_LETTERS.full_name(self.prefix)

    def letter(  # noqa: PLR0913 - what a test may vary
        self,
        value: bytes | None,
        *,
        reason: str = "parked-full",
        topic: str = "usage",
        tenant: str | None = "T",
        headers: tuple[Header, ...] = (Header(key="h", value=b"\x00"), Header(key="null", value=None)),
        partition: int = 1,
    ) -> DeadLetter:
        """A letter of these bytes."""
        return DeadLetter(
            reason=reason,
            detail="so it was",
            tenant_id=tenant,
            customer_id=None,
            source_topic=f"{self.prefix}{topic}",
            source_partition=partition,
            source_offset=7,
            key=b"T/c",
            value=value,
            headers=headers,
            first_position=None,
            received_at=BEFORE,
        )

    def lay(self, letters: Sequence[DeadLetter], *, partition: int = 0) -> list[str]:
        """The letters stand on their topic; returns their ids."""
        producer = Producer({"bootstrap.servers": self.servers})
        ids: list[str] = []

        def told(error: object, message: Message) -> None:
            assert error is None, error
            ids.append(f"{message.partition()}-{message.offset()}")

        for letter in letters:
            producer.produce(
                self.letters,
                self.codec.encode(self.letters, letter),
                letter.key,
                partition=partition,
                on_delivery=told,
            )
        assert producer.flush(20) == 0
        return ids

    def mark(self, name: str) -> None:
        """The letter has a marker, as if it had been put back."""
        at = letter_id(name)
        assert at is not None
        marker = DeadLetterRedriven(
            letter_partition=at.partition,
            letter_offset=at.offset,
            reason="parked-full",
            tenant_id="T",
            customer_id=None,
            target_topic=f"{self.prefix}usage",
            target_partition=0,
            target_offset=0,
            edited=False,
            run_id="before",
            redriven_at=BEFORE,
        )
        producer = Producer({"bootstrap.servers": self.servers})
        producer.produce(self.letters, self.codec.encode(self.letters, marker), partition=at.partition)
        assert producer.flush(20) == 0

    def put_back(self, topic: str = "usage") -> list[tuple[str, bytes]]:
        """What was put back to a topic: the letter that it was, and its bytes; all that is committed, sorted."""
        found: list[tuple[Any, Any]] = [(dict(one.headers() or []), one.value()) for one in self.records(topic)]
        return sorted((headers[REDRIVE_OF].decode(), value) for headers, value in found)

    def markers(self) -> Counter[str]:
        """How many markers each letter has."""
        records = [self.codec.decode(message.value() or b"") for message in self.records("dead-letters")]
        return Counter(
            f"{one.letter_partition}-{one.letter_offset}" for one in records if isinstance(one, DeadLetterRedriven)
        )

    def records(self, topic: str) -> list[Message]:
        """Every committed record of a topic; waits for transactions that are open."""
        name = f"{self.prefix}{topic}"
        asked = Consumer({"bootstrap.servers": self.servers, "group.id": "asks", "isolation.level": "read_uncommitted"})
        places = [TopicPartition(name, number, 0) for number in range(PARTITIONS)]
        ends = {at.partition: asked.get_watermark_offsets(at, timeout=10)[1] for at in places}
        asked.close()
        reader = Consumer({**READS, "bootstrap.servers": self.servers})
        reader.assign(places)
        found: list[Message] = []
        unread = {number for number, end in ends.items() if end}
        deadline = time.monotonic() + 40
        while unread:
            assert time.monotonic() < deadline, f"{topic} cannot be read to its end"
            message = reader.poll(0.5)
            if message is None:
                continue
            offset, partition, error = message.offset(), message.partition(), message.error()
            assert offset is not None
            assert partition is not None
            if error is None:
                found.append(message)
            if offset + (error is None) >= ends[partition]:
                unread.discard(partition)
        reader.close()
        return found

    async def dlq(
        self, *arguments: str, dies: str = "", planted: str = "", reads: Path | None = None, within_s: float = 200
    ) -> Ran:
        """Runs `beaas dlq …`, or the one that dies at a step, or makes a file `reads` once it reads."""
        program = (sys.executable, str(DYING)) if dies or planted or reads else BEAAS
        variables = self.environment | {"DIES": dies, "PLANTED": planted, "READS": str(reads or "")}
        ran = await run_to_end(*program, "dlq", *arguments, variables=variables, within_s=within_s)
        assert not dies or ran.status == -signal.SIGKILL, ran
        return ran


@pytest.fixture
def ground(servers: EmbeddedServers, tmp_path: Path) -> Ground:
    """A ground whose topics hold nothing yet."""
    prefix = f"ground{tmp_path.name}."
    environment = {
        "BEAAS_KAFKA_BOOTSTRAP_SERVERS": servers.kafka_bootstrap_servers,
        "BEAAS_SCHEMA_REGISTRY_URL": servers.schema_registry_url,
        "BEAAS_POSTGRES_URL": "postgresql://127.0.0.1:1/nobody",  # redriving by ids asks nothing of it
        "BEAAS_TOPIC_PREFIX": prefix,
        "BEAAS_PARTITIONS": str(PARTITIONS),
    }
    settings = load_settings(environment)
    create_topics(settings)
    register_schemas(settings)
    return Ground(servers.kafka_bootstrap_servers, environment, prefix, codec_of(settings), tmp_path)
