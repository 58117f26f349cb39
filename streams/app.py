"""The composition root: the only place that knows both the streams and the outside.

Faust is imported where a worker needs it: it takes half a second that the short commands need not spend.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Role, open_pool
from connectors.registry.client import Registry, lookup_ids
from schemas.codec import Codec

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from connectors.postgres.pool import Pool
    from connectors.scheduler.rounds import Rounds
    from streams.agents.apps import Streams
    from streams.batching.app import BatchApp
    from streams.settings import Settings

RECORD_MAX_BYTES = 16 << 20


def codec_of(settings: Settings) -> Codec:
    """A codec with the registered ids.

    Raises:
        RegistryUnavailable: the registry does not answer.
        SchemasMissing: a schema is not registered yet; the text says which command does it.
    """
    ids = lookup_ids(settings.schema_registry_url, settings.topic_prefix)
    return Codec(ids, Registry(settings.schema_registry_url), prefix=settings.topic_prefix)


def outbox_of(settings: Settings, codec: Codec) -> Outbox:
    """The outbox that the relay's shards read."""
    return Outbox(codec, settings.topic_prefix, settings.relay_shards)


@asynccontextmanager
async def service_pool(settings: Settings, role: str, size: int = 4) -> AsyncIterator[Pool]:
    """Connections of `beaas_service`, named after the process's role."""
    url = settings.postgres_url.get_secret_value()
    async with open_pool(url, Role.SERVICE, application_name=f"beaas {role}", size=size) as pool:
        yield pool


def streams_of(settings: Settings, codec: Codec, instance: str) -> Streams:
    """What the agents of one worker share."""
    from streams.agents.apps import Streams
    from streams.batching.settings import BatchSettings

    batching = BatchSettings(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        instance=instance,
        data_dir=settings.data_dir / "tables",
        store=settings.table_store,
        replication_factor=settings.replication_factor,
        flush_interval_s=settings.flush_interval_seconds,
        record_max_bytes=RECORD_MAX_BYTES,
        session_timeout_s=settings.session_timeout_seconds,
    )
    return Streams(codec, batching, settings.topic_prefix, settings.partitions, settings.tenant_slice)


@asynccontextmanager
async def worker_apps(settings: Settings, role: str, instance: str) -> AsyncIterator[list[BatchApp]]:
    """The Faust applications of a worker role, and what they stand on while the block runs."""
    from streams.agents.apps import Sinks, intake_app, rating, sink_apps

    codec = codec_of(settings)
    streams = streams_of(settings, codec, instance)
    match role:
        case "intake":
            yield [intake_app(streams, usage_max_bytes=settings.usage_max_bytes)]
        case "rating":
            async with rating(streams, usage_window=timedelta(days=settings.usage_window_days)) as app:
                yield [app]
        case "sinks":
            from connectors.postgres.sinks.dead_letters import DeadLetterSink
            from connectors.postgres.sinks.invoicing import InvoicingSink
            from connectors.postgres.sinks.usage_view import UsageViewSink

            async with service_pool(settings, "sinks") as pool:
                outbox = outbox_of(settings, codec)
                sinks = Sinks(InvoicingSink(pool, outbox), UsageViewSink(pool, outbox), DeadLetterSink(pool, outbox))
                yield sink_apps(streams, sinks)
        case _:
            raise ValueError(role)


@asynccontextmanager
async def scheduler_rounds(settings: Settings) -> AsyncIterator[Rounds]:
    """What the scheduler does in each round, on its own connections."""
    from connectors.scheduler.barrier import KafkaBarrier
    from connectors.scheduler.rounds import Rounds
    from schemas import topics
    from streams.agents.groups import intake_group

    barrier = KafkaBarrier(
        settings.kafka_bootstrap_servers,
        topic=topics.USAGE.full_name(settings.topic_prefix),
        group=intake_group(settings.topic_prefix),
    )
    outbox = outbox_of(settings, codec_of(settings))
    async with service_pool(settings, "scheduler") as pool:
        grace = timedelta(seconds=settings.close_grace_seconds)
        yield Rounds(pool, outbox, barrier, now=lambda: datetime.now(UTC), close_grace=grace)
