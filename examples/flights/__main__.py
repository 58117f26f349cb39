"""`make demo`: a real year of flights through the whole pipeline, compared with 455 expected invoices."""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import psycopg
from rich.console import Console

from billing.entry import Usage
from billing.period import billing_period, boundary, containing
from connectors.embedded.up import Role, up
from connectors.usage_file.reader import read_usage
from connectors.usage_file.sender import Sent, send_usage
from examples import show
from examples.flights import stages
from examples.flights.compare import compare
from schemas import topics
from streams.app import codec_of
from streams.cli.commands import apply_file, move_clock, progress_bar
from streams.cli.failures import FAILED, WELL
from streams.cli.roles import ROLES, prepare, role_arguments
from streams.settings import Settings, load_settings

HERE: Final = Path(__file__).parent
TENANTS: Final = ("EWR", "JFK", "LGA")
START: Final = datetime(2013, 1, 1, 5, tzinfo=UTC)
ZONE: Final = ZoneInfo("America/New_York")
MONTH: Final = billing_period("P1M")
FLIGHTS: Final = 336_776
COLUMNS: Final = {"tenant_id": "origin", "customer_id": "carrier"}
DRAWN: Final = (("EWR", "UA", 3), ("JFK", "B6", 7), ("LGA", "YV", 12))
"""Which invoices are drawn: tenant, customer, how many months after the first."""

console: Final = Console(highlight=False, width=None if sys.stdout.isatty() else 100)


@dataclass(slots=True)
class Year:
    """The run so far."""

    data_dir: Path
    began: float = field(default_factory=time.monotonic)
    settings: Settings | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    speeds: dict[str, stages.Stage] = field(default_factory=dict)

    async def prepare(self, environment: Mapping[str, str]) -> None:
        """The servers run: make tables, topics and schemas, and let the year begin."""
        await prepare(environment)
        self.settings = load_settings(environment)
        self.ready.set()

    def elapsed(self) -> str:
        """Since the start, for people."""
        return f"{time.monotonic() - self.began:.0f} s"


async def main(data_dir: Path) -> int:
    """Bills the year; returns the exit status."""
    year = Year(data_dir.absolute())
    roles = [Role(role, (sys.executable, "-m", "streams.cli", *role_arguments(role))) for role in ROLES]
    serving = asyncio.create_task(up(year.data_dir, services_only=False, fresh=True, roles=roles, prepare=year.prepare))
    billing = asyncio.create_task(bill(year))
    await asyncio.wait({serving, billing}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():  # a signal, or a server that does not start
        billing.cancel()
        if (error := serving.exception()) is not None:
            console.print(f"[red]{error}[/]")
        return FAILED
    serving.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await serving
    status = billing.result()
    console.print(f"\nThe data is kept: [bold].venv/bin/beaas up --data-dir {data_dir}[/] goes on from it.")
    return status


async def bill(year: Year) -> int:
    """Applies the tariff, sends the flights month by month, moves the clocks, shows what came out."""
    await year.ready.wait()
    assert year.settings is not None
    console.rule("tariff")
    await apply_file(year.settings, HERE / "tariff.yaml", as_json=False)
    await settle(year.settings, START)
    console.print(f"first invoices after {year.elapsed()}")
    console.rule("flights")
    watching = asyncio.create_task(stages.watch(year.data_dir, year.speeds))
    await send_year(year.settings)
    watching.cancel()
    console.print(f"the year is billed after {year.elapsed()}")
    return report(year)


async def send_year(settings: Settings) -> None:
    """Each month's flights at full speed, as a producer would; then the clocks to its end."""
    encode = codec_of(settings).encode_usage
    topic = topics.USAGE.full_name(settings.topic_prefix)
    with progress_bar() as bar:
        task = bar.add_task("2013", total=FLIGHTS, note="")
        done = 0
        for month, flights in groupby(read_usage(HERE / "2013.csv.gz", COLUMNS), key=month_of):

            def shown(sent: Sent, before: int = done, month: int = month) -> None:
                bar.update(task, completed=before + sent.acknowledged, note=f"month {month + 1} of 12")

            sent = await asyncio.to_thread(
                send_usage,
                flights,
                encode,
                bootstrap_servers=settings.kafka_bootstrap_servers,
                topic=topic,
                progress=shown,
            )
            done += sent.acknowledged
            end = boundary(START, MONTH, ZONE, month + 1)
            began = time.monotonic()
            await settle(settings, end)
            console.print(
                f"{end:%d %B %Y}  {sent.acknowledged:>6,} flights acknowledged,"
                f" invoiced {time.monotonic() - began:.1f} s after the clocks moved"
            )


async def settle(settings: Settings, instant: datetime) -> None:
    """All three tenants' clocks stand at the instant, and what was due by then is invoiced."""
    await asyncio.gather(*[move_clock(settings, tenant, instant, wait=True, timeout_s=300) for tenant in TENANTS])


def month_of(usage: Usage) -> int:
    """The billing month of a flight, from 0."""
    return containing(START, MONTH, ZONE, datetime.fromtimestamp(usage.occurred_at_us // 1_000_000, UTC))


def report(year: Year) -> int:
    """Prints invoices, trial balance, stages and the comparison; returns the exit status."""
    assert year.settings is not None
    with psycopg.connect(year.settings.postgres_url.get_secret_value()) as connection:
        found = show.invoices(connection)
        names = {row[0]: row[1] for row in connection.execute("SELECT customer_id, name FROM beaas.customers")}
        console.rule("invoices")
        for invoice in drawn(found):
            console.print(show.invoice_panel(connection, invoice, names, ZONE))
        balance, balanced = show.trial_balance(connection)
        console.print(balance)
    console.print(stages.table(year.speeds))
    equal, expected, differences = compare(found, HERE / "expected.csv")
    for difference in differences[:20]:
        console.print(f"[red]{difference}[/]")
    console.print(
        f"[bold]{equal} of {expected} invoices equal[/], the trial balance is {'zero' if balanced else 'NOT ZERO'}"
    )
    return WELL if balanced and equal == expected and not differences else FAILED


def drawn(found: list[show.ShownInvoice]) -> Iterator[show.ShownInvoice]:
    """Some invoices worth a look."""
    for tenant, customer, index in DRAWN:
        of_customer = [one for one in found if (one.tenant, one.customer) == (tenant, customer)]
        yield from of_customer[index : index + 1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path(".beaas-demo"))
    sys.exit(asyncio.run(main(parser.parse_args().data_dir)))
