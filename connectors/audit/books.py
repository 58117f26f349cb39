"""Judges the books: what PostgreSQL has, tenant by tenant, some hundred invoices at a time."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Final
from uuid import UUID

from billing.invariants import (
    NOTHING,
    BalanceFact,
    CellFact,
    EntryFact,
    IssueFact,
    Measure,
    NumberFact,
    PeriodFact,
    PostingFact,
    RefoldFact,
    SeriesFact,
    SizeFact,
)
from billing.ledger import CUSTOMER_CREDIT
from connectors.audit import facts
from connectors.audit.scratch import Scratch
from connectors.audit.verdicts import Examination
from connectors.postgres.issued import IssuedBooks, IssuedInvoice
from connectors.postgres.pool import Pool
from connectors.postgres.queries import audit as queries
from schemas.partition import Placement

_ROWS: Final = 5_000
_INVOICES: Final = 500
_CUSTOMERS: Final = 50
_TRANSACTIONS: Final = 2_000
_MOST_SHOWN: Final = 20
_FIRST: Final = UUID(int=0)
_CLOCKS_DIFFER: Final = timedelta(minutes=5)  # an id's clock is the sink's, the moment is the database's
MOST_INVOICES_A_DAY: Final = 100
"""Of one subscription: above it something draws them that should not."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When the examination was made, by the database's clock, and what it may rely on from then."""

    now: datetime
    outbox_kept: timedelta
    views_current: bool
    """Whether the usage view had taken all totals that there were."""
    place: Placement | None
    """In which partition the journal and the statements of an account stand; None where nothing was set up."""


@dataclass(frozen=True, slots=True)
class Books:
    """Reads the books into verdicts."""

    pool: Pool
    scratch: Scratch
    examination: Examination
    moment: Moment
    advance: Callable[[int], None]
    """Told how many rows were read."""

    async def examine(self, tenants: Sequence[queries.AuditedTenants]) -> None:
        """All of these tenants' books are judged, and their invoices stand in the scratch."""
        for tenant in tenants:
            await self._invoices(tenant)
            await self._ledger(tenant.tenant_id)
            await self._usage(tenant.tenant_id)
            await self._sizes(tenant.tenant_id)
        await self._told_of_nothing()

    async def load_outbox(self, tenant: str | None) -> None:
        """The outbox stands in the scratch."""
        after = _FIRST
        while True:
            async with self.pool.connection() as connection:
                rows = await queries.audited_events(connection, after=after, tenant_id=tenant, most=_ROWS)
            if not rows:
                return
            self.scratch.add(
                "outbox",
                (
                    (
                        str(row.id),
                        row.tenant_id,
                        row.aggregate_type,
                        row.aggregate_id,
                        row.sequence,
                        max(0, (self.moment.now - row.created_at) // timedelta(seconds=1)),
                    )
                    for row in rows
                ),
                6,
            )
            self.advance(len(rows))
            after = rows[-1].id

    # Invoices: I03 (their part), I04, I06, I15, I16 ------------------------------------------------------------------

    async def _invoices(self, tenant: queries.AuditedTenants) -> None:
        chunk: list[IssuedInvoice] = []
        async for issued in IssuedBooks(self.pool).invoices(tenant.tenant_id, None):
            if issued.row.series_position > tenant.last_number:
                if await self._is_beyond(tenant.tenant_id, issued):
                    await self._keep(tenant.tenant_id, [issued])
                break
            chunk.append(issued)
            if len(chunk) == _INVOICES:
                await self._chunk(tenant.tenant_id, chunk)
                chunk = []
        await self._chunk(tenant.tenant_id, chunk)
        numbers = self.scratch.rows(
            "SELECT tenant, '', position, number FROM invoices WHERE tenant = ? ORDER BY position", tenant.tenant_id
        )
        self.examination["I15"].judge(
            (NumberFact(*row) for row in numbers),
            [SeriesFact(tenant.tenant_id, "", tenant.last_number)],
        )
        await self._orphans(tenant.tenant_id)

    async def _is_beyond(self, tenant: str, issued: IssuedInvoice) -> bool:
        """Whether its series still has not reached its number; drawn since we began, it has by now."""
        async with self.pool.connection() as connection:
            (now,) = await queries.audited_tenants(connection, tenant_id=tenant)
        return now.last_number < issued.row.series_position

    async def _chunk(self, tenant: str, chunk: Sequence[IssuedInvoice]) -> None:
        if not chunk:
            return
        judged = self.examination
        await self._keep(tenant, chunk)
        judged["I04"].judge(map(facts.sums, chunk))
        judged["I06"].judge(map(self._issue, chunk))
        judged["I16"].judge(fact for issued in chunk for fact in self._finals(issued))
        self.advance(len(chunk))

    async def _keep(self, tenant: str, chunk: Sequence[IssuedInvoice]) -> None:
        """The invoices stand in the scratch, with what closed their periods."""
        commands = {command for issued in chunk if (command := _uuid(issued.row.command_id)) is not None}
        kinds = await kinds_of(self.pool, tenant, commands)
        self.scratch.add(
            "invoices",
            (
                (
                    str(issued.row.invoice_id),
                    tenant,
                    issued.row.number,
                    issued.row.series_position,
                    issued.row.statement_id,
                    issued.row.subscription_id,
                    issued.row.issued_at.isoformat(),
                    issued.row.command_id,
                    kind_of(issued.row.command_id, kinds),
                    None if self.moment.place is None else self.moment.place(tenant, issued.customer),
                    issued.position,
                    facts.made_s(issued) < (self.moment.now - _CLOCKS_DIFFER).timestamp(),
                )
                for issued in chunk
            ),
            12,
        )

    def _issue(self, issued: IssuedInvoice) -> IssueFact:
        horizon = self.moment.now - self.moment.outbox_kept + _CLOCKS_DIFFER
        if facts.made_s(issued) < horizon.timestamp():
            return facts.issue(issued, told=None, posted=None)
        transactions = [str(one.transaction_id) for one in issued.transactions]
        posted = sum(self._events("ledger", transaction) for transaction in transactions)
        return facts.issue(issued, told=self._events("invoice", str(issued.row.invoice_id)), posted=posted)

    def _events(self, topic: str, aggregate: str) -> int:
        ((count,),) = self.scratch.rows(
            "SELECT count(*) FROM outbox WHERE topic = ? AND aggregate = ?", topic, aggregate
        )
        assert isinstance(count, int)
        return count

    def _finals(self, issued: IssuedInvoice) -> Iterator[RefoldFact]:
        """What is final as its rows have it, against what was told when it became final, where that is known."""
        for kind, name, digest in facts.final_events(issued):
            told = list(self.scratch.rows("SELECT digest FROM told WHERE kind = ? AND id = ?", kind, name))
            if told:
                subject = issued.number if kind == "invoice" else f"{issued.number}, its ledger transaction"
                yield RefoldFact(issued.row.tenant_id, subject, digest, told[0][0])
                self.scratch.run("DELETE FROM told WHERE kind = ? AND id = ?", kind, name)

    async def _orphans(self, tenant: str) -> None:
        async with self.pool.connection() as connection:
            rows = await queries.audited_orphans(connection, tenant_id=tenant, most=_ROWS)
        self.examination["I06"].judge(
            IssueFact(tenant, str(row.invoice_id), 0, True, row.transactions, None, None, stray_lines=row.lines)
            for row in rows
        )

    async def _told_of_nothing(self) -> None:
        """Judges what was told of invoices that are not there."""
        gone = self.scratch.rows(
            """SELECT o.tenant, o.aggregate, count(*) FROM outbox AS o LEFT JOIN invoices AS i ON i.id = o.aggregate
            WHERE o.topic = 'invoice' AND i.id IS NULL GROUP BY o.tenant, o.aggregate"""
        )
        for tenant, invoice, told in list(islice(gone, _ROWS)):
            if not await self._present(str(tenant), str(invoice)):
                self.examination["I06"].judge([IssueFact(str(tenant), str(invoice), 0, True, 0, int(str(told)), None)])
        lost = self.scratch.rows("SELECT tenant, id, name, digest FROM told WHERE kind = 'invoice'")
        for tenant, invoice, name, digest in list(islice(lost, _ROWS)):
            if not await self._present(str(tenant), str(invoice)):
                self.examination["I16"].judge([RefoldFact(str(tenant), str(name), None, digest)])

    async def _present(self, tenant: str, invoice: str) -> bool:
        """Whether it is there: one that was drawn since we began is not in the scratch."""
        async with self.pool.connection() as connection:
            return bool(await queries.audited_presence(connection, tenant_id=tenant, invoice_ids=[UUID(invoice)]))

    # The ledger: I05 -------------------------------------------------------------------------------------------------

    async def _ledger(self, tenant: str) -> None:
        verdict = self.examination["I05"]
        async for rows in self._postings(tenant):
            verdict.judge(
                PostingFact(tenant, str(row.transaction_id), row.currency, row.account, int(row.amount_minor))
                for row in rows
                if row.account is not None and row.amount_minor is not None
            )
            bare = [EntryFact(tenant, str(row.transaction_id), 1, 0) for row in rows if row.account is None]
            verdict.judge((), (), bare)
        async with self.pool.connection() as connection:
            strays = await queries.audited_strays(connection, tenant_id=tenant, most=_ROWS)
        verdict.judge((), (), (EntryFact(tenant, str(row.transaction_id), 0, row.postings) for row in strays))
        async for credit in self._credit(tenant):
            balances = (
                BalanceFact(
                    tenant,
                    row.currency,
                    f"{CUSTOMER_CREDIT} of {row.customer_id}",
                    -int(row.remaining_minor),
                    int(row.posted_minor),
                )
                for row in credit
            )
            verdict.judge((), balances)

    async def _credit(self, tenant: str) -> AsyncIterator[list[queries.AuditedCredit]]:
        after = "", ""
        while True:
            async with self.pool.connection() as connection:
                rows = await queries.audited_credit(
                    connection,
                    tenant_id=tenant,
                    account=CUSTOMER_CREDIT,
                    after_customer=after[0],
                    after_currency=after[1],
                    most=_ROWS,
                )
            if not rows:
                return
            yield rows
            self.advance(len(rows))
            after = rows[-1].customer_id, rows[-1].currency

    async def _postings(self, tenant: str) -> AsyncIterator[list[queries.AuditedPostings]]:
        after = _FIRST
        while True:
            async with self.pool.connection() as connection:
                rows = await queries.audited_postings(connection, tenant_id=tenant, after=after, most=_TRANSACTIONS)
            if not rows:
                return
            yield rows
            self.advance(len(rows))
            after = rows[-1].transaction_id

    # Usage: I01, and bounds: I20 -------------------------------------------------------------------------------------

    async def _usage(self, tenant: str) -> None:
        if not self.moment.views_current:
            return
        after = ""
        while True:
            async with self.pool.connection() as connection:
                customers = await queries.audited_customers(connection, tenant_id=tenant, after=after, most=_CUSTOMERS)
                codes = [row.customer_id for row in customers]
                if not codes:
                    return
                totals = await queries.audited_totals(
                    connection, tenant_id=tenant, customer_ids=codes, before=self.moment.now
                )
            self.examination["I01"].judge(fact for row in totals if (fact := _cell(tenant, row)) is not None)
            self.advance(len(totals))
            after = codes[-1]

    async def _sizes(self, tenant: str) -> None:
        async with self.pool.connection() as connection:
            rows = await queries.audited_busiest(connection, tenant_id=tenant, most=_MOST_SHOWN)
        self.examination["I20"].judge(
            SizeFact(tenant, f"{row.subscription_id} on {row.day}", row.invoices, "invoices", MOST_INVOICES_A_DAY)
            for row in rows
        )


def _cell(tenant: str, row: queries.AuditedTotals) -> CellFact | None:
    """What a closed window's total and its lines say; None for a trial, which nobody invoices."""
    if row.invoiced is None and not row.amount_minor:
        return None
    invoiced = NOTHING if row.invoiced is None else Measure(row.invoiced, None, None)
    return CellFact(
        tenant=tenant,
        subscription=row.subscription_id,
        price=row.price_id,
        group="" if row.line_group == "{}" else row.line_group,
        period_start=row.period_start.isoformat(),
        accepted=None,
        metered=Measure(row.quantity, None, None),
        invoiced=invoiced,
    )


def judge_periods(scratch: Scratch, examination: Examination) -> None:
    """Judges closes by their statements and invoices (I03): what is in the scratch of both.

    Statements of a partition stand in the order of the journal. So of an invoice that comes of no earlier position than
    the first statement that is kept there must be one; beyond the last that was read, once it cannot be of later.
    """
    rows = scratch.rows(
        """SELECT i.tenant, i.subscription, i.at, i.kind, NULL AS owed, i.number,
            coalesce(i.journal >= k.oldest AND (i.journal <= k.newest OR i.settled), 0)
            AND NOT EXISTS (SELECT 1 FROM statements AS s WHERE s.id = i.statement AND s.tenant = i.tenant)
        FROM invoices AS i LEFT JOIN kept AS k ON k.partition_ = i.partition_
        UNION ALL SELECT tenant, subscription, at, kind, CASE WHEN done THEN owed END, NULL, 0 FROM statements
        ORDER BY 1, 2, 3, 4"""
    )
    examination["I03"].judge(
        PeriodFact(
            str(tenant),
            str(subscription),
            str(at),
            str(kind),
            None if owed is None else bool(owed),
            () if name is None else (str(name),),
            bool(unstated),
        )
        for tenant, subscription, at, kind, owed, name, unstated in rows
    )


async def kinds_of(pool: Pool, tenant: str, commands: set[UUID]) -> dict[str, str]:
    """Returns what kinds of commands these are; those that are not ours are not in it."""
    async with pool.connection() as connection:
        rows = await queries.audited_kinds(connection, tenant_id=tenant, command_ids=list(commands))
    return {str(row.command_id): row.kind for row in rows}


def kind_of(command: str, kinds: dict[str, str]) -> str:
    """Returns what closes a period: one cycle at a moment, while other commands are told apart by their ids."""
    kind = kinds.get(command, "command")
    return kind if kind == "CycleClosed" else f"{kind} {command}"


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
