"""The embedded servers with a door of its own for each process of ours: Kafka tells each the address of its proxy."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from connectors.embedded.artifacts import KAFKA_PINS, read_pins
from connectors.embedded.cluster import EmbeddedServers
from connectors.embedded.kafka import Kafka
from connectors.embedded.ports import LOOPBACK
from tests.faults.rig.proxy import LinkSpec

_LISTENERS: Final = "listeners="
_ADVERTISED: Final = "advertised.listeners="
_PROTOCOLS: Final = "listener.security.protocol.map="
_SESSION: Final = "broker.session.timeout.ms="
_SESSION_MS: Final = 6_000
"""The embedded broker's own 1.5 s is missed on a busy machine, and a single broker that is fenced while it commits has
been seen to complete a transaction without writing its markers (docs/faults.md): that would be the machine's fault."""


class KafkaWithDoors(Kafka):
    """The broker with a listener for each member, which advertises the member's proxy.

    Args:
        doors: by listener name, the port it listens on, and the proxy's port, which clients are told.
        options: as of Kafka.
    """

    def __init__(self, doors: Mapping[str, tuple[int, int]], **options: Any) -> None:
        super().__init__(**options)
        self._doors = doors

    def _write_configuration(self) -> None:
        super()._write_configuration()
        listeners = "".join(f",{name}://{LOOPBACK}:{port}" for name, (port, _) in self._doors.items())
        advertised = "".join(f",{name}://{LOOPBACK}:{proxy}" for name, (_, proxy) in self._doors.items())
        protocols = "".join(f",{name}:PLAINTEXT" for name in self._doors)
        lines = []
        for line in self._properties.read_text(encoding="utf-8").splitlines():
            more = {_LISTENERS: listeners, _ADVERTISED: advertised, _PROTOCOLS: protocols}
            if line.startswith(_SESSION):
                lines.append(f"{_SESSION}{_SESSION_MS}")
                continue
            lines.append(line + next((text for key, text in more.items() if line.startswith(key)), ""))
        # one network thread a door is plenty, and three for each of a dozen are not
        lines += [f"listener.name.{name.lower()}.num.network.threads=1" for name in self._doors]
        self._properties.write_text("\n".join(lines) + "\n", encoding="utf-8")


class ServersWithDoors(EmbeddedServers):
    """Servers whose members each have a link to Kafka and one to PostgreSQL.

    Args:
        data_dir: holds all that they keep.
        members: who gets links.
    """

    def __init__(self, data_dir: Path, members: Sequence[str]) -> None:
        super().__init__(data_dir)
        self._members = tuple(members)

    def _lay_out(self) -> None:
        super()._lay_out()
        names = [f"{use}/{member}" for member in self._members for use in ("door", "kafka", "postgres")]
        self._ports = ports = self.directory.ports(("kafka", "kafka-controller", *names))
        self.kafka = KafkaWithDoors(
            {
                f"W{number}": (ports[f"door/{member}"], ports[f"kafka/{member}"])
                for number, member in enumerate(self._members)
            },
            home=self.directory.path / "kafka",
            log=self.directory.log("kafka"),
            records=self.directory.records,
            jars=self._archives.files(read_pins(KAFKA_PINS)),
            port=ports["kafka"],
            controller_port=ports["kafka-controller"],
        )
        self._all = (self.kafka, self.postgres, self.registry)

    def links(self) -> list[LinkSpec]:
        """Every member's way to Kafka and to PostgreSQL."""
        ports = self._ports
        return [
            spec
            for member in self._members
            for spec in (
                LinkSpec(f"kafka/{member}", ports[f"kafka/{member}"], ports[f"door/{member}"]),
                LinkSpec(f"postgres/{member}", ports[f"postgres/{member}"], self.postgres.port),
            )
        ]

    def kafka_of(self, member: str) -> str:
        """Where the member starts from: its proxy."""
        return f"{LOOPBACK}:{self._ports[f'kafka/{member}']}"

    def postgres_of(self, member: str, direct: str) -> str:
        """The same address through the member's proxy."""
        return direct.replace(f":{self.postgres.port}/", f":{self._ports[f'postgres/{member}']}/")
