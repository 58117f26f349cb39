"""Workers as processes, a source to fill, and the check that every record counted exactly once."""

import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import rocksdict
from confluent_kafka import Consumer, ConsumerGroupState, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.batching.counting_worker import ANNOUNCE_EVERY, Run
from tests.support.kafka_auditor import KafkaAuditor
from tests.support.offsets import NO_COORDINATOR_YET

PARTITIONS = 4
RESTART_ME = 70
WITHIN_S = 120.0
"""More than several starts and a rebalance take on a busy machine; nothing is proved by being quicker."""
Key = tuple[int, bytes]
"""Partition and key."""


def wait_until(reached: Callable[[], bool], what: Callable[[], str], timeout_s: float = WITHIN_S) -> None:
    """Returns as soon as the condition holds."""
    deadline = time.monotonic() + timeout_s
    while not reached():
        assert time.monotonic() < deadline, f"waited {timeout_s} s for {what()}"
        time.sleep(0.05)


@dataclass
class Lane:
    """A source, its outcomes and one application over them, all with names of their own."""

    bootstrap_servers: str
    directory: Path
    name: str = field(default_factory=lambda: f"lane-{uuid.uuid4().hex[:8]}")
    workers: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    exits: list[tuple[str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._watcher = self._consumer()
        self._admin = AdminClient({"bootstrap.servers": self.bootstrap_servers})
        self.make(*(NewTopic(topic, PARTITIONS, 1) for topic in (self.source, self.outcomes)))

    def make(self, *topics: NewTopic) -> None:
        """The topics exist, and the broker knows it: it learns of a new topic after its creation is acknowledged."""
        for made in self._admin.create_topics(list(topics)).values():
            made.result()
        for topic in topics:
            KafkaAuditor(self.bootstrap_servers).count(topic.topic, partitions=topic.num_partitions)

    def close(self) -> None:
        """Nothing of it runs any more."""
        for instance in list(self.workers):
            self.end(instance)
        self._watcher.close()

    @property
    def source(self) -> str:
        """The topic that is folded."""
        return f"{self.name}-source"

    @property
    def outcomes(self) -> str:
        """The topic that tenths are announced to."""
        return f"{self.name}-outcomes"

    # Workers --------------------------------------------------------------------------------------------------------

    def run(self, instance: str, **options: object) -> Run:
        """What a worker of this lane is told."""
        plain = {
            "bootstrap_servers": self.bootstrap_servers,
            "app_id": self.name,
            "source": self.source,
            "outcomes": self.outcomes,
            "instance": instance,
            "data_dir": str(self.directory),
        }
        return msgspec.convert({**plain, **options}, Run)

    def start(self, instance: str, **options: object) -> None:
        """A worker runs."""
        argument = msgspec.json.encode(self.run(instance, **options)).decode()
        with (self.directory / f"{instance}.log").open("ab") as log:
            self.workers[instance] = subprocess.Popen(
                [sys.executable, "-m", "tests.batching.counting_worker", argument], stdout=log, stderr=log
            )

    def send(self, instance: str, number: signal.Signals) -> None:
        """The worker gets the signal."""
        self.workers[instance].send_signal(number)

    def end(self, instance: str, number: signal.Signals = signal.SIGKILL) -> int:
        """The worker is gone. Returns its exit status."""
        self.send(instance, number)
        return self.reap(instance)

    def reap(self, instance: str, timeout_s: float = WITHIN_S) -> int:
        """The worker has left. Returns its exit status."""
        status = self.workers.pop(instance).wait(timeout_s)
        self.exits.append((instance, status))
        return status

    def tend(self, **options: object) -> None:
        """What a supervisor does: a worker that asked for it is started again."""
        for instance, worker in list(self.workers.items()):
            if worker.poll() is not None:
                assert self.reap(instance) == RESTART_ME, self.log(instance)
                self.start(instance, **options)

    def log(self, instance: str) -> str:
        """What the worker has logged."""
        return (self.directory / f"{instance}.log").read_text()

    def held(self, instance: str, table: str) -> dict[int, dict[bytes, bytes]]:
        """What each partition's local store of a table holds, of a worker that is gone; its own offset included."""
        held = {}
        for partition in range(PARTITIONS):
            path = self.directory / self.name / instance / f"{table}-{partition}"
            store: Any = rocksdict.Rdict(
                str(path), options=rocksdict.Options(raw_mode=True), access_type=rocksdict.AccessType.read_only()
            )
            held[partition] = dict(store.items())
            store.close()
        return held

    def wipe(self, instance: str) -> None:
        """The worker's disk is empty."""
        shutil.rmtree(self.directory / self.name / instance, ignore_errors=True)

    # Kafka ----------------------------------------------------------------------------------------------------------

    def fill(self, records: int, *, first: int = 0, rate: int | None = None, keys: int = 50) -> None:
        """Every 20th record repeats the id of the one before it (same key, so same partition)."""
        producer = Producer({"bootstrap.servers": self.bootstrap_servers, "linger.ms": 5})
        began = time.monotonic()
        for number in range(first, first + records):
            unique = number - 1 if number % 20 == 19 else number
            key = unique % keys
            producer.produce(self.source, key=b"key-%d" % key, value=b"id-%d" % unique, partition=key % PARTITIONS)
            if rate is not None and number % 50 == 0:
                producer.poll(0)
                time.sleep(max(0.0, began + (number - first) / rate - time.monotonic()))
        assert producer.flush(30) == 0

    def ends(self) -> dict[int, int]:
        """The source's end offsets, markers included."""
        targets = self._targets()
        return {target.partition: self._watcher.get_watermark_offsets(target, timeout=10)[1] for target in targets}

    def committed(self) -> dict[int, int]:
        """The group's committed offsets; 0 while the group has no coordinator yet, as a new one has for a moment."""
        try:
            targets = self._watcher.committed(self._targets(), timeout=10)
        except KafkaException as error:
            if error.args[0].code() not in NO_COORDINATOR_YET:
                raise
            return dict.fromkeys(range(PARTITIONS), 0)
        return {target.partition: max(0, target.offset) for target in targets}

    def _targets(self) -> list[TopicPartition]:
        return [TopicPartition(self.source, partition) for partition in range(PARTITIONS)]

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": self.name,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",
            }
        )

    def read(self, topic: str, partitions: int = PARTITIONS) -> list[Message]:
        """All committed records, by partition in order; an error is not taken for its end."""
        open_partitions, records = set(range(partitions)), []
        consumer = self._consumer()
        deadline = time.monotonic() + WITHIN_S
        try:
            consumer.assign([TopicPartition(topic, partition, 0) for partition in open_partitions])
            while open_partitions:
                assert time.monotonic() < deadline, f"{topic} cannot be read to its end: {sorted(open_partitions)}"
                for message in consumer.consume(1000, timeout=0.2):
                    if (error := message.error()) is None:
                        records.append(message)
                    else:
                        assert error.code() == KafkaError._PARTITION_EOF, error
                        open_partitions.discard(message.partition())
        finally:
            consumer.close()
        return sorted(records, key=lambda message: (message.partition(), message.offset()))

    def owned(self) -> dict[str, int]:
        """How many partitions each member of the settled group has; none while the group has no coordinator yet."""
        try:
            group = self._admin.describe_consumer_groups([self.name])[self.name].result()
        except KafkaException as error:
            if error.args[0].code() not in NO_COORDINATOR_YET:
                raise
            return {}
        if group.state is not ConsumerGroupState.STABLE:
            return {}
        return {member.group_instance_id: len(member.assignment.topic_partitions) for member in group.members}

    def wait_until_shared(self, *instances: str) -> None:
        """Just these are members, and each owns some partitions."""
        wait_until(
            lambda: (owned := self.owned()).keys() == set(instances) and all(owned.values()),
            lambda: f"{instances} to share",
        )

    # Checks ---------------------------------------------------------------------------------------------------------

    def wait_until_folded(self, timeout_s: float = WITHIN_S, **options: object) -> None:
        """Every record of the source is folded and committed."""

        def folded() -> bool:
            self.tend(**options)
            return self.committed() == self.ends()

        wait_until(folded, lambda: f"{self.name} to fold everything: {self.committed()} of {self.ends()}", timeout_s)

    def wait_until_any_moves(self) -> None:
        """Some partition has been flushed once more."""
        before = self.committed()
        wait_until(lambda: self.committed() != before, lambda: "some partition to move on")

    def wait_until_moving(self, timeout_s: float = WITHIN_S) -> None:
        """Every partition has been flushed once more."""
        before = self.committed()
        wait_until(
            lambda: all(now > before[partition] for partition, now in self.committed().items()),
            lambda: f"every partition to move on from {before}",
            timeout_s,
        )

    def differences(self) -> list[str]:
        """What the state and the outcomes say otherwise than an independent count of the source; empty is right."""
        expected = self._expected()
        return [
            *_compare("count", expected, self.counts()),
            *_compare("announced", {key: list(range(10, count + 1, ANNOUNCE_EVERY)) for key, count in expected.items()},
                      self.announced()),
        ]  # fmt: skip

    def source_records(self) -> list[tuple[int, int, bytes, bytes]]:
        """Partition, offset, key and value of all that was filled in, by partition in order."""
        found = []
        for message in self.read(self.source):
            at, key, value = _content(message)
            found.append((at, message.offset() or 0, key, value))
        return found

    def _expected(self) -> dict[Key, int]:
        unique = {_content(message) for message in self.read(self.source)}
        return dict(Counter((partition, key) for partition, key, _ in unique))

    def counts(self) -> dict[Key, int]:
        """The state, as the changelog has it."""
        records = self.read(f"{self.name}-counts-changelog")
        return {(at, key): int(value) for at, key, value in map(_content, records) if not key.startswith(b"\0")}

    def announced(self) -> dict[Key, list[int]]:
        """The outcomes."""
        announced: defaultdict[Key, list[int]] = defaultdict(list)
        for at, key, value in map(_content, self.read(self.outcomes)):
            announced[at, key].append(int(value))
        return announced


def _content(message: Message) -> tuple[int, bytes, bytes]:
    """Partition, key and value, which every record here has."""
    at, key, value = message.partition(), message.key(), message.value()
    assert at is not None
    assert isinstance(key, bytes)
    assert isinstance(value, bytes)
    return at, key, value


def _compare(what: str, expected: Mapping[Key, object], found: Mapping[Key, object]) -> list[str]:
    return [
        f"{what} of {key}: expected {expected.get(key)}, found {found.get(key)}"
        for key in sorted(expected.keys() | found.keys())
        if (expected.get(key) or None) != (found.get(key) or None)
    ]
