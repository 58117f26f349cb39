"""Making servers ready: tables, topics, schemas; each step idempotent, each says what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from streams.settings import Settings


def migrate_postgres(settings: Settings) -> str:
    """Tables are up to date."""
    from connectors.postgres.migrate import migrate
    from connectors.postgres.placement import Placement, keep_placement

    applied = migrate(settings.postgres_url.get_secret_value())
    placement = Placement(settings.partitions, settings.tenant_slice)
    keep_placement(settings.postgres_url.get_secret_value(), settings.topic_prefix, placement)
    return f"postgres: {len(applied)} migrations applied" if applied else "postgres: up to date"


def create_topics(settings: Settings) -> str:
    """Every topic is there, with the partitions of the settings."""
    from connectors.kafka.topics import create_topics as create

    done = create(
        settings.kafka_bootstrap_servers,
        prefix=settings.topic_prefix,
        partitions=settings.partitions,
        replication_factor=settings.replication_factor,
    )
    return f"kafka: {len(done.created)} topics created" if done.created else "kafka: every topic is there"


def register_schemas(settings: Settings) -> str:
    """Every schema is registered, with its compatibility."""
    from connectors.registry.client import register_all

    ids = register_all(settings.schema_registry_url, settings.topic_prefix)
    return f"registry: {len(ids)} subjects registered"


def set_up(settings: Settings, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """All three; returns what each step says."""
    said = []
    for step in (migrate_postgres, create_topics, register_schemas):
        said.append(step(settings))
        say(said[-1])
    return said
