"""The statements of ../sql/issued.sql, typed; written by tools/generate_queries.py."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

_KNOWN_ACCOUNTS: Final[LiteralString] = """
SELECT
    EXISTS (SELECT FROM beaas.tenants WHERE tenant_id = %(tenant_id)s::text)::boolean AS tenant,
    (%(customer_id)s::text IS NULL OR EXISTS (
        SELECT FROM beaas.customers WHERE tenant_id = %(tenant_id)s::text AND customer_id = %(customer_id)s::text)
    )::boolean AS customer
"""


@dataclass(frozen=True, slots=True)
class KnownAccounts:
    """A row of `known_accounts`."""

    tenant: bool
    customer: bool


async def known_accounts(
    connection: AsyncConnection[Any], *, tenant_id: str, customer_id: str | None
) -> KnownAccounts | None:
    """Whether the tenant is there, and the customer (true where none is asked for)."""
    async with connection.cursor(row_factory=args_row(KnownAccounts)) as cursor:
        await cursor.execute(_KNOWN_ACCOUNTS, {"tenant_id": tenant_id, "customer_id": customer_id})
        return await cursor.fetchone()


_REFUSED_COMMANDS: Final[LiteralString] = """
SELECT kind, customer_id, subscription_id, at, refusal
FROM beaas.journal_commands
WHERE tenant_id = %(tenant_id)s AND refusal <> ''
AND (%(since)s::timestamptz IS NULL OR at >= %(since)s::timestamptz)
AND (%(until)s::timestamptz IS NULL OR at <= %(until)s::timestamptz)
ORDER BY sequence
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class RefusedCommands:
    """A row of `refused_commands`."""

    kind: str
    customer_id: str
    subscription_id: str | None
    at: datetime
    refusal: str


async def refused_commands(
    connection: AsyncConnection[Any], *, tenant_id: str, since: datetime | None, until: datetime | None, most: int
) -> list[RefusedCommands]:
    """The first so many commands that the journal refused, in their order; both ends of the span belong to it."""
    async with connection.cursor(row_factory=args_row(RefusedCommands)) as cursor:
        await cursor.execute(_REFUSED_COMMANDS, {"tenant_id": tenant_id, "since": since, "until": until, "most": most})
        return await cursor.fetchall()


_INVOICES_NUMBERED: Final[LiteralString] = """
SELECT i.tenant_id, i.customer_id, i.subscription_id, i.number, i.invoice_id, i.statement_id, i.journal_position,
    i.series_position
FROM beaas.invoices AS i
WHERE i.number = %(number)s AND (%(tenant_id)s::text IS NULL OR i.tenant_id = %(tenant_id)s::text)
ORDER BY i.tenant_id
"""


@dataclass(frozen=True, slots=True)
class InvoicesNumbered:
    """A row of `invoices_numbered`."""

    tenant_id: str
    customer_id: str
    subscription_id: str
    number: str
    invoice_id: UUID
    statement_id: str
    journal_position: int
    series_position: int


async def invoices_numbered(
    connection: AsyncConnection[Any], *, number: str, tenant_id: str | None
) -> list[InvoicesNumbered]:
    """The invoices of this number: one a tenant at most."""
    async with connection.cursor(row_factory=args_row(InvoicesNumbered)) as cursor:
        await cursor.execute(_INVOICES_NUMBERED, {"number": number, "tenant_id": tenant_id})
        return await cursor.fetchall()


_NUMBERS_OF: Final[LiteralString] = """
SELECT statement_id, number
FROM beaas.invoices
WHERE tenant_id = %(tenant_id)s AND statement_id = ANY(%(statement_ids)b::text[])
"""


@dataclass(frozen=True, slots=True)
class NumbersOf:
    """A row of `numbers_of`."""

    statement_id: str
    number: str


async def numbers_of(connection: AsyncConnection[Any], *, tenant_id: str, statement_ids: list[str]) -> list[NumbersOf]:
    """The numbers of the invoices that were drawn from these statements."""
    async with connection.cursor(row_factory=args_row(NumbersOf)) as cursor:
        await cursor.execute(_NUMBERS_OF, {"tenant_id": tenant_id, "statement_ids": statement_ids})
        return await cursor.fetchall()


_ISSUED_INVOICES: Final[LiteralString] = """
SELECT tenant_id, invoice_id, statement_id, customer_id, subscription_id, plan_id, plan_version, series_position,
    number, currency, timezone, tax_percent, issued_at, subtotal_minor, tax_minor, total_minor, credit_applied_minor,
    amount_due_minor, command_id, correlation_id, journal_position, tzdata
FROM beaas.invoices
WHERE tenant_id = %(tenant_id)s AND series_position > %(after)s
AND (%(customer_id)s::text IS NULL OR customer_id = %(customer_id)s::text)
ORDER BY series_position
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class IssuedInvoices:
    """A row of `issued_invoices`."""

    tenant_id: str
    invoice_id: UUID
    statement_id: str
    customer_id: str
    subscription_id: str
    plan_id: str
    plan_version: int
    series_position: int
    number: str
    currency: str
    timezone: str
    tax_percent: Decimal
    issued_at: datetime
    subtotal_minor: Decimal
    tax_minor: Decimal
    total_minor: Decimal
    credit_applied_minor: Decimal
    amount_due_minor: Decimal
    command_id: str
    correlation_id: str
    journal_position: int
    tzdata: str


async def issued_invoices(
    connection: AsyncConnection[Any], *, tenant_id: str, after: int, customer_id: str | None, most: int
) -> list[IssuedInvoices]:
    """Invoices as they were issued, whole: the first so many behind a number of the series."""
    async with connection.cursor(row_factory=args_row(IssuedInvoices)) as cursor:
        await cursor.execute(
            _ISSUED_INVOICES, {"tenant_id": tenant_id, "after": after, "customer_id": customer_id, "most": most}
        )
        return await cursor.fetchall()


_ISSUED_LINES: Final[LiteralString] = """
SELECT tenant_id, invoice_id, position, kind, price_id, line_group, quantity, amount_minor, period_start, period_end,
    taxable, events, events_digest, discount_minor
FROM beaas.invoice_lines
WHERE tenant_id = %(tenant_id)s AND invoice_id = ANY(%(invoice_ids)b::uuid[])
ORDER BY invoice_id, position
"""


@dataclass(frozen=True, slots=True)
class IssuedLines:
    """A row of `issued_lines`."""

    tenant_id: str
    invoice_id: UUID
    position: int
    kind: str
    price_id: str
    line_group: str
    quantity: Decimal
    amount_minor: Decimal
    period_start: datetime
    period_end: datetime
    taxable: bool
    events: int
    events_digest: bytes
    discount_minor: Decimal


async def issued_lines(
    connection: AsyncConnection[Any], *, tenant_id: str, invoice_ids: list[UUID]
) -> list[IssuedLines]:
    """The lines of these invoices, whole."""
    async with connection.cursor(row_factory=args_row(IssuedLines)) as cursor:
        await cursor.execute(_ISSUED_LINES, {"tenant_id": tenant_id, "invoice_ids": invoice_ids})
        return await cursor.fetchall()


_ISSUED_TRANSACTIONS: Final[LiteralString] = """
SELECT tenant_id, transaction_id, customer_id, invoice_id::uuid AS invoice_id, currency, posted_at, grant_id
FROM beaas.ledger_transactions
WHERE tenant_id = %(tenant_id)s AND invoice_id = ANY(%(invoice_ids)b::uuid[])
"""


@dataclass(frozen=True, slots=True)
class IssuedTransactions:
    """A row of `issued_transactions`."""

    tenant_id: str
    transaction_id: UUID
    customer_id: str
    invoice_id: UUID
    currency: str
    posted_at: datetime
    grant_id: str | None


async def issued_transactions(
    connection: AsyncConnection[Any], *, tenant_id: str, invoice_ids: list[UUID]
) -> list[IssuedTransactions]:
    """The ledger transactions of these invoices, whole."""
    async with connection.cursor(row_factory=args_row(IssuedTransactions)) as cursor:
        await cursor.execute(_ISSUED_TRANSACTIONS, {"tenant_id": tenant_id, "invoice_ids": invoice_ids})
        return await cursor.fetchall()


_ISSUED_POSTINGS: Final[LiteralString] = """
SELECT tenant_id, transaction_id, position, account, amount_minor
FROM beaas.postings
WHERE tenant_id = %(tenant_id)s AND transaction_id = ANY(%(transaction_ids)b::uuid[])
ORDER BY transaction_id, position
"""


@dataclass(frozen=True, slots=True)
class IssuedPostings:
    """A row of `issued_postings`."""

    tenant_id: str
    transaction_id: UUID
    position: int
    account: str
    amount_minor: Decimal


async def issued_postings(
    connection: AsyncConnection[Any], *, tenant_id: str, transaction_ids: list[UUID]
) -> list[IssuedPostings]:
    """The postings of these ledger transactions, whole."""
    async with connection.cursor(row_factory=args_row(IssuedPostings)) as cursor:
        await cursor.execute(_ISSUED_POSTINGS, {"tenant_id": tenant_id, "transaction_ids": transaction_ids})
        return await cursor.fetchall()


_ISSUED_BURNS: Final[LiteralString] = """
SELECT b.invoice_id, b.grant_id, b.amount_minor, g.priority, g.granted_at, g.expires_at
FROM beaas.credit_burns AS b
JOIN beaas.credit_grants AS g ON g.tenant_id = b.tenant_id AND g.grant_id = b.grant_id
WHERE b.tenant_id = %(tenant_id)s AND b.invoice_id = ANY(%(invoice_ids)b::uuid[])
ORDER BY b.invoice_id, g.priority, g.expires_at NULLS LAST, g.granted_at, g.sequence
"""


@dataclass(frozen=True, slots=True)
class IssuedBurns:
    """A row of `issued_burns`."""

    invoice_id: UUID
    grant_id: str
    amount_minor: Decimal
    priority: int
    granted_at: datetime
    expires_at: datetime | None


async def issued_burns(
    connection: AsyncConnection[Any], *, tenant_id: str, invoice_ids: list[UUID]
) -> list[IssuedBurns]:
    """What credit paid of these invoices, in the order in which grants burn."""
    async with connection.cursor(row_factory=args_row(IssuedBurns)) as cursor:
        await cursor.execute(_ISSUED_BURNS, {"tenant_id": tenant_id, "invoice_ids": invoice_ids})
        return await cursor.fetchall()


_ISSUED_GRANTS: Final[LiteralString] = """
SELECT tenant_id, grant_id, customer_id, currency, amount_minor, priority, granted_at, expires_at,
    invoice_id::uuid AS invoice_id
FROM beaas.credit_grants
WHERE tenant_id = %(tenant_id)s AND invoice_id = ANY(%(invoice_ids)b::uuid[])
"""


@dataclass(frozen=True, slots=True)
class IssuedGrants:
    """A row of `issued_grants`."""

    tenant_id: str
    grant_id: str
    customer_id: str
    currency: str
    amount_minor: Decimal
    priority: int
    granted_at: datetime
    expires_at: datetime | None
    invoice_id: UUID


async def issued_grants(
    connection: AsyncConnection[Any], *, tenant_id: str, invoice_ids: list[UUID]
) -> list[IssuedGrants]:
    """The credit that these invoices gave."""
    async with connection.cursor(row_factory=args_row(IssuedGrants)) as cursor:
        await cursor.execute(_ISSUED_GRANTS, {"tenant_id": tenant_id, "invoice_ids": invoice_ids})
        return await cursor.fetchall()


_ISSUED_EVENTS: Final[LiteralString] = """
SELECT aggregate_id, payload
FROM beaas.billing_events
WHERE tenant_id = %(tenant_id)s AND aggregate_type = %(aggregate_type)s
AND aggregate_id = ANY(%(aggregate_ids)b::text[])
"""


@dataclass(frozen=True, slots=True)
class IssuedEvents:
    """A row of `issued_events`."""

    aggregate_id: str
    payload: bytes


async def issued_events(
    connection: AsyncConnection[Any], *, tenant_id: str, aggregate_type: str, aggregate_ids: list[str]
) -> list[IssuedEvents]:
    """What the outbox still has of the events that told of these invoices."""
    async with connection.cursor(row_factory=args_row(IssuedEvents)) as cursor:
        await cursor.execute(
            _ISSUED_EVENTS, {"tenant_id": tenant_id, "aggregate_type": aggregate_type, "aggregate_ids": aggregate_ids}
        )
        return await cursor.fetchall()
