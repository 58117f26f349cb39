"""The statements of ../sql/audit.sql, typed; written by tools/generate_queries.py."""

# ruff: noqa: D205 - a long promise is wrapped

# ruff: noqa: PLR0913 - an argument for each parameter of the statement

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row

_AUDITED_TENANTS: Final[LiteralString] = """
SELECT t.tenant_id, coalesce(s.last_number, 0)::bigint AS last_number
FROM beaas.tenants AS t
LEFT JOIN beaas.invoice_series AS s ON s.tenant_id = t.tenant_id
WHERE %(tenant_id)s::text IS NULL OR t.tenant_id = %(tenant_id)s::text
ORDER BY t.tenant_id
"""


@dataclass(frozen=True, slots=True)
class AuditedTenants:
    """A row of `audited_tenants`."""

    tenant_id: str
    last_number: int


async def audited_tenants(connection: AsyncConnection[Any], *, tenant_id: str | None) -> list[AuditedTenants]:
    """The tenants, and how far the series of each has come."""
    async with connection.cursor(row_factory=args_row(AuditedTenants)) as cursor:
        await cursor.execute(_AUDITED_TENANTS, {"tenant_id": tenant_id})
        return await cursor.fetchall()


_AUDITED_POSTINGS: Final[LiteralString] = """
SELECT t.transaction_id, t.currency, p.account, p.amount_minor
FROM (
    SELECT tenant_id, transaction_id, currency FROM beaas.ledger_transactions
    WHERE tenant_id = %(tenant_id)s AND transaction_id > %(after)s
    ORDER BY transaction_id
    LIMIT %(most)s
) AS t
LEFT JOIN beaas.postings AS p ON p.tenant_id = t.tenant_id AND p.transaction_id = t.transaction_id
ORDER BY t.transaction_id, p.position
"""


@dataclass(frozen=True, slots=True)
class AuditedPostings:
    """A row of `audited_postings`."""

    transaction_id: UUID
    currency: str
    account: str | None
    amount_minor: Decimal | None


async def audited_postings(
    connection: AsyncConnection[Any], *, tenant_id: str, after: UUID, most: int
) -> list[AuditedPostings]:
    """The postings of the first so many ledger transactions behind an id; nulls for one that has none."""
    async with connection.cursor(row_factory=args_row(AuditedPostings)) as cursor:
        await cursor.execute(_AUDITED_POSTINGS, {"tenant_id": tenant_id, "after": after, "most": most})
        return await cursor.fetchall()


_AUDITED_ORPHANS: Final[LiteralString] = """
SELECT o.invoice_id::uuid AS invoice_id, sum(o.lines)::bigint AS lines, sum(o.transactions)::bigint AS transactions
FROM (
    SELECT l.invoice_id, 1 AS lines, 0 AS transactions FROM beaas.invoice_lines AS l
    WHERE l.tenant_id = %(tenant_id)s AND NOT EXISTS (
        SELECT FROM beaas.invoices AS i WHERE i.tenant_id = l.tenant_id AND i.invoice_id = l.invoice_id)
    UNION ALL
    SELECT t.invoice_id, 0, 1 FROM beaas.ledger_transactions AS t
    WHERE t.tenant_id = %(tenant_id)s AND t.invoice_id IS NOT NULL AND NOT EXISTS (
        SELECT FROM beaas.invoices AS i WHERE i.tenant_id = t.tenant_id AND i.invoice_id = t.invoice_id)
) AS o
GROUP BY o.invoice_id
ORDER BY o.invoice_id
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class AuditedOrphans:
    """A row of `audited_orphans`."""

    invoice_id: UUID
    lines: int
    transactions: int


async def audited_orphans(connection: AsyncConnection[Any], *, tenant_id: str, most: int) -> list[AuditedOrphans]:
    """Invoices that are not there, and how many lines and ledger transactions name each: no key is enforced between
    them.
    """
    async with connection.cursor(row_factory=args_row(AuditedOrphans)) as cursor:
        await cursor.execute(_AUDITED_ORPHANS, {"tenant_id": tenant_id, "most": most})
        return await cursor.fetchall()


_AUDITED_STRAYS: Final[LiteralString] = """
SELECT p.transaction_id, count(*) AS postings
FROM beaas.postings AS p
WHERE p.tenant_id = %(tenant_id)s AND NOT EXISTS (
    SELECT FROM beaas.ledger_transactions AS t
    WHERE t.tenant_id = p.tenant_id AND t.transaction_id = p.transaction_id)
GROUP BY p.transaction_id
ORDER BY p.transaction_id
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class AuditedStrays:
    """A row of `audited_strays`."""

    transaction_id: UUID
    postings: int


async def audited_strays(connection: AsyncConnection[Any], *, tenant_id: str, most: int) -> list[AuditedStrays]:
    """Ledger transactions that are not there, and how many postings name each: no key is enforced between them."""
    async with connection.cursor(row_factory=args_row(AuditedStrays)) as cursor:
        await cursor.execute(_AUDITED_STRAYS, {"tenant_id": tenant_id, "most": most})
        return await cursor.fetchall()


_AUDITED_CREDIT: Final[LiteralString] = """
SELECT customer_id, currency, coalesce(l.posted_minor, 0)::numeric AS posted_minor,
    coalesce(g.remaining_minor, 0)::numeric AS remaining_minor
FROM (
    SELECT t.customer_id, t.currency, sum(p.amount_minor) AS posted_minor
    FROM beaas.postings AS p
    JOIN beaas.ledger_transactions AS t ON t.tenant_id = p.tenant_id AND t.transaction_id = p.transaction_id
    WHERE p.tenant_id = %(tenant_id)s AND p.account = %(account)s
    AND (t.customer_id, t.currency) > (%(after_customer)s, %(after_currency)s)
    GROUP BY t.customer_id, t.currency
) AS l
FULL JOIN (
    SELECT customer_id, currency, sum(remaining_minor) AS remaining_minor
    FROM beaas.credit_grants
    WHERE tenant_id = %(tenant_id)s AND (customer_id, currency) > (%(after_customer)s, %(after_currency)s)
    GROUP BY customer_id, currency
) AS g USING (customer_id, currency)
ORDER BY customer_id, currency
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class AuditedCredit:
    """A row of `audited_credit`."""

    customer_id: str
    currency: str
    posted_minor: Decimal
    remaining_minor: Decimal


async def audited_credit(
    connection: AsyncConnection[Any],
    *,
    tenant_id: str,
    account: str,
    after_customer: str,
    after_currency: str,
    most: int,
) -> list[AuditedCredit]:
    """The first so many customers and currencies behind one: what the ledger says of their credit, and what remains
    of their grants, expired or not, in one look; a side that has nothing says 0.
    """
    async with connection.cursor(row_factory=args_row(AuditedCredit)) as cursor:
        await cursor.execute(
            _AUDITED_CREDIT,
            {
                "tenant_id": tenant_id,
                "account": account,
                "after_customer": after_customer,
                "after_currency": after_currency,
                "most": most,
            },
        )
        return await cursor.fetchall()


_AUDITED_KINDS: Final[LiteralString] = """
SELECT command_id, kind FROM beaas.journal_commands
WHERE tenant_id = %(tenant_id)s AND command_id = ANY(%(command_ids)b::uuid[])
"""


@dataclass(frozen=True, slots=True)
class AuditedKinds:
    """A row of `audited_kinds`."""

    command_id: UUID
    kind: str


async def audited_kinds(
    connection: AsyncConnection[Any], *, tenant_id: str, command_ids: list[UUID]
) -> list[AuditedKinds]:
    """What kind of commands these are."""
    async with connection.cursor(row_factory=args_row(AuditedKinds)) as cursor:
        await cursor.execute(_AUDITED_KINDS, {"tenant_id": tenant_id, "command_ids": command_ids})
        return await cursor.fetchall()


_AUDITED_CUSTOMERS: Final[LiteralString] = """
SELECT customer_id FROM beaas.customers
WHERE tenant_id = %(tenant_id)s AND customer_id > %(after)s
ORDER BY customer_id
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class AuditedCustomers:
    """A row of `audited_customers`."""

    customer_id: str


async def audited_customers(
    connection: AsyncConnection[Any], *, tenant_id: str, after: str, most: int
) -> list[AuditedCustomers]:
    """The first so many customers behind a code."""
    async with connection.cursor(row_factory=args_row(AuditedCustomers)) as cursor:
        await cursor.execute(_AUDITED_CUSTOMERS, {"tenant_id": tenant_id, "after": after, "most": most})
        return await cursor.fetchall()


_AUDITED_TOTALS: Final[LiteralString] = """
WITH lines AS (
    SELECT i.customer_id, i.subscription_id, l.price_id, l.line_group, l.period_start, sum(l.quantity) AS quantity
    FROM beaas.invoices AS i
    JOIN beaas.invoice_lines AS l ON l.tenant_id = i.tenant_id AND l.invoice_id = i.invoice_id
    WHERE i.tenant_id = %(tenant_id)s AND i.customer_id = ANY(%(customer_ids)b::text[])
    AND l.kind IN ('usage', 'adjustment')
    GROUP BY i.customer_id, i.subscription_id, l.price_id, l.line_group, l.period_start
), closed AS (
    SELECT customer_id, subscription_id, max(journal_position) AS journal_position, max(issued_at) AS issued_at
    FROM beaas.invoices
    WHERE tenant_id = %(tenant_id)s AND customer_id = ANY(%(customer_ids)b::text[])
    AND created_at < %(before)s
    GROUP BY customer_id, subscription_id
)
SELECT u.subscription_id, u.price_id, u.line_group, u.period_start, u.quantity, u.amount_minor,
    lines.quantity AS invoiced
FROM beaas.usage_totals AS u
JOIN closed ON closed.customer_id = u.customer_id AND closed.subscription_id = u.subscription_id
    AND closed.journal_position >= u.journal_position AND closed.issued_at >= u.period_end
LEFT JOIN lines ON lines.customer_id = u.customer_id AND lines.subscription_id = u.subscription_id
    AND lines.price_id = u.price_id AND lines.line_group = u.line_group AND lines.period_start = u.period_start
WHERE u.tenant_id = %(tenant_id)s AND u.customer_id = ANY(%(customer_ids)b::text[])
ORDER BY u.subscription_id, u.price_id, u.period_start
"""


@dataclass(frozen=True, slots=True)
class AuditedTotals:
    """A row of `audited_totals`."""

    subscription_id: str
    price_id: str
    line_group: str
    period_start: datetime
    quantity: Decimal
    amount_minor: Decimal
    invoiced: Decimal | None


async def audited_totals(
    connection: AsyncConnection[Any], *, tenant_id: str, customer_ids: list[str], before: datetime
) -> list[AuditedTotals]:
    """Running totals of windows that a newer invoice of their subscription closed, and what was invoiced of each:
    null where no line names it.
    """
    async with connection.cursor(row_factory=args_row(AuditedTotals)) as cursor:
        await cursor.execute(_AUDITED_TOTALS, {"tenant_id": tenant_id, "customer_ids": customer_ids, "before": before})
        return await cursor.fetchall()


_AUDITED_EVENTS: Final[LiteralString] = """
SELECT id, tenant_id, aggregate_type, aggregate_id, sequence, created_at
FROM beaas.billing_events
WHERE id > %(after)s AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s::text)
ORDER BY id
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class AuditedEvents:
    """A row of `audited_events`."""

    id: UUID
    tenant_id: str
    aggregate_type: str
    aggregate_id: str
    sequence: int
    created_at: datetime


async def audited_events(
    connection: AsyncConnection[Any], *, after: UUID, tenant_id: str | None, most: int
) -> list[AuditedEvents]:
    """The first so many rows of the outbox behind an id."""
    async with connection.cursor(row_factory=args_row(AuditedEvents)) as cursor:
        await cursor.execute(_AUDITED_EVENTS, {"after": after, "tenant_id": tenant_id, "most": most})
        return await cursor.fetchall()


_AUDITED_MOMENT: Final[LiteralString] = """
SELECT now()::timestamptz AS now, (SELECT min(created_at) FROM beaas.billing_events) AS oldest_at
"""


@dataclass(frozen=True, slots=True)
class AuditedMoment:
    """A row of `audited_moment`."""

    now: datetime
    oldest_at: datetime | None


async def audited_moment(connection: AsyncConnection[Any]) -> AuditedMoment | None:
    """The database's time, and that of the oldest row of the outbox."""
    async with connection.cursor(row_factory=args_row(AuditedMoment)) as cursor:
        await cursor.execute(_AUDITED_MOMENT)
        return await cursor.fetchone()


_AUDITED_PLACEMENT: Final[LiteralString] = """
SELECT partitions, tenant_slice FROM beaas.placement WHERE topic_prefix = %(topic_prefix)s
"""


@dataclass(frozen=True, slots=True)
class AuditedPlacement:
    """A row of `audited_placement`."""

    partitions: int
    tenant_slice: int


async def audited_placement(connection: AsyncConnection[Any], *, topic_prefix: str) -> AuditedPlacement | None:
    """By what the records of a prefix were placed from its first setup on."""
    async with connection.cursor(row_factory=args_row(AuditedPlacement)) as cursor:
        await cursor.execute(_AUDITED_PLACEMENT, {"topic_prefix": topic_prefix})
        return await cursor.fetchone()


_AUDITED_BUSIEST: Final[LiteralString] = """
SELECT subscription_id, (issued_at AT TIME ZONE 'UTC')::date::text AS day, count(*) AS invoices
FROM beaas.invoices
WHERE tenant_id = %(tenant_id)s
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2
LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class AuditedBusiest:
    """A row of `audited_busiest`."""

    subscription_id: str
    day: str
    invoices: int


async def audited_busiest(connection: AsyncConnection[Any], *, tenant_id: str, most: int) -> list[AuditedBusiest]:
    """The subscriptions and days with the most invoices."""
    async with connection.cursor(row_factory=args_row(AuditedBusiest)) as cursor:
        await cursor.execute(_AUDITED_BUSIEST, {"tenant_id": tenant_id, "most": most})
        return await cursor.fetchall()


_AUDITED_LETTERS: Final[LiteralString] = """
SELECT coalesce(tenant_id, '')::text AS tenant_id, reason, source_topic, count(*) AS letters
FROM beaas.dead_letters
WHERE redriven_at IS NULL AND (%(tenant_id)s::text IS NULL OR tenant_id = %(tenant_id)s::text)
GROUP BY 1, 2, 3
ORDER BY 1, 2, 3
"""


@dataclass(frozen=True, slots=True)
class AuditedLetters:
    """A row of `audited_letters`."""

    tenant_id: str
    reason: str
    source_topic: str
    letters: int


async def audited_letters(connection: AsyncConnection[Any], *, tenant_id: str | None) -> list[AuditedLetters]:
    """Dead letters that were not put back, by tenant (empty: it could not be read), reason and the topic they came
    from.
    """
    async with connection.cursor(row_factory=args_row(AuditedLetters)) as cursor:
        await cursor.execute(_AUDITED_LETTERS, {"tenant_id": tenant_id})
        return await cursor.fetchall()


_AUDITED_COMMANDS: Final[LiteralString] = """
SELECT c.unreleased, c.unreleased_at, c.unsettled, c.unsettled_at, d.due, d.due_at,
    (SELECT max(ran_at) FROM beaas.ticks) AS ticked_at,
    EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND granted AND (classid::bigint << 32) | objid::bigint
            = hashtextextended('beaas.scheduler', 0)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )::boolean AS leads
FROM (
    SELECT count(*) FILTER (WHERE released_at IS NULL) AS unreleased,
        min(created_at) FILTER (WHERE released_at IS NULL) AS unreleased_at,
        count(*) FILTER (WHERE released_at IS NOT NULL) AS unsettled,
        min(released_at) AS unsettled_at
    FROM beaas.journal_commands WHERE settled_at IS NULL
) AS c,
(
    SELECT count(*) AS due, min(CASE WHEN t.test_clock IS NULL THEN s.next_due_at END) AS due_at
    FROM beaas.subscriptions AS s JOIN beaas.tenants AS t USING (tenant_id)
    WHERE s.next_due_at <= coalesce(t.test_clock, %(real_now)s)
) AS d
"""


@dataclass(frozen=True, slots=True)
class AuditedCommands:
    """A row of `audited_commands`."""

    unreleased: int
    unreleased_at: datetime | None
    unsettled: int
    unsettled_at: datetime | None
    due: int
    due_at: datetime | None
    ticked_at: datetime | None
    leads: bool


async def audited_commands(connection: AsyncConnection[Any], *, real_now: datetime) -> AuditedCommands | None:
    """How many commands are not released, not settled, and since when; what subscriptions have due, and whether a
    scheduler leads.
    """
    async with connection.cursor(row_factory=args_row(AuditedCommands)) as cursor:
        await cursor.execute(_AUDITED_COMMANDS, {"real_now": real_now})
        return await cursor.fetchone()


_AUDITED_RELATIONS: Final[LiteralString] = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.relkind IN ('v', 'm') AS is_view,
    EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped) AS has_tenant,
    EXISTS (
        SELECT FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attname = 'tenant' AND NOT a.attisdropped) AS shows_tenant,
    (c.relrowsecurity AND c.relforcerowsecurity)::boolean AS forces_security,
    coalesce('security_invoker=true' = ANY(c.reloptions), false)::boolean AS as_invoker,
    has_table_privilege('beaas_api', c.oid, 'SELECT') AS readable
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ('beaas', 'report') AND c.relkind IN ('r', 'p', 'v', 'm')
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class AuditedRelations:
    """A row of `audited_relations`."""

    schema: str
    name: str
    is_view: bool
    has_tenant: bool
    shows_tenant: bool
    forces_security: bool
    as_invoker: bool
    readable: bool


async def audited_relations(connection: AsyncConnection[Any]) -> list[AuditedRelations]:
    """Every table and view of ours, and how it keeps tenants apart."""
    async with connection.cursor(row_factory=args_row(AuditedRelations)) as cursor:
        await cursor.execute(_AUDITED_RELATIONS)
        return await cursor.fetchall()


_AUDITED_FUNCTIONS: Final[LiteralString] = """
SELECT n.nspname || '.' || p.proname AS name, p.prosecdef AS as_definer
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname IN ('beaas', 'report')
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class AuditedFunctions:
    """A row of `audited_functions`."""

    name: str
    as_definer: bool


async def audited_functions(connection: AsyncConnection[Any]) -> list[AuditedFunctions]:
    """Every function of ours, and whether it runs with its owner's rights."""
    async with connection.cursor(row_factory=args_row(AuditedFunctions)) as cursor:
        await cursor.execute(_AUDITED_FUNCTIONS)
        return await cursor.fetchall()


_AUDITED_ROLES: Final[LiteralString] = """
SELECT rolname::text AS name, (rolsuper OR rolbypassrls)::boolean AS above_security
FROM pg_roles WHERE rolname IN ('beaas_api', 'beaas_service')
ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class AuditedRoles:
    """A row of `audited_roles`."""

    name: str
    above_security: bool


async def audited_roles(connection: AsyncConnection[Any]) -> list[AuditedRoles]:
    """The roles that our processes work as, and whether row-level security does not hold for one."""
    async with connection.cursor(row_factory=args_row(AuditedRoles)) as cursor:
        await cursor.execute(_AUDITED_ROLES)
        return await cursor.fetchall()


_AUDITED_PRESENCE: Final[LiteralString] = """
SELECT invoice_id FROM beaas.invoices
WHERE tenant_id = %(tenant_id)s AND invoice_id = ANY(%(invoice_ids)b::uuid[])
"""


@dataclass(frozen=True, slots=True)
class AuditedPresence:
    """A row of `audited_presence`."""

    invoice_id: UUID


async def audited_presence(
    connection: AsyncConnection[Any], *, tenant_id: str, invoice_ids: list[UUID]
) -> list[AuditedPresence]:
    """Those of the invoices that are there."""
    async with connection.cursor(row_factory=args_row(AuditedPresence)) as cursor:
        await cursor.execute(_AUDITED_PRESENCE, {"tenant_id": tenant_id, "invoice_ids": invoice_ids})
        return await cursor.fetchall()


_AUDITED_SUBSCRIPTIONS: Final[LiteralString] = """
SELECT subscription_id FROM beaas.subscriptions
WHERE tenant_id = %(tenant_id)s AND subscription_id = ANY(%(subscription_ids)b::text[])
"""


@dataclass(frozen=True, slots=True)
class AuditedSubscriptions:
    """A row of `audited_subscriptions`."""

    subscription_id: str


async def audited_subscriptions(
    connection: AsyncConnection[Any], *, tenant_id: str, subscription_ids: list[str]
) -> list[AuditedSubscriptions]:
    """Those of the subscriptions that are there."""
    async with connection.cursor(row_factory=args_row(AuditedSubscriptions)) as cursor:
        await cursor.execute(_AUDITED_SUBSCRIPTIONS, {"tenant_id": tenant_id, "subscription_ids": subscription_ids})
        return await cursor.fetchall()
