"""`beaas replay`: the journal folded again, and what was issued of it."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import AsyncExitStack
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table

from streams.cli.commands import progress_bar, reached_postgres
from streams.cli.failures import FAILED, WELL
from streams.cli.tables import console

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import Progress

    from billing.invoice import Invoice
    from connectors.postgres.issued import IssuedBooks
    from schemas.codec import Codec
    from streams.refold.difference import Difference
    from streams.refold.replay import Found, Replay, Tally, Wire
    from streams.refold.scope import Scope
    from streams.settings import Settings

SHOWN: Final = 50
"""Differences, and invoices, that are printed; all of them with `--json`."""


async def run_replay(settings: Settings, tenant: str, customer: str | None, *, diff: bool, as_json: bool) -> int:
    """Folds the journal again; with `diff`, says what was issued otherwise."""
    from connectors.postgres.issued import IssuedBooks
    from streams.app import codec_of
    from streams.refold.plan import rating_plan
    from streams.refold.replay import Replay

    async with AsyncExitStack() as stack:
        books = IssuedBooks(await stack.enter_async_context(reached_postgres(settings, "replay", size=2)))
        await require_known(books, tenant, customer)
        codec = codec_of(settings)
        scope = scope_of(settings, tenant, customer)
        plan = await stack.enter_async_context(
            rating_plan(
                codec,
                settings.kafka_bootstrap_servers,
                settings.topic_prefix,
                scope,
                usage_window=timedelta(days=settings.usage_window_days),
            )
        )
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="beaas-replay-")))
        bar = stack.enter_context(progress_bar())
        replay = Replay(plan, wire_of(settings, codec), scope, directory, Bar(bar).show)
        stack.push_async_callback(replay.close)
        differences = await replay.refold()
        if not diff:
            bar.stop()
            tell_refolded(replay, differences, as_json=as_json)
            return FAILED if differences else WELL
        told = _Told(as_json=as_json)
        for difference in differences:
            told.tell(difference)
        async for difference in replay.compare(books, on_topic=settings.bus == "kafka"):
            told.tell(difference)
        bar.stop()
        told.close(replay.found, tenant, customer)
        return FAILED if told.count else WELL


async def require_known(books: IssuedBooks, tenant: str, customer: str | None) -> None:
    """Refuses a tenant, or a customer, that is not there.

    Raises:
        WrongUse: the text says which.
    """
    from streams.cli import WrongUse

    known = await books.known(tenant, customer)
    if not known.tenant:
        raise WrongUse(f"there is no tenant {tenant!r}")
    if not known.customer:
        raise WrongUse(f"tenant {tenant} has no customer {customer!r}")


def scope_of(settings: Settings, tenant: str, customer: str | None) -> Scope:
    """Whose journal is read, and where it stands."""
    from streams.refold.scope import Scope

    return Scope(tenant, customer, settings.partitions, settings.tenant_slice)


def wire_of(settings: Settings, codec: Codec) -> Wire:
    """Where records are read."""
    from streams.agents.journal import JournalReader
    from streams.refold.replay import Wire
    from streams.refold.scope import Positions

    servers = settings.kafka_bootstrap_servers
    return Wire(codec, settings.topic_prefix, Positions(servers), lambda topic: JournalReader(servers, topic))


class Bar:
    """One line of progress: what is read, and how much of it."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._task = bar.add_task("journal", total=None, note="")

    def show(self, what: str, done: int, whole: int) -> None:
        """Shows what is being done, and how much of it is; 0 where nobody knows how much there is."""
        self._bar.update(self._task, description=what, completed=done, total=whole or None)


class _Told:
    """Differences as they are found: one line each, the first so many; or all of them, each a line of JSON."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self.count = 0

    def tell(self, difference: Difference) -> None:
        self.count += 1
        if self._as_json or self.count <= SHOWN:
            _tell(difference, as_json=self._as_json)

    def close(self, found: Found, tenant: str, customer: str | None) -> None:
        if self._as_json:
            sys.stdout.write(json.dumps({"differences": self.count, **asdict(found)}) + "\n")
            return
        if self.count > SHOWN:
            console().print(f"... and {self.count - SHOWN:,} more; --json prints all of them")
        if self.count:
            console().print()
        console().print(_tallies(found))
        whose = tenant if customer is None else f"{customer} of {tenant}"
        folded = f"{found.entries:,} entries of the journal refolded"
        if found.not_rated:
            console().print(f"{found.not_rated:,} newer positions of the journal are not rated yet, and not judged")
        if found.invoices.pending:
            console().print(
                f"{found.invoices.pending:,} invoices of what is not rated, or not yet there, are not judged"
            )
        verdict = f"{self.count:,} differences" if self.count else "nothing differs by a byte"
        console().print(f"{whose}: {folded}, {verdict}", style="bold red" if self.count else "bold green")


def _tell(difference: Difference, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps({"difference": asdict(difference)}) + "\n")
    else:
        console().print(str(difference), soft_wrap=True)


def _tallies(found: Found) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("")
    for name in ("compared", "identical", "kept no more", "under way"):
        table.add_column(name, justify="right")
    rows = {
        "statements, bytes on the topic": found.statements,
        "invoices, all rows in PostgreSQL": found.invoices,
        "invoice events, bytes": found.events,
    }
    for name, tally in rows.items():
        table.add_row(name, *_counts(tally))
    return table


def _counts(tally: Tally) -> list[str]:
    return [f"{count:,}" for count in (tally.compared, tally.identical, tally.gone, tally.pending)]


def tell_refolded(replay: Replay, misplaced: list[Difference], *, as_json: bool) -> None:
    """What was refolded: its invoices, without the numbers and the credit that only the issued ones have.

    Before them all that stands where it may not.
    """
    for difference in misplaced:
        _tell(difference, as_json=as_json)
    table = Table(box=None, pad_edge=False)
    for name in ("issued at", "customer", "subscription", "plan"):
        table.add_column(name)
    for name in ("lines", "subtotal", "tax", "total"):
        table.add_column(name, justify="right")
    table.add_column("")
    count = 0
    for count, invoice in enumerate(_invoices(replay), start=1):
        row = _row(invoice)
        if as_json:
            sys.stdout.write(json.dumps(row) + "\n")
        elif count <= SHOWN:
            table.add_row(*map(str, row.values()))
    if as_json:
        return
    if count:
        console().print(table)
    if count > SHOWN:
        console().print(f"... and {count - SHOWN:,} more; --json prints all of them")
    console().print(f"{count:,} invoices of {replay.found.entries:,} entries of the journal; --diff compares them")


def _invoices(replay: Replay) -> Iterator[Invoice]:
    from billing.invoice import draw

    for statement in replay.statements():
        if statement.lines:
            yield draw(statement, ())


def _row(invoice: Invoice) -> dict[str, str | int]:
    from billing.currency import currency
    from billing.instant import instant
    from billing.money import Money

    statement = invoice.statement
    unit = currency(statement.currency)

    def major(minor: int) -> str:
        return f"{Money(minor, unit).major():,f}"

    return {
        "issued_at": f"{instant(statement.issued_at_us):%Y-%m-%d %H:%M:%SZ}",
        "customer": statement.customer,
        "subscription": statement.subscription,
        "plan": f"{statement.plan} v{statement.plan_version}",
        "lines": len(statement.lines),
        "subtotal": major(invoice.subtotal_minor),
        "tax": major(invoice.tax_minor),
        "total": major(invoice.total_minor),
        "currency": statement.currency,
    }
