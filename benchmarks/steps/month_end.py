"""The month end: statements become invoices, beside the plain insert of the very same rows."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import psycopg

from benchmarks import minimal
from benchmarks.bench import Bench, Scene, skipped
from benchmarks.minimal import START_US
from benchmarks.worker import measure_worker
from benchmarks.workload import Keyed
from billing.statement import Line, LineKind, Statement
from schemas.convert import statement_from_domain
from schemas.partition import placement
from schemas.topics import STATEMENTS

EVENTS_AN_INVOICE: Final = 50
CLOSED_US: Final = int(datetime(2026, 12, 1, tzinfo=UTC).timestamp()) * 1_000_000
DIGEST: Final = bytes(range(24))
_POSTGRES: Final = """
INSERT INTO beaas.tenants (tenant_id, currency, timezone, tax_percent)
SELECT 'tenant-' || n, 'USD', 'UTC', 6.625 FROM generate_series(0, %(tenants)s - 1) AS n;
INSERT INTO beaas.plans (tenant_id, plan_id)
SELECT tenant_id, 'metered' FROM beaas.tenants;
INSERT INTO beaas.plan_versions (tenant_id, plan_id, version, billing_period, prices)
SELECT tenant_id, 'metered', 1, 'P1M', '[]' FROM beaas.tenants;
INSERT INTO beaas.customers (tenant_id, customer_id)
SELECT 'tenant-' || n %% %(tenants)s, 'customer-' || lpad(n::text, 6, '0')
FROM generate_series(0, %(accounts)s - 1) AS n;
INSERT INTO beaas.subscriptions (
    tenant_id, subscription_id, customer_id, plan_id, plan_version, state, starts_at, anchor_at, terms)
SELECT tenant_id, 'metered-' || right(customer_id, 6), customer_id, 'metered', 1, 'active', %(start)s, %(start)s, '{}'
FROM beaas.customers;
INSERT INTO beaas.journal_commands (
    tenant_id, command_id, customer_id, subscription_id, kind, at, payload, barrier, noted_at, noted_offsets,
    released_at)
SELECT tenant_id, lpad(right(customer_id, 6), 32, '0')::uuid, customer_id, subscription_id, 'CycleClosed', %(close)s,
    '', true, %(close)s, '{}', %(close)s
FROM beaas.subscriptions;
"""


async def month_end(bench: Bench) -> None:
    """Every run on a database of its own, as an invoice is drawn once."""
    invoices = bench.events // EVENTS_AN_INVOICE
    scene = bench.fresh("month-end", database=True)
    _prepare(scene, invoices)
    bench.fill(scene, STATEMENTS, _statements(scene, invoices), invoices)
    with bench.shown("month-end", invoices) as show:
        bench.keep("month-end", await measure_worker("sinks", scene, invoices, skipped(invoices), show))
    argv = (sys.executable, "-m", "benchmarks.raw_insert")
    await bench.program("raw-insert", argv, scene.environment)


def _prepare(scene: Scene, accounts: int) -> None:
    """Customers, subscriptions and their closes stand in PostgreSQL, as the control plane leaves them."""
    known = {
        "tenants": minimal.TENANTS,
        "accounts": accounts,
        "start": datetime.fromtimestamp(START_US // 1_000_000, UTC),
        "close": datetime.fromtimestamp(CLOSED_US // 1_000_000, UTC),
    }
    with psycopg.connect(scene.postgres_url, autocommit=True) as connection:
        for statement in _POSTGRES.split(";\n")[:-1]:
            connection.execute(statement.encode(), known)
        connection.execute("ANALYZE")
        connection.execute("CHECKPOINT")


def _statements(scene: Scene, invoices: int) -> Iterator[Keyed]:
    settings = scene.settings
    place = placement(partitions=settings.partitions, slice_size=settings.tenant_slice)
    topic = scene.topic(STATEMENTS)
    for number in range(invoices):
        statement = _statement(number)
        partition = place(statement.tenant, statement.customer)
        value = scene.codec.encode(topic, statement_from_domain(statement, journal_partition=partition))
        yield Keyed(f"{statement.tenant}/{statement.customer}".encode(), value, partition)


def _statement(number: int) -> Statement:
    tenant, customer = minimal.account(number)
    command = UUID(f"{number:032}")
    return Statement(
        statement_id=f"{tenant}/{customer}/metered-{number:06}/{command}",
        tenant=tenant,
        customer=customer,
        subscription=f"metered-{number:06}",
        plan="metered",
        plan_version=1,
        currency="USD",
        timezone="UTC",
        tax_percent="6.625",
        issued_at_us=CLOSED_US,
        command_id=str(command),
        correlation_id="",
        position=number,
        lines=(_line("calls", number), _line("storage", number), _line("base", number, fee=True)),
        tzdata="2026b",
    )


def _line(price: str, number: int, *, fee: bool = False) -> Line:
    return Line(
        kind=LineKind.FEE if fee else LineKind.USAGE,
        price=price,
        group={},
        quantity="1" if fee else str(number % 1_000 + 1),
        amount_minor=4_900 if fee else number % 1_000 + 1,
        period_start_us=START_US,
        period_end_us=CLOSED_US,
        taxable=True,
        events=0 if fee else number % 100 + 1,
        events_digest=b"" if fee else DIGEST,
    )
