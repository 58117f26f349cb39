"""What producers, readers and the auditor reach of a run: the servers directly, around every fault of the network."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.commands import BEAAS, Ran, run_to_end


@dataclass(frozen=True, slots=True)
class Environment:
    """Direct addresses, names and the command line.

    Attributes:
        kafka: bootstrap servers.
        postgres_url: of the run's own database, as its owner; a secret.
        registry_url: the base of the registry's Confluent API.
        prefix: stands before every topic, group and slot.
        directory: for whatever a run leaves behind.
    """

    kafka: str
    postgres_url: str = field(repr=False)
    registry_url: str
    prefix: str
    directory: Path
    partitions: int = 8

    def topic(self, name: str) -> str:
        """The topic's full name."""
        return f"{self.prefix}{name}"

    @property
    def variables(self) -> Mapping[str, str]:
        """The settings of a process that reaches all of it directly."""
        return {
            "BEAAS_KAFKA_BOOTSTRAP_SERVERS": self.kafka,
            "BEAAS_POSTGRES_URL": self.postgres_url,
            "BEAAS_SCHEMA_REGISTRY_URL": self.registry_url,
            "BEAAS_TOPIC_PREFIX": self.prefix,
            "BEAAS_PARTITIONS": str(self.partitions),
            "BEAAS_DATA_DIR": str(self.directory / "data"),
            # the least that is allowed: a worker that stands still is given up soon
            "BEAAS_SESSION_TIMEOUT_SECONDS": "6",
        }

    async def beaas(self, *arguments: str | Path, within_s: float = 200.0) -> Ran:
        """Runs a command to its end."""
        return await run_to_end(*BEAAS, *arguments, variables=self.variables, within_s=within_s)

    async def ok(self, *arguments: str | Path, within_s: float = 200.0) -> str:
        """Runs a command that ends well, and returns what it printed."""
        ran = await self.beaas(*arguments, within_s=within_s)
        assert ran.status == 0, (arguments, ran)
        return ran.out
