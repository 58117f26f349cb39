"""What is final stays so, whoever asks; sums hold; numbers have no gaps."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from psycopg.errors import ForeignKeyViolation, IntegrityConstraintViolation, RestrictViolation, UniqueViolation

from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool, Role, open_pool
from connectors.postgres.sinks.invoicing import InvoicingSink
from tests.postgres.builders import JANUARY, Credit, grant, line, outbox_of, post, statement

DELETE = "DELETE FROM beaas.{}"
FINAL = ("plan_versions", "invoices", "invoice_lines", "ledger_transactions", "postings", "credit_burns")

NEXT_INVOICE = """
INSERT INTO beaas.invoices (
    tenant_id, invoice_id, statement_id, series_position, customer_id, subscription_id, plan_id, plan_version, currency,
    timezone, tax_percent, issued_at, subtotal_minor, tax_minor, total_minor, credit_applied_minor, amount_due_minor,
    command_id, journal_position)
SELECT tenant_id, %s, 'other', 2, customer_id, subscription_id, plan_id, plan_version, currency,
    timezone, tax_percent, issued_at, subtotal_minor, tax_minor, total_minor, credit_applied_minor, amount_due_minor,
    command_id, journal_position
FROM beaas.invoices
"""
LINES = """
INSERT INTO beaas.invoice_lines (
    tenant_id, invoice_id, position, kind, price_id, line_group, quantity, amount_minor, period_start, period_end,
    taxable, events)
SELECT 'acme', %s, position, 'fee', 'p', '{}', 1, amount, now(), now(), true, 0
FROM unnest(%s::int[]) WITH ORDINALITY AS l (amount, position)
"""
NEXT_TRANSACTION = """
INSERT INTO beaas.ledger_transactions (tenant_id, transaction_id, customer_id, invoice_id, currency, posted_at)
VALUES ('acme', %s, %s, %s, %s, now())
"""
POSTINGS = """
INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)
SELECT 'acme', %s, position, 'cash', amount FROM unnest(%s::int[]) WITH ORDINALITY AS p (amount, position)
"""


@pytest_asyncio.fixture(scope="module")
async def invoiced(shared_database: str) -> AsyncIterator[psycopg.Connection]:
    """The owner of a database with one invoice, that all refusals are tried on."""
    async with open_pool(shared_database, Role.SERVICE, application_name="test") as pool:
        with psycopg.connect(shared_database, autocommit=True) as owner:
            grant(owner, Credit("g", 100))
            await InvoicingSink(pool, outbox_of()).write([statement(line(1200))])
            yield owner


@pytest.mark.parametrize("table", [*FINAL, "billing_events"])
@pytest.mark.parametrize("change", ["UPDATE beaas.{} SET tenant_id = tenant_id", "TRUNCATE beaas.{} CASCADE"])
def test_a_final_row_is_not_changed_by_its_owner_even(invoiced: psycopg.Connection, table: str, change: str) -> None:
    with pytest.raises(RestrictViolation, match="its rows never change"):
        invoiced.execute(change.format(table))


@pytest.mark.parametrize("table", [*FINAL, "credit_grants", "invoice_series"])
def test_a_final_row_is_not_deleted_by_its_owner_even(invoiced: psycopg.Connection, table: str) -> None:
    with pytest.raises(RestrictViolation, match="its rows never change"):
        invoiced.execute(DELETE.format(table))


def test_truncating_what_final_rows_hang_on_is_refused(invoiced: psycopg.Connection) -> None:
    with pytest.raises(RestrictViolation):
        invoiced.execute("TRUNCATE beaas.tenants CASCADE")


@pytest.mark.parametrize("table", [*FINAL, "billing_events"])
@pytest.mark.parametrize("change", ["UPDATE beaas.{} SET tenant_id = tenant_id", "TRUNCATE beaas.{} CASCADE"])
def test_the_service_has_no_right_to_change_final_rows(invoiced: psycopg.Connection, table: str, change: str) -> None:
    with invoiced.transaction(force_rollback=True):
        invoiced.execute("SET LOCAL ROLE beaas_service")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            invoiced.execute(change.format(table))


@pytest.mark.parametrize("amounts", [(), (5,), (5, -4), (5, -5, 1)])
def test_a_ledger_transaction_that_does_not_sum_to_zero_is_refused(
    invoiced: psycopg.Connection, amounts: tuple[int, ...]
) -> None:
    with pytest.raises(IntegrityConstraintViolation, match="does not balance"):
        post(invoiced, *amounts)


@pytest.mark.parametrize(("positions", "error"), [([3, 4], IntegrityConstraintViolation), ([1, 3], UniqueViolation)])
def test_postings_can_not_be_added_to_a_transaction_even_if_they_balance(
    invoiced: psycopg.Connection, positions: list[int], error: type[psycopg.Error]
) -> None:
    transaction_id = post(invoiced, 5, -5)
    with pytest.raises(error):
        invoiced.execute(
            "INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)"
            " SELECT 'acme', %s, position, 'cash', amount FROM unnest(%s::int[], ARRAY[1, -1]) AS p (position, amount)",
            (transaction_id, positions),
        )


@pytest.mark.parametrize(("position", "error"), [(2, IntegrityConstraintViolation), (1, UniqueViolation)])
def test_a_line_can_not_be_added_to_an_invoice(
    invoiced: psycopg.Connection, position: int, error: type[psycopg.Error]
) -> None:
    with pytest.raises(error):
        invoiced.execute(
            "INSERT INTO beaas.invoice_lines (tenant_id, invoice_id, position, kind, price_id, line_group, quantity,"
            " amount_minor, period_start, period_end, taxable, events)"
            " SELECT tenant_id, invoice_id, %s, 'fee', 'p', '{}', 1, 0, issued_at, issued_at, true, 0"
            " FROM beaas.invoices",
            (position,),
        )


@pytest.mark.parametrize("amounts", [[], [1199], [1200, 1]])
def test_an_invoice_is_refused_whose_lines_do_not_sum_to_its_subtotal(
    invoiced: psycopg.Connection, amounts: list[int]
) -> None:
    with pytest.raises(IntegrityConstraintViolation, match="its subtotal is 1200"):
        insert_second_invoice(invoiced, amounts)


def insert_second_invoice(connection: psycopg.Connection, amounts: list[int]) -> UUID:
    invoice_id = uuid4()
    with connection.transaction():
        connection.execute("UPDATE beaas.invoice_series SET last_number = 2")
        connection.execute(f"WITH i AS ({NEXT_INVOICE}) {LINES}", (invoice_id, invoice_id, amounts))
    return invoice_id


def insert_second_invoice_in_two_statements(connection: psycopg.Connection) -> None:
    invoice_id = uuid4()
    with connection.transaction():
        connection.execute("UPDATE beaas.invoice_series SET last_number = 2")
        connection.execute(NEXT_INVOICE, (invoice_id,))
        connection.execute(LINES, (invoice_id, [1200]))


def test_an_invoice_is_refused_whose_lines_come_after_it(invoiced: psycopg.Connection) -> None:
    with pytest.raises(IntegrityConstraintViolation, match="there are none"):
        insert_second_invoice_in_two_statements(invoiced)


def test_lines_without_their_invoice_are_refused(invoiced: psycopg.Connection) -> None:
    with pytest.raises(ForeignKeyViolation, match="there is no invoice"):
        invoiced.execute(LINES, (uuid4(), [1200]))


def test_postings_without_their_transaction_are_refused(invoiced: psycopg.Connection) -> None:
    with pytest.raises(ForeignKeyViolation, match="there is no ledger transaction"):
        invoiced.execute(POSTINGS, (uuid4(), [5, -5]))


def post_second_invoice(
    connection: psycopg.Connection,
    *,
    invoice_id: UUID | None = None,
    customer: str = "c1",
    currency: str = "USD",
    amounts: tuple[int, ...] = (5, -5),
) -> None:
    with connection.transaction(force_rollback=True):
        invoice_id = invoice_id or insert_second_invoice(connection, [1200])
        transaction_id = uuid4()
        connection.execute(
            f"WITH t AS ({NEXT_TRANSACTION}) {POSTINGS}",
            (transaction_id, customer, invoice_id, currency, transaction_id, list(amounts)),
        )


@pytest.mark.parametrize("other", [{"invoice_id": UUID(int=1)}, {"customer": "c2"}, {"currency": "EUR"}])
def test_the_transaction_of_an_invoice_is_its_customers_in_its_currency(
    invoiced: psycopg.Connection, other: dict[str, Any]
) -> None:
    post_second_invoice(invoiced)
    with pytest.raises(ForeignKeyViolation, match="none of its customer in its currency"):
        post_second_invoice(invoiced, **other)


@pytest.mark.parametrize("amounts", [(), (5,), (5, -4)])
def test_the_transaction_of_an_invoice_that_does_not_sum_to_zero_is_refused(
    invoiced: psycopg.Connection, amounts: tuple[int, ...]
) -> None:
    with pytest.raises(IntegrityConstraintViolation, match="does not balance"):
        post_second_invoice(invoiced, amounts=amounts)


def test_credit_can_not_be_made_by_writing_what_remains(invoiced: psycopg.Connection) -> None:
    with pytest.raises(IntegrityConstraintViolation, match="is not its amount less its burns"):
        invoiced.execute("UPDATE beaas.credit_grants SET remaining_minor = 100")


def test_a_series_does_not_move_without_its_invoices(invoiced: psycopg.Connection) -> None:
    with pytest.raises(IntegrityConstraintViolation, match="moved from 1 to 2, over 0 invoices"):
        invoiced.execute("UPDATE beaas.invoice_series SET last_number = 2")


def test_an_invoice_does_not_take_a_number_beyond_its_series(invoiced: psycopg.Connection) -> None:
    with pytest.raises(IntegrityConstraintViolation, match="has not reached"):
        invoiced.execute(NEXT_INVOICE, (uuid4(),))


def test_a_test_clock_only_moves_forward(invoiced: psycopg.Connection) -> None:
    invoiced.execute("UPDATE beaas.tenants SET test_clock = '2026-01-01T00:00:00Z' WHERE tenant_id = 'acme'")
    invoiced.execute("UPDATE beaas.tenants SET test_clock = '2026-02-01T00:00:00Z' WHERE tenant_id = 'acme'")
    for backward in (JANUARY, None):
        with pytest.raises(psycopg.errors.CheckViolation, match="only moves forward"):
            invoiced.execute("UPDATE beaas.tenants SET test_clock = %s WHERE tenant_id = 'acme'", (backward,))


async def test_numbers_have_no_gap_under_concurrency_and_rollbacks(
    service: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    class Refusing:
        """An encoder that fails after the rows were written, so that the whole batch rolls back."""

        def encode(self, *_: object) -> bytes:
            raise RuntimeError("no")

    sink, failing = InvoicingSink(service, outbox), InvoicingSink(service, Outbox(Refusing()))
    batches = [
        (failing if turn % 3 == 0 else sink).write(
            [statement(line(100), tenant=tenant, customer=turn % 4 + 1) for tenant in ("acme", "bolt")]
        )
        for turn in range(24)
    ]
    answers = await asyncio.gather(*batches, return_exceptions=True)
    assert [type(answer) for answer in answers if answer] == [RuntimeError] * 8
    numbers = owner.execute("SELECT tenant_id, array_agg(number ORDER BY number) FROM beaas.invoices GROUP BY 1")
    expected = [f"INV-{number:06}" for number in range(1, 17)]
    assert dict(numbers.fetchall()) == {"acme": expected, "bolt": expected}
