"""What was issued, as it stands in PostgreSQL, and what it ought to be by a statement that was folded again."""

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from billing.credit import Grant
from billing.instant import instant, micros
from billing.invoice import draw
from billing.statement import Line, Statement
from connectors.postgres.pool import Pool
from connectors.postgres.queries import issued as queries
from connectors.postgres.sinks.finalized import Finalized
from schemas import convert, topics
from schemas.records import InvoiceFinalized

INVOICES_A_CHUNK: Final = 500
REFUSALS_TOLD: Final = 100
_NO_TRANSACTION: Final = UUID(int=0)
R = TypeVar("R")


class FieldDifference(NamedTuple):
    """A column that says something else: where it is, what it ought to be, and what it is."""

    field: str
    refolded: str
    issued: str


@dataclass(frozen=True, slots=True)
class Known:
    """Whether a tenant is there, and the customer that was asked for."""

    tenant: bool
    customer: bool


@dataclass(frozen=True, slots=True)
class Numbered:
    """Where an invoice of a number is to be found."""

    tenant: str
    customer: str
    number: str
    statement_id: str
    position: int
    series_position: int


@dataclass(frozen=True, slots=True)
class IssuedInvoice:
    """An invoice with all rows that were written with it, and what the outbox still has of its event."""

    row: queries.IssuedInvoices
    lines: tuple[queries.IssuedLines, ...]
    transactions: tuple[queries.IssuedTransactions, ...]
    postings: tuple[queries.IssuedPostings, ...]
    burns: tuple[queries.IssuedBurns, ...]
    grants: tuple[queries.IssuedGrants, ...]
    events: tuple[bytes, ...]

    @property
    def number(self) -> str:
        """The number in the tenant's series."""
        return self.row.number

    @property
    def invoice_id(self) -> str:
        """Its id, as events name it."""
        return str(self.row.invoice_id)

    @property
    def customer(self) -> str:
        """Whose it is."""
        return self.row.customer_id

    @property
    def statement_id(self) -> str:
        """The statement that it was drawn from."""
        return self.row.statement_id

    @property
    def position(self) -> int:
        """Where the statement's command stands in the journal."""
        return self.row.journal_position

    def event(self, statement: Statement) -> InvoiceFinalized:
        """The event that tells of the statement under this invoice's number, paid with the credit that it took."""
        return convert.invoice_from_domain(
            self._drawn(statement).invoice, invoice_id=self.row.invoice_id, number=self.number
        )

    def differences(self, statement: Statement) -> Iterator[FieldDifference]:
        """Yields every column of every row that is not what the statement makes of it."""
        drawn = self._drawn(statement)
        yield from _compared("invoices", _Keyed({(): _invoice_row(drawn)}), _Keyed({(): self.row}))
        lines = {line.position: _Line.of_row(line) for line in self.lines}
        yield from _compared("invoice_lines", _Keyed(_line_rows(drawn)), _Keyed(lines))
        yield from self._ledger_differences(drawn)
        yield from _compared("credit_grants", _Keyed(_grant_rows(drawn)), _Keyed({g.grant_id: g for g in self.grants}))
        burns = {burn.grant_id: burn.amount_minor for burn in self.burns}
        ought = {burn.grant_id: Decimal(burn.amount_minor) for burn in drawn.invoice.burns}
        if burns != ought:
            yield FieldDifference("credit_burns", _plain(ought), _plain(burns))

    def _ledger_differences(self, drawn: Finalized) -> Iterator[FieldDifference]:
        transactions = {one.transaction_id: one for one in self.transactions}
        yield from _compared("ledger_transactions", _Keyed(_transaction_rows(drawn)), _Keyed(transactions))
        postings = {(one.transaction_id, one.position): one for one in self.postings}
        yield from _compared("postings", _Keyed(_posting_rows(drawn)), _Keyed(postings))

    def _drawn(self, statement: Statement) -> Finalized:
        grants = [
            Grant(
                burn.grant_id,
                int(burn.amount_minor),
                burn.priority,
                None if burn.expires_at is None else micros(burn.expires_at),
            )
            for burn in self.burns
        ]
        return Finalized.of(
            draw(statement, grants),
            invoice_id=self.row.invoice_id,
            transaction_id=self.transactions[0].transaction_id if self.transactions else _NO_TRANSACTION,
            series_position=self.row.series_position,
        )


@dataclass(frozen=True, slots=True)
class RefusedCommand:
    """A command that the journal refused: it had no effect."""

    kind: str
    customer: str
    subscription: str | None
    at: datetime
    why: str

    def __str__(self) -> str:
        """Which command, and why."""
        whose = self.customer if self.subscription is None else self.subscription
        return f"{self.kind} of {whose} at {self.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ} was refused: {self.why}"


class IssuedBooks:
    """Reads what was issued.

    Args:
        pool: of the role `beaas_service`.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def known(self, tenant: str, customer: str | None) -> Known:
        """Tells whether they are there."""
        async with self._pool.connection() as connection:
            found = await queries.known_accounts(connection, tenant_id=tenant, customer_id=customer)
        return Known(found is not None and found.tenant, found is not None and found.customer)

    async def numbered(self, number: str, tenant: str | None) -> list[Numbered]:
        """Returns where invoices of this number are: one a tenant at most."""
        async with self._pool.connection() as connection:
            rows = await queries.invoices_numbered(connection, number=number, tenant_id=tenant)
        return [
            Numbered(
                row.tenant_id, row.customer_id, row.number, row.statement_id, row.journal_position, row.series_position
            )
            for row in rows
        ]

    async def numbers(self, tenant: str, statement_ids: Sequence[str]) -> dict[str, str]:
        """Returns the numbers of the statements' invoices, by statement."""
        async with self._pool.connection() as connection:
            rows = await queries.numbers_of(connection, tenant_id=tenant, statement_ids=list(statement_ids))
        return {row.statement_id: row.number for row in rows}

    async def refused(
        self, tenant: str, since: datetime | None = None, until: datetime | None = None
    ) -> list[RefusedCommand]:
        """Returns the first hundred commands of these moments, both ends among them, that the journal refused."""
        async with self._pool.connection() as connection:
            rows = await queries.refused_commands(
                connection, tenant_id=tenant, since=since, until=until, most=REFUSALS_TOLD
            )
        return [RefusedCommand(row.kind, row.customer_id, row.subscription_id, row.at, row.refusal) for row in rows]

    async def invoices(self, tenant: str, customer: str | None, after: int = 0) -> AsyncIterator[IssuedInvoice]:
        """Yields the invoices behind a place of the series in the order of their numbers, some hundreds at a time."""
        while True:
            async with self._pool.connection() as connection:
                rows = await queries.issued_invoices(
                    connection, tenant_id=tenant, customer_id=customer, after=after, most=INVOICES_A_CHUNK
                )
                if not rows:
                    return
                chunk = await _whole(connection, tenant, rows)
            for one in chunk:
                yield one
            after = rows[-1].series_position


async def _whole(connection: Any, tenant: str, rows: Sequence[queries.IssuedInvoices]) -> list[IssuedInvoice]:
    ids = [row.invoice_id for row in rows]
    lines = await queries.issued_lines(connection, tenant_id=tenant, invoice_ids=ids)
    transactions = await queries.issued_transactions(connection, tenant_id=tenant, invoice_ids=ids)
    named = [one.transaction_id for one in transactions]
    postings = await queries.issued_postings(connection, tenant_id=tenant, transaction_ids=named)
    burns = await queries.issued_burns(connection, tenant_id=tenant, invoice_ids=ids)
    grants = await queries.issued_grants(connection, tenant_id=tenant, invoice_ids=ids)
    events = await queries.issued_events(
        connection, tenant_id=tenant, aggregate_type=topics.INVOICE.name, aggregate_ids=[str(one) for one in ids]
    )
    lines_of = _by([(line.invoice_id, line) for line in lines])
    transactions_of = _by([(one.invoice_id, one) for one in transactions])
    postings_of = _by([(one.transaction_id, one) for one in postings])
    burns_of = _by([(burn.invoice_id, burn) for burn in burns])
    grants_of = _by([(grant.invoice_id, grant) for grant in grants])
    events_of = _by([(event.aggregate_id, event.payload) for event in events])
    return [
        IssuedInvoice(
            row=row,
            lines=tuple(lines_of[row.invoice_id]),
            transactions=tuple(transactions_of[row.invoice_id]),
            postings=tuple(
                posting
                for transaction in transactions_of[row.invoice_id]
                for posting in postings_of[transaction.transaction_id]
            ),
            burns=tuple(burns_of[row.invoice_id]),
            grants=tuple(grants_of[row.invoice_id]),
            events=tuple(events_of[str(row.invoice_id)]),
        )
        for row in rows
    ]


def _by(pairs: Iterable[tuple[Hashable, R]]) -> defaultdict[Hashable, list[R]]:
    grouped: defaultdict[Hashable, list[R]] = defaultdict(list)
    for key, row in pairs:
        grouped[key].append(row)
    return grouped


# --- the rows as they ought to be: a second hand beside the sink's own, so that a column which it mixes up is seen


@dataclass(frozen=True, slots=True)
class _Line:
    """A row of `invoice_lines`, its group parsed."""

    tenant_id: str
    invoice_id: UUID
    position: int
    kind: str
    price_id: str
    line_group: str
    quantity: Decimal
    amount_minor: Decimal
    period_start: object
    period_end: object
    taxable: bool
    events: int
    events_digest: bytes
    discount_minor: Decimal

    @classmethod
    def of_row(cls, row: queries.IssuedLines) -> "_Line":
        given = {field.name: getattr(row, field.name) for field in fields(cls)}
        return cls(**given | {"line_group": _sorted(json.loads(row.line_group))})

    @classmethod
    def of(cls, drawn: Finalized, position: int, line: Line) -> "_Line":
        return cls(
            tenant_id=drawn.statement.tenant,
            invoice_id=drawn.invoice_id,
            position=position,
            kind=line.kind.value,
            price_id=line.price,
            line_group=_sorted(line.group),
            quantity=Decimal(line.quantity),
            amount_minor=Decimal(line.amount_minor),
            period_start=instant(line.period_start_us),
            period_end=instant(line.period_end_us),
            taxable=line.taxable,
            events=line.events,
            events_digest=line.events_digest,
            discount_minor=Decimal(line.discount_minor),
        )


def _sorted(group: Mapping[str, str]) -> str:
    return json.dumps(group, sort_keys=True, ensure_ascii=False)


def _invoice_row(drawn: Finalized) -> queries.IssuedInvoices:
    statement, invoice = drawn.statement, drawn.invoice
    return queries.IssuedInvoices(
        tenant_id=statement.tenant,
        invoice_id=drawn.invoice_id,
        statement_id=statement.statement_id,
        customer_id=statement.customer,
        subscription_id=statement.subscription,
        plan_id=statement.plan,
        plan_version=statement.plan_version,
        series_position=drawn.series_position,
        number=drawn.number,
        currency=statement.currency,
        timezone=statement.timezone,
        tax_percent=Decimal(statement.tax_percent),
        issued_at=drawn.issued_at,
        subtotal_minor=Decimal(invoice.subtotal_minor),
        tax_minor=Decimal(invoice.tax_minor),
        total_minor=Decimal(invoice.total_minor),
        credit_applied_minor=Decimal(invoice.credit_applied_minor),
        amount_due_minor=Decimal(invoice.amount_due_minor),
        command_id=statement.command_id,
        correlation_id=statement.correlation_id,
        journal_position=statement.position,
        tzdata=statement.tzdata,
    )


def _line_rows(drawn: Finalized) -> dict[Hashable, object]:
    return {place: _Line.of(drawn, place, line) for place, line in enumerate(drawn.invoice.lines, start=1)}


def _transaction_rows(drawn: Finalized) -> dict[Hashable, object]:
    if not drawn.postings:
        return {}
    statement = drawn.statement
    row = queries.IssuedTransactions(
        tenant_id=statement.tenant,
        transaction_id=drawn.transaction_id,
        customer_id=statement.customer,
        invoice_id=drawn.invoice_id,
        currency=statement.currency,
        posted_at=drawn.issued_at,
        grant_id=None,
    )
    return {drawn.transaction_id: row}


def _posting_rows(drawn: Finalized) -> dict[Hashable, object]:
    return {
        (drawn.transaction_id, place): queries.IssuedPostings(
            tenant_id=drawn.statement.tenant,
            transaction_id=drawn.transaction_id,
            position=place,
            account=posting.account,
            amount_minor=Decimal(posting.amount_minor),
        )
        for place, posting in enumerate(drawn.postings, start=1)
    }


def _grant_rows(drawn: Finalized) -> dict[Hashable, object]:
    grant, statement = drawn.invoice.grant, drawn.statement
    if grant is None:
        return {}
    row = queries.IssuedGrants(
        tenant_id=statement.tenant,
        grant_id=grant.grant_id,
        customer_id=statement.customer,
        currency=statement.currency,
        amount_minor=Decimal(grant.left_minor),
        priority=grant.priority,
        granted_at=drawn.issued_at,
        expires_at=None,
        invoice_id=drawn.invoice_id,
    )
    return {grant.grant_id: row}


@dataclass(frozen=True, slots=True)
class _Keyed:
    """Rows by what names them in their invoice."""

    rows: Mapping[Any, object]


def _compared(table: str, ought: _Keyed, found: _Keyed) -> Iterator[FieldDifference]:
    for key in sorted(ought.rows.keys() | found.rows.keys(), key=str):
        name = f"{table}[{key[1] if isinstance(key, tuple) and key else key}]" if key != () else table
        have, want = found.rows.get(key), ought.rows.get(key)
        if have is None or want is None:
            yield FieldDifference(name, _there(want), _there(have))
            continue
        for field in fields(want):  # type: ignore[arg-type]  # every row is a dataclass
            left, right = getattr(want, field.name), getattr(have, field.name)
            if left != right:
                yield FieldDifference(f"{name}.{field.name}", _plain(left), _plain(right))


def _there(row: object) -> str:
    return "no such row" if row is None else "a row"


def _plain(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex() or "nothing"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
