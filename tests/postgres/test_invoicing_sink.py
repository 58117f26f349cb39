"""Statements become invoices once, complete, and in order."""

import asyncio
from decimal import Decimal
from typing import Any
from uuid import uuid4

import msgspec
import psycopg

from billing.statement import LineKind
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.sinks.invoicing import InvoicingSink
from schemas import records
from schemas.wire import Record
from tests.postgres.builders import FEBRUARY, JANUARY, Credit, grant, line, statement

COUNTS = """
SELECT (SELECT count(*) FROM beaas.invoices), (SELECT count(*) FROM beaas.invoice_lines),
    (SELECT count(*) FROM beaas.ledger_transactions), (SELECT count(*) FROM beaas.credit_burns),
    (SELECT count(*) FROM beaas.billing_events)
"""


def rows(owner: psycopg.Connection, query: str) -> list[tuple[Any, ...]]:
    return owner.execute(query.encode()).fetchall()


def events(owner: psycopg.Connection, outbox: Outbox) -> list[Record]:
    payloads = rows(owner, "SELECT payload FROM beaas.billing_events ORDER BY id")
    return [outbox.encoder.decode(payload) for (payload,) in payloads]  # type: ignore[attr-defined]  # the real codec


async def test_a_statement_becomes_an_invoice_with_lines_tax_credit_and_double_entry(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    grant(owner, Credit("prepaid", 300))
    one = statement(line(1000), line(234, "base", kind=LineKind.FEE, quantity="1"), tax_percent="6.625")
    await InvoicingSink(service, outbox).write([one])
    shown = rows(owner, "SELECT * FROM report.invoices")
    assert [tuple(map(str, row)) for row in shown] == [
        (
            "acme", "c1", "s1", "INV-000001", "finalized", "USD", "2026-02-01 00:00:00+00:00",
            "12.34", "0.82", "13.16", "3.00", "10.16", "2026b",
        )
    ]  # fmt: skip
    window = JANUARY, FEBRUARY
    assert rows(owner, "SELECT * FROM report.invoice_lines ORDER BY position") == [
        (
            "acme",
            "INV-000001",
            1,
            "calls",
            {"region": "eu"},
            12,
            Decimal("10.00"),
            *window,
            False,
            Decimal("0.00"),
            "usage",
        ),
        ("acme", "INV-000001", 2, "base", {"region": "eu"}, 1, Decimal("2.34"), *window, False, Decimal("0.00"), "fee"),
    ]
    balance = rows(owner, "SELECT account, debit, credit FROM report.trial_balance ORDER BY account")
    assert [tuple(map(str, row)) for row in balance] == [
        ("accounts_receivable", "10.16", "0.00"),
        ("customer_credit", "3.00", "0.00"),
        ("revenue:base", "0.00", "2.34"),
        ("revenue:calls", "0.00", "10.00"),
        ("tax_payable", "0.00", "0.82"),
    ]
    assert rows(owner, "SELECT balance::text FROM report.credit") == [("0.00",)]


async def test_reported_amounts_have_the_digits_of_their_currency(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    batch = [statement(line(1250), tenant=tenant) for tenant in ("acme", "bolt", "coil")]
    await InvoicingSink(service, outbox).write(batch)
    assert rows(owner, "SELECT currency, total::text, tax::text FROM report.invoices ORDER BY tenant") == [
        ("USD", "12.50", "0.00"),
        ("JPY", "1250", "0"),
        ("KWD", "1.250", "0.000"),
    ]


async def test_every_kind_of_line_has_its_place_with_what_coupons_took_off(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    """An adjustment may take back what was taken off: then the discount is below 0."""
    kinds = {LineKind.ADJUSTMENT: (-90, -10), LineKind.TRUE_UP: (500, 0), LineKind.CHARGE: (75, 25)}
    lines = [line(kinds.get(kind, (10, 0))[0], kind.value, kind=kind, discount_minor=kinds.get(kind, (10, 0))[1])
             for kind in LineKind]  # fmt: skip
    await InvoicingSink(service, outbox).write([statement(*lines)])
    shown = rows(
        owner, "SELECT kind, amount::text, discount::text, adjustment FROM report.invoice_lines ORDER BY position"
    )
    assert shown == [
        ("adjustment", "-0.90", "-0.10", True),
        ("unused_fee", "0.10", "0.00", False),
        ("usage", "0.10", "0.00", False),
        ("true_up", "5.00", "0.00", False),
        ("fee", "0.10", "0.00", False),
        ("charge", "0.75", "0.25", False),
    ]
    (told,) = [event for event in events(owner, outbox) if isinstance(event, records.InvoiceFinalized)]
    assert [one.discount_minor for one in told.lines] == [-10, 0, 0, 0, 0, 25]


async def test_expired_credit_is_not_in_the_balance_of_a_tenant_whose_clock_has_passed_it(
    owner: psycopg.Connection,
) -> None:
    grant(owner, Credit("short", 300, expires_at=FEBRUARY))
    grant(owner, Credit("long", 50))
    balances = []
    for clock in (JANUARY, FEBRUARY):
        owner.execute("UPDATE beaas.tenants SET test_clock = %s WHERE tenant_id = 'acme'", (clock,))
        balances += rows(owner, "SELECT tenant, customer, currency, balance::text FROM report.credit")
    assert balances == [("acme", "c1", "USD", "3.50"), ("acme", "c1", "USD", "0.50")]


async def test_the_events_tell_the_same_and_name_their_cause(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    one = statement(line(1000), tax_percent="10")
    await InvoicingSink(service, outbox).write([one])
    told = {type(event): event for event in events(owner, outbox)}
    [(invoice_id, transaction_id)] = rows(
        owner, "SELECT invoice_id, transaction_id FROM beaas.invoices JOIN beaas.ledger_transactions USING (invoice_id)"
    )
    assert told == {
        records.InvoiceFinalized: records.InvoiceFinalized(
            invoice_id=str(invoice_id),
            tenant_id="acme",
            customer_id="c1",
            subscription_id="s1",
            number="INV-000001",
            statement_id=one.statement_id,
            currency="USD",
            issued_at=FEBRUARY,
            subtotal_minor=1000,
            tax_minor=100,
            total_minor=1100,
            credit_applied_minor=0,
            amount_due_minor=1100,
            lines=(
                records.InvoiceLine(
                    kind=records.InvoiceLineKind.USAGE,
                    price="calls",
                    line_group={"region": "eu"},
                    quantity="12",
                    amount_minor=1000,
                    period_start=JANUARY,
                    period_end=FEBRUARY,
                    taxable=True,
                    events=7,
                ),
            ),
            tzdata="2026b",
        ),
        records.LedgerPosted: records.LedgerPosted(
            transaction_id=str(transaction_id),
            tenant_id="acme",
            customer_id="c1",
            invoice_id=str(invoice_id),
            currency="USD",
            posted_at=FEBRUARY,
            postings=(
                records.Posting(account="accounts_receivable", amount_minor=1100),
                records.Posting(account="revenue:calls", amount_minor=-1000),
                records.Posting(account="tax_payable", amount_minor=-100),
            ),
        ),
    }
    causes = rows(owner, "SELECT aggregate_type, aggregate_id, correlation_id, causation_id FROM beaas.billing_events")
    assert set(causes) == {
        ("invoice", str(invoice_id), "corr", one.command_id),
        ("ledger", str(transaction_id), "corr", one.command_id),
    }


async def test_a_repeated_batch_changes_nothing(service: Pool, outbox: Outbox, owner: psycopg.Connection) -> None:
    grant(owner, Credit("prepaid", 300))
    batch = [statement(line(100)), statement(line(500)), statement(line(7), tenant="bolt")]
    sink = InvoicingSink(service, outbox)
    await sink.write([*batch, batch[0]])
    before = rows(owner, COUNTS), rows(owner, "SELECT * FROM beaas.invoices ORDER BY invoice_id")
    await sink.write(batch)
    await sink.write(batch[1:])
    assert (rows(owner, COUNTS), rows(owner, "SELECT * FROM beaas.invoices ORDER BY invoice_id")) == before
    assert before[0] == [(3, 3, 3, 2, 6)]


async def test_sinks_that_write_the_same_at_once_make_one_invoice_each(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    grant(owner, Credit("prepaid", 250))
    batch = [
        statement(line(100), tenant=tenant, customer=turn % 4 + 1) for tenant in ("acme", "bolt") for turn in range(8)
    ]
    sink = InvoicingSink(service, outbox)
    await asyncio.gather(*(sink.write(batch if turn % 2 else batch[::-1]) for turn in range(8)))
    assert rows(owner, COUNTS) == [(16, 16, 16, 2, 32)]
    assert rows(owner, "SELECT tenant_id, last_number FROM beaas.invoice_series ORDER BY 1") == [
        ("acme", 8),
        ("bolt", 8),
    ]
    assert rows(owner, "SELECT remaining_minor FROM beaas.credit_grants") == [(50,)]


async def test_statements_of_a_customer_draw_on_its_credit_in_their_order(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    grant(owner, Credit("later", 100, priority=2))
    grant(owner, Credit("first", 120, priority=1))
    batch = [statement(line(100)), statement(line(100)), statement(line(100)), statement(line(50), customer=2)]
    await InvoicingSink(service, outbox).write(batch)
    paid = rows(owner, "SELECT number, credit_applied_minor, amount_due_minor FROM beaas.invoices ORDER BY number")
    assert paid == [("INV-000001", 100, 0), ("INV-000002", 100, 0), ("INV-000003", 20, 80), ("INV-000004", 0, 50)]
    burned = rows(
        owner,
        "SELECT number, grant_id, amount_minor FROM beaas.credit_burns JOIN beaas.invoices USING (invoice_id)"
        " ORDER BY 1, 2",
    )
    assert burned == [
        ("INV-000001", "first", 100),
        ("INV-000002", "first", 20),
        ("INV-000002", "later", 80),
        ("INV-000003", "later", 20),
    ]


async def test_a_negative_sum_is_an_invoice_of_zero_and_credit_that_pays_the_next(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    back = statement(line(-500, kind=LineKind.UNUSED_FEE), tax_percent="10")
    await InvoicingSink(service, outbox).write([back, statement(line(200))])
    totals = rows(
        owner,
        "SELECT subtotal::text, tax::text, total::text, credit_applied::text, amount_due::text"
        " FROM report.invoices ORDER BY number",
    )
    assert totals == [("-5.00", "-0.50", "0.00", "0.00", "0.00"), ("2.00", "0.00", "2.00", "2.00", "0.00")]
    assert rows(owner, "SELECT customer, balance::text FROM report.credit") == [("c1", "3.50")]
    assert records.CreditGranted(
        grant_id=f"statement:{back.statement_id}",
        tenant_id="acme",
        customer_id="c1",
        currency="USD",
        amount_minor=550,
        priority=0,
        granted_at=FEBRUARY,
    ) in events(owner, outbox)


async def test_credit_of_another_currency_or_granted_later_pays_nothing(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    grant(owner, Credit("foreign", 500))
    owner.execute("ALTER TABLE beaas.credit_grants DISABLE TRIGGER USER")
    owner.execute("UPDATE beaas.credit_grants SET currency = 'EUR'")
    grant(owner, Credit("later", 500))
    owner.execute("UPDATE beaas.credit_grants SET granted_at = %s WHERE grant_id = 'later'", (FEBRUARY.replace(day=2),))
    await InvoicingSink(service, outbox).write([statement(line(100))])
    assert rows(owner, "SELECT amount_due_minor FROM beaas.invoices") == [(100,)]


async def test_a_statement_without_lines_settles_its_command_and_nothing_else(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    answered, waiting = uuid4(), uuid4()
    for command_id in (answered, waiting):
        owner.execute(
            "INSERT INTO beaas.journal_commands (tenant_id, command_id, customer_id, kind, at, payload, barrier)"
            " VALUES ('acme', %s, 'c1', 'CycleClosed', now(), '', false)",
            (command_id,),
        )
    await InvoicingSink(service, outbox).write([statement(command_id=answered)])
    assert rows(owner, "SELECT command_id FROM beaas.journal_commands WHERE settled_at IS NULL") == [(waiting,)]
    assert rows(owner, COUNTS) == [(0, 0, 0, 0, 0)]


async def test_a_command_that_was_refused_is_settled_with_the_reason(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    refused, taken = uuid4(), uuid4()
    for command_id in (refused, taken):
        owner.execute(
            "INSERT INTO beaas.journal_commands (tenant_id, command_id, customer_id, kind, at, payload, barrier)"
            " VALUES ('acme', %s, 'c1', 'CycleClosed', now(), '', false)",
            (command_id,),
        )
    answer = msgspec.structs.replace(statement(command_id=refused), refusal="not now\0")
    await InvoicingSink(service, outbox).write([answer, statement(command_id=taken)])
    assert sorted(
        rows(owner, "SELECT refusal, command_id FROM beaas.journal_commands WHERE settled_at IS NOT NULL")
    ) == [
        ("", taken),
        ("not now\N{REPLACEMENT CHARACTER}", refused),
    ]


async def test_an_invoice_settles_its_command_and_a_foreign_command_is_left_alone(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    answered = uuid4()
    owner.execute(
        "INSERT INTO beaas.journal_commands (tenant_id, command_id, customer_id, kind, at, payload, barrier)"
        " VALUES ('acme', %s, 'c1', 'CycleClosed', now(), '', false)",
        (answered,),
    )
    foreign = msgspec.structs.replace(statement(line(5)), command_id="no uuid")
    await InvoicingSink(service, outbox).write([statement(line(5), command_id=answered), foreign])
    assert rows(owner, "SELECT settled_at IS NOT NULL FROM beaas.journal_commands") == [(True,)]
    assert rows(owner, "SELECT count(*) FROM beaas.invoices") == [(2,)]


async def test_an_invoice_of_nothing_but_zeros_has_no_double_entry(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    await InvoicingSink(service, outbox).write([statement(line(0))])
    assert rows(owner, COUNTS) == [(1, 1, 0, 0, 1)]


async def test_a_batch_with_a_statement_that_can_not_be_written_writes_nothing(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    sink = InvoicingSink(service, outbox)
    failed = await asyncio.gather(
        sink.write([statement(line(5)), statement(line(5), customer=9)]), return_exceptions=True
    )
    assert [type(error) for error in failed] == [psycopg.errors.ForeignKeyViolation]
    assert rows(owner, COUNTS) == [(0, 0, 0, 0, 0)]
