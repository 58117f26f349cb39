"""The short commands: apply, clock, usage, conformance."""

from __future__ import annotations

import json
import sys
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from streams.cli.failures import FAILED, UNREACHABLE, WELL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from connectors.postgres.pool import Pool
    from connectors.usage_file.sender import Sent
    from streams.conformance import Results
    from streams.settings import Settings

out = Console(highlight=False, soft_wrap=True)
AT_ONCE, CONNECTIONS = 25, 6  # stories side by side, and their connections: nearly all of their time they wait


def progress_bar() -> Progress:
    """A bar on a terminal, nothing elsewhere: a script reads only results."""
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
        transient=True,
    )


@asynccontextmanager
async def reached_postgres(settings: Settings, command: str, *, size: int = 1) -> AsyncIterator[Pool]:
    """Connections of `beaas_service`, `size` at most; a server that is not there is said at once.

    A pool by itself tries for half a minute, and logs each time that it failed.
    """
    from psycopg import AsyncConnection

    from connectors.postgres.pool import Role, session_conninfo
    from streams.app import service_pool

    url = settings.postgres_url.get_secret_value()
    first = await AsyncConnection.connect(session_conninfo(url, Role.SERVICE, statement_timeout_s=5), connect_timeout=5)
    await first.close()
    async with service_pool(settings, command, size) as pool:
        yield pool


async def apply_file(settings: Settings, file: Path, *, as_json: bool) -> int:
    """Applies a catalogue file and says what changed."""
    from connectors.catalogue_file import read_catalogue
    from connectors.services.apply import apply
    from streams.app import codec_of, outbox_of

    catalogue = read_catalogue(file)
    async with reached_postgres(settings, "apply") as pool:
        applied = await apply(
            pool,
            outbox_of(settings, codec_of(settings)),
            catalogue,
            now=datetime.now(UTC),
            correlation_id=f"apply-{uuid4()}",
        )
    kinds = ("tenants", "meters", "plans", "coupons", "customers", "subscriptions")
    counts = {kind: getattr(applied, kind) for kind in kinds}
    if as_json:
        plain = {
            kind: {"created": c.created, "changed": c.changed, "unchanged": c.unchanged} for kind, c in counts.items()
        }
        sys.stdout.write(json.dumps(plain) + "\n")
        return WELL
    for kind, c in counts.items():
        out.print(f"{kind:<14} {c.created:>6} created {c.changed:>6} changed {c.unchanged:>6} unchanged")
    return WELL


async def move_clock(settings: Settings, tenant: str, instant: datetime, *, wait: bool, timeout_s: float | None) -> int:
    """Moves a test clock; with `wait`, until every cycle due by then is invoiced.

    Commands of the time from where the clock stood that the journal refused are then told, and are status 1.
    """
    from connectors.postgres.issued import IssuedBooks
    from connectors.postgres.unit_of_work import unit_of_work
    from connectors.services.catalog import lock_tenants
    from connectors.services.clock import Settlement, set_clock, wait_settled
    from streams.app import codec_of, outbox_of

    async with reached_postgres(settings, "clock") as pool:
        outbox = outbox_of(settings, codec_of(settings))
        async with unit_of_work(pool, None, outbox=outbox, correlation_id=f"clock-{uuid4()}") as work:
            stood = (await lock_tenants(work.connection, [tenant])).get(tenant)  # type: ignore[list-item, call-overload]
            await set_clock(work, tenant, instant)  # type: ignore[arg-type]  # the wire's text becomes an id here
        if not wait:
            return WELL
        with progress_bar() as bar:
            task = bar.add_task(f"{tenant} until {instant:%Y-%m-%d %H:%M}", total=None, note="")

            def show(now: Settlement) -> None:
                note = f"{now.due} subscriptions due" if now.due else ""
                bar.update(task, completed=now.settled, total=now.total, note=note)

            try:
                await wait_settled(pool, tenant, instant, timeout_s=timeout_s, progress=show)  # type: ignore[arg-type]
            except TimeoutError:
                sys.stderr.write(f"beaas: {tenant} is not settled after {timeout_s:g} s; are all roles running?\n")
                return FAILED
        since = None if stood is None else stood.test_clock
        refused = await IssuedBooks(pool).refused(tenant, since, instant)
    for command in refused:
        sys.stderr.write(f"beaas: {tenant}: {command}\n")
    return FAILED if refused else WELL


def send_file(
    settings: Settings, file: Path, *, rate_per_s: float | None, names: Mapping[str, str], as_json: bool
) -> int:
    """Sends a file's usage and says how many records Kafka acknowledged."""
    from connectors.usage_file.reader import read_usage
    from connectors.usage_file.sender import send_usage
    from schemas import topics
    from streams.app import codec_of

    codec = codec_of(settings)
    with progress_bar() as bar:
        task = bar.add_task(file.name, total=None, note="")

        def show(sent: Sent) -> None:
            bar.update(task, completed=sent.acknowledged, total=sent.produced, note="acknowledged")

        sent = send_usage(
            read_usage(file, names),
            codec.encode_usage,
            bootstrap_servers=settings.kafka_bootstrap_servers,
            topic=topics.USAGE.full_name(settings.topic_prefix),
            rate_per_s=rate_per_s,
            progress=show,
        )
    if as_json:
        sys.stdout.write(json.dumps({"produced": sent.produced, "acknowledged": sent.acknowledged}) + "\n")
    else:
        out.print(f"{sent.acknowledged} of {sent.produced} records acknowledged by Kafka")
    if sent.failed:
        sys.stderr.write(f"beaas: {sent.failed} records were not acknowledged: {sent.first_error}\n")
        return UNREACHABLE
    return WELL


def run_conformance(files: Sequence[Path]) -> int:
    """Runs the cases in process and prints one line each."""
    from streams.conformance import run_files

    return _told(run_files(files))


async def run_conformance_through(settings: Settings, files: Sequence[Path], *, timeout_s: float) -> int:
    """Runs the scenarios through the pipeline, all other cases in process, and prints one line each."""
    from connectors.postgres.issued import IssuedBooks
    from streams.cli.stories.tenant import running_pipeline
    from streams.conformance.pipeline import Course, run_files_through

    with progress_bar() as bar:
        task = bar.add_task("scenarios", total=None, note="")

        def show(through: int, stories: int) -> None:
            bar.update(task, completed=through, total=stories)

        async with (
            reached_postgres(settings, "conformance", size=CONNECTIONS) as pool,
            running_pipeline(settings, pool, timeout_s=timeout_s) as pipeline,
        ):

            async def refusals(tenant: str) -> list[str]:
                return [command.why for command in await IssuedBooks(pool).refused(tenant)]

            run = f"{datetime.now(UTC):%Y%m%d%H%M%S}-{uuid4().hex[:6]}"
            course = Course(run, AT_ONCE, show, refusals)
            results = await run_files_through(pipeline, files, course)
    return _told(results)


def _told(results: Results) -> int:
    out.print(str(results), markup=False)
    return FAILED if results.failed else WELL
