"""Makes what the tests are about."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import psycopg

from billing.instant import micros
from billing.statement import Line, LineKind, Statement
from connectors.postgres.outbox import Outbox
from schemas import topics
from schemas.codec import Codec

JANUARY, FEBRUARY = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
CURRENCIES = {"acme": "USD", "bolt": "JPY", "coil": "KWD"}
"""The tenants of `seed`; each has customers c1 to c4 with a subscription s1 to s4."""


class NoRegistry:
    """The codec needs no schema but its own."""

    def schema(self, schema_id: int) -> str | None:
        """Is never asked."""
        raise AssertionError(f"asked for schema {schema_id}")


def outbox_of(shards: int = 1) -> Outbox:
    ids = {subject: number for number, subject in enumerate(sorted(topics.subjects("beaas.")), start=1)}
    return Outbox(Codec(ids, NoRegistry()), shards=shards)


def seed(connection: psycopg.Connection) -> None:
    """Three tenants, their plan, four customers each with one subscription."""
    for tenant, currency in CURRENCIES.items():
        connection.execute(
            "INSERT INTO beaas.tenants (tenant_id, currency, timezone) VALUES (%s, %s, 'UTC')", (tenant, currency)
        )
        connection.execute("INSERT INTO beaas.plans (tenant_id, plan_id) VALUES (%s, 'pro')", (tenant,))
        connection.execute(
            "INSERT INTO beaas.plan_versions (tenant_id, plan_id, version, billing_period, prices)"
            " VALUES (%s, 'pro', 1, 'P1M', '[]')",
            (tenant,),
        )
        for number in range(1, 5):
            connection.execute(
                "INSERT INTO beaas.customers (tenant_id, customer_id) VALUES (%s, %s)", (tenant, f"c{number}")
            )
            connection.execute(
                "INSERT INTO beaas.subscriptions (tenant_id, subscription_id, customer_id, plan_id, plan_version,"
                " state, starts_at, anchor_at, terms) VALUES (%s, %s, %s, 'pro', 1, 'active', %s, %s, '{}')",
                (tenant, f"s{number}", f"c{number}", JANUARY, JANUARY),
            )


def line(
    amount_minor: int,
    price: str = "calls",
    *,
    kind: LineKind = LineKind.USAGE,
    quantity: str = "12",
    discount_minor: int = 0,
) -> Line:
    return Line(
        kind=kind,
        price=price,
        group={"region": "eu"},
        quantity=quantity,
        amount_minor=amount_minor,
        period_start_us=micros(JANUARY),
        period_end_us=micros(FEBRUARY),
        taxable=True,
        events=7,
        discount_minor=discount_minor,
    )


def statement(  # noqa: PLR0913 - what the tests vary
    *lines: Line,
    tenant: str = "acme",
    customer: int = 1,
    statement_id: str | None = None,
    command_id: UUID | None = None,
    tax_percent: str = "0",
    issued_at_us: int = micros(FEBRUARY),
) -> Statement:
    return Statement(
        statement_id=statement_id or uuid4().hex,
        tenant=tenant,
        customer=f"c{customer}",
        subscription=f"s{customer}",
        plan="pro",
        plan_version=1,
        currency=CURRENCIES[tenant],
        timezone="UTC",
        tax_percent=tax_percent,
        issued_at_us=issued_at_us,
        command_id=str(command_id or uuid4()),
        correlation_id="corr",
        position=42,
        lines=lines,
        tzdata="2026b",
    )


@dataclass(frozen=True, slots=True)
class Credit:
    """A grant to insert."""

    grant_id: str
    amount_minor: int
    tenant: str = "acme"
    customer: int = 1
    priority: int = 0
    expires_at: datetime | None = None


def grant(connection: psycopg.Connection, credit: Credit) -> None:
    connection.execute(
        "INSERT INTO beaas.credit_grants (tenant_id, grant_id, customer_id, currency, amount_minor, remaining_minor,"
        " priority, granted_at, expires_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            credit.tenant,
            credit.grant_id,
            f"c{credit.customer}",
            CURRENCIES[credit.tenant],
            credit.amount_minor,
            credit.amount_minor,
            credit.priority,
            JANUARY,
            credit.expires_at,
        ),
    )


def post(connection: psycopg.Connection, *amounts_minor: int, tenant: str = "acme") -> UUID:
    """A ledger transaction with these postings, committed."""
    transaction_id = uuid4()
    with connection.transaction():
        connection.execute(
            "INSERT INTO beaas.ledger_transactions (tenant_id, transaction_id, customer_id, currency, posted_at)"
            " VALUES (%s, %s, 'c1', %s, %s)",
            (tenant, transaction_id, CURRENCIES[tenant], FEBRUARY),
        )
        connection.execute(
            "INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)"
            " SELECT %s, %s, position, 'account', amount"
            " FROM unnest(%s::numeric[]) WITH ORDINALITY AS p (amount, position)",
            (tenant, transaction_id, list(amounts_minor)),
        )
    return transaction_id
