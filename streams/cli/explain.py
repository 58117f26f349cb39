"""`beaas explain`: why an invoice and its lines say what they say."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from streams.cli.commands import progress_bar, reached_postgres
from streams.cli.failures import FAILED, WELL
from streams.cli.replay import Bar, scope_of, wire_of

if TYPE_CHECKING:
    from connectors.postgres.issued import IssuedBooks, IssuedInvoice, Numbered
    from streams.refold.inquire import Answer, Asked
    from streams.settings import Settings

EVENTS_SHOWN: Final = 20


async def run_explain(  # noqa: PLR0913 - the command's options
    settings: Settings, number: str, line: int | None, *, tenant: str | None, events: int | None, as_json: bool
) -> int:
    """Explains an invoice, or one of its lines, and checks that it is what the journal says.

    Args:
        settings: where the servers are.
        number: of the invoice.
        line: its position on it; None explains the invoice.
        tenant: whose invoice, where the number alone does not tell.
        events: how many events of the line are shown at most; None for all of them.
        as_json: print one JSON object.
    """
    from connectors.postgres.issued import IssuedBooks
    from streams.cli.explained import Told
    from streams.refold.inquire import Asked

    async with AsyncExitStack() as stack:
        books = IssuedBooks(await stack.enter_async_context(reached_postgres(settings, "explain")))
        named = await _the_one(books, number, tenant)
        issued = await _issued(books, named)
        asked = Asked(named.position, lambda place: events if line in {None, place + 1} else 0)
        bar = stack.enter_context(progress_bar())
        answer = await _answer(settings, named, asked, Bar(bar))
        if line is not None and line not in lines_of(issued, answer):
            raise _wrong(f"{number} of {named.tenant} has the lines 1 to {len(answer.lines)}, so no line {line}")
        numbers = await _numbers(books, named, answer)
        bar.stop()
        told = Told(issued, answer, numbers)
        if as_json:
            told.as_json(line)
        elif line is None:
            told.invoice()
        else:
            told.line(line)
        return FAILED if told.findings(line) else WELL


def lines_of(issued: IssuedInvoice, answer: Answer) -> set[int]:
    """Returns the positions of all lines that stand on the invoice, and of those that the journal makes."""
    return {line.position for line in issued.lines} | set(range(1, len(answer.lines) + 1))


async def _the_one(books: IssuedBooks, number: str, tenant: str | None) -> Numbered:
    found = await books.numbered(number, tenant)
    if not found:
        raise _wrong(f"there is no invoice {number!r}" + ("" if tenant is None else f" of tenant {tenant!r}"))
    if len(found) > 1:
        tenants = ", ".join(one.tenant for one in found[:10]) + (" ..." if len(found) > 10 else "")  # noqa: PLR2004 - enough to see
        raise _wrong(f"{len(found)} tenants have an invoice {number}: say whose with --tenant; they are {tenants}")
    return found[0]


async def _issued(books: IssuedBooks, named: Numbered) -> IssuedInvoice:
    async for one in books.invoices(named.tenant, named.customer, named.series_position - 1):
        return one
    raise AssertionError(f"{named.number} was there a moment ago: invoices are never deleted")


async def _answer(settings: Settings, named: Numbered, asked: Asked, bar: Bar) -> Answer:
    from streams.app import codec_of
    from streams.refold.inquire import inquire
    from streams.refold.plan import rating_plan

    codec, scope = codec_of(settings), scope_of(settings, named.tenant, named.customer)
    window = timedelta(days=settings.usage_window_days)
    with tempfile.TemporaryDirectory(prefix="beaas-explain-") as directory:
        async with rating_plan(
            codec, settings.kafka_bootstrap_servers, settings.topic_prefix, scope, usage_window=window
        ) as plan:
            return await inquire(plan, wire_of(settings, codec), scope, asked, Path(directory), bar.show)


async def _numbers(books: IssuedBooks, named: Numbered, answer: Answer) -> dict[str, str]:
    """The numbers of the invoices that have billed a part of these lines before, by statement."""
    before = {one.statement_id for told in answer.lines for one in getattr(told.why, "before", ())}
    return await books.numbers(named.tenant, sorted(before))


def _wrong(text: str) -> Exception:
    from streams.cli import WrongUse

    return WrongUse(text)
