"""The long-running commands: each role in the foreground, and all of them under `up`."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from connectors.telemetry.health import health_server
from connectors.telemetry.logs import configure_logs
from streams.cli.failures import RESTART_ME, WELL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from streams.settings import Settings

ROLES: Final = ("intake", "rating", "sinks", "relay", "scheduler")
WORKERS: Final = ROLES[:3]


@asynccontextmanager
async def watched(settings: Settings, name: str, ready: Callable[[], bool]) -> AsyncIterator[None]:
    """Logs and the health server of a role; `<data dir>/health/<name>.json` names its address while it runs."""
    configure_logs(settings.log_format.value, name)
    announce = settings.data_dir / "health" / f"{name}.json"
    async with health_server(settings.metrics_bind, ready=ready, announce=announce):
        yield


async def run_worker_role(settings: Settings, role: str, instance: str) -> int:
    """Folds until SIGTERM; returns 0, or the process ends with 70."""
    from streams.app import worker_apps
    from streams.batching.worker import run_worker

    async with AsyncExitStack() as stack:
        apps = await stack.enter_async_context(worker_apps(settings, role, instance))
        await stack.enter_async_context(watched(settings, instance, lambda: all(app.is_ready for app in apps)))
        await run_worker(*apps)
    return WELL


async def run_relay_role(settings: Settings, shards: tuple[int, ...]) -> int:
    """Carries the outbox until SIGTERM; returns the exit status."""
    from connectors.bus.kafka import KafkaBus
    from connectors.bus.noop import NoopBus
    from connectors.relay.prune import Retention
    from connectors.relay.run import RelaySettings, serve_relay
    from streams.settings import Bus

    ready = asyncio.Event()
    bus = (
        KafkaBus(settings.kafka_bootstrap_servers, partitions=settings.partitions)
        if settings.bus is Bus.KAFKA
        else NoopBus()
    )
    relay = RelaySettings(
        postgres_url=settings.postgres_url.get_secret_value(),
        topic_prefix=settings.topic_prefix,
        shards=shards,
        partitions=settings.partitions,
        slice_size=settings.tenant_slice,
        retention=Retention(keep=timedelta(hours=settings.outbox_retention_hours)),
    )
    async with watched(settings, "relay-" + "-".join(map(str, shards)), ready.is_set):
        return await serve_relay(relay, bus, on_ready=ready.set)


async def run_scheduler_role(settings: Settings) -> int:
    """Closes and releases until SIGTERM; returns the exit status."""
    from connectors.scheduler.loop import run_scheduler
    from streams.app import scheduler_rounds

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ready = asyncio.Event()
    async with scheduler_rounds(settings) as rounds, watched(settings, "scheduler", ready.is_set):
        ready.set()
        try:
            await run_scheduler(rounds, stop=stop)
        except Exception:  # noqa: BLE001 - what is still to be done stands in rows: a restart is always safe
            structlog.get_logger(__name__).exception("scheduler.restart-me")
            return RESTART_ME
    return WELL


async def run_up(data_dir: Path, *, services_only: bool, fresh: bool) -> int:
    """Servers, set-up, roles; returns the exit status."""
    from connectors.embedded.up import Role, up

    roles = [Role(role, (sys.executable, "-m", "streams.cli", *role_arguments(role))) for role in ROLES]
    await up(data_dir.absolute(), services_only=services_only, fresh=fresh, roles=roles, prepare=prepare)
    return WELL


def role_arguments(role: str) -> tuple[str, ...]:
    """The command line of a role."""
    return ("worker", role) if role in WORKERS else (role,)


async def prepare(environment: Mapping[str, str]) -> None:
    """Makes fresh servers ready for the roles; nothing happens where they are."""
    from streams.cli.setup import set_up
    from streams.settings import load_settings

    await asyncio.to_thread(set_up, load_settings(environment))
