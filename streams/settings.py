"""The one settings tree: read once from the environment (prefix `BEAAS_`), frozen, handed down as values.

Nothing else in the code reads the environment. `docs/settings.md` is generated from the fields below.
"""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class Bus(StrEnum):
    """Where the relay carries events to."""

    KAFKA = "kafka"
    NOOP = "noop"


class LogFormat(StrEnum):
    """How a log line looks: for machines or for people."""

    JSON = "json"
    CONSOLE = "console"


class BadSettings(Exception):
    """The environment holds a value that can't be used; the text names the variable and what is allowed."""


Prefix = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9._-]{0,100}$")]


class Settings(BaseSettings):
    """Every setting, with its default and its meaning."""

    model_config = SettingsConfigDict(env_prefix="BEAAS_", frozen=True, extra="ignore")

    kafka_bootstrap_servers: str = Field("127.0.0.1:9092", description="Kafka's `host:port` list.")
    postgres_url: SecretStr = Field(
        SecretStr("postgresql://127.0.0.1:5432/beaas"),
        description="PostgreSQL: the login that migrates, owns the tables and may replicate.",
    )
    schema_registry_url: str = Field(
        "http://127.0.0.1:8081", description="A schema registry with the Confluent REST API."
    )
    topic_prefix: Prefix = Field("beaas.", description="Stands before every topic, consumer group and slot.")
    partitions: int = Field(8, ge=1, le=10_000, description="Partitions of every partitioned topic, fixed at creation.")
    tenant_slice: int = Field(8, ge=1, le=10_000, description="How many neighbouring partitions one tenant may use.")
    replication_factor: int = Field(1, ge=1, le=10, description="Copies of every topic; 3 in production.")
    data_dir: Path = Field(Path(".beaas"), description="Where a role keeps its tables, and `up` its servers.")
    flush_interval_seconds: float = Field(
        0.1,
        gt=0,
        le=60,
        description="How long folded usage waits for its transaction at most; "
        "up to 10 s while much waits to be folded.",
    )
    table_store: str = Field(
        "rocksdb://", pattern="^(rocksdb|memory)://$", description="Where tables stand: `rocksdb://` or `memory://`."
    )
    usage_window_days: int = Field(
        35, ge=1, le=400, description="How long after its period's end usage is still taken, as an adjustment."
    )
    close_grace_seconds: int = Field(
        0, ge=0, le=7 * 86_400, description="How long the real clock waits after a period's end; 0 on a test clock."
    )
    usage_max_bytes: int = Field(65_536, ge=1_024, le=1_048_576, description="Larger usage records are dead letters.")
    relay_shards: int = Field(1, ge=1, le=64, description="Logical slots that the outbox is split over.")
    outbox_retention_hours: int = Field(24, ge=1, description="How long a confirmed outbox row is kept.")
    session_timeout_seconds: float = Field(
        10, ge=6, le=300, description="After this silence of a worker its partitions go to another."
    )
    bus: Bus = Field(Bus.KAFKA, description="Where the relay publishes: `kafka`, `noop`.")
    api_bind: str = Field("127.0.0.1:8080", description="Where the HTTP API listens.")
    metrics_bind: str = Field(
        "127.0.0.1:0", description="Where a role serves /metrics, /livez and /readyz; port 0 picks a free one."
    )
    otlp_endpoint: str = Field("", description="Where traces go (OTLP over HTTP); off when empty.")
    log_format: LogFormat = Field(LogFormat.JSON, description="`json` or `console`.")


def load_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Reads the environment; what `environment` names goes before it.

    Raises:
        BadSettings: a variable has a value that is not allowed; every such variable is named.
    """
    try:
        return Settings(**{_field(name): value for name, value in (environment or {}).items()})  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = [f"BEAAS_{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors(include_input=False)]
        raise BadSettings("\n".join(wrong)) from None


def _field(variable: str) -> str:
    return variable.removeprefix("BEAAS_").lower()
