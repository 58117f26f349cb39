"""A drawn invoice with its number and ids: the rows and the events that it becomes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Final
from uuid import UUID

import msgspec

from billing.instant import instant
from billing.invoice import Invoice
from billing.ledger import Posting, postings
from billing.statement import Statement
from connectors.postgres.pool import Connection
from connectors.postgres.queries import credit, invoicing, ledger
from connectors.postgres.unit_of_work import UnitOfWork
from schemas import convert, records, topics
from schemas.topics import Topic
from schemas.wire import Record

_instant: Final = lru_cache(maxsize=4096)(instant)  # a month end has few of them, and a batch 10 an invoice


@dataclass(frozen=True, slots=True)
class Finalized:
    """An invoice as it stands for ever."""

    invoice: Invoice
    invoice_id: UUID
    transaction_id: UUID
    series_position: int
    postings: tuple[Posting, ...]
    """Empty where every amount is 0: then there is no ledger transaction."""

    @classmethod
    def of(cls, invoice: Invoice, *, invoice_id: UUID, transaction_id: UUID, series_position: int) -> "Finalized":
        """Returns the invoice with its double entry."""
        return cls(invoice, invoice_id, transaction_id, series_position, postings(invoice))

    @property
    def statement(self) -> Statement:
        """What it was drawn from."""
        return self.invoice.statement

    @property
    def number(self) -> str:
        """The number in the tenant's series, as the database writes it too."""
        return f"INV-{self.series_position:06}"

    @property
    def issued_at(self) -> datetime:
        """The moment of the close."""
        return _instant(self.statement.issued_at_us)


async def insert(connection: Connection, finalized: Sequence[Finalized]) -> None:
    """The invoices, their lines, their double entries and what they took from and gave to credit are there."""
    await _insert_invoices(connection, finalized)
    await _insert_ledger(connection, [one for one in finalized if one.postings])
    await _insert_grants(connection, [one for one in finalized if one.invoice.grant])
    await _insert_burns(connection, [one for one in finalized if one.invoice.burns])


def publish(work: UnitOfWork, one: Finalized) -> None:
    """The events that tell of the invoice go out with the unit of work."""
    finalized = convert.invoice_from_domain(one.invoice, invoice_id=one.invoice_id, number=one.number)
    _publish(work, one, topics.INVOICE, str(one.invoice_id), finalized)
    if one.postings:
        posted = convert.invoice_posted(
            one.statement, one.postings, invoice_id=one.invoice_id, transaction_id=one.transaction_id
        )
        _publish(work, one, topics.LEDGER, str(one.transaction_id), posted)
    if (grant := one.invoice.grant) is not None:
        granted = records.CreditGranted(
            grant_id=grant.grant_id,
            tenant_id=one.statement.tenant,
            customer_id=one.statement.customer,
            currency=one.statement.currency,
            amount_minor=grant.left_minor,
            priority=grant.priority,
            granted_at=one.issued_at,
        )
        _publish(work, one, topics.CREDIT, grant.grant_id, granted)


def _publish(work: UnitOfWork, one: Finalized, topic: Topic, aggregate_id: str, record: Record) -> None:
    work.publish(
        topic,
        aggregate_id,
        one.statement.tenant,
        record,
        occurred_at=one.issued_at,
        correlation_id=one.statement.correlation_id,
        causation_id=one.statement.command_id,
    )


async def _insert_invoices(connection: Connection, finalized: Sequence[Finalized]) -> None:
    statements = [one.statement for one in finalized]
    invoices = [one.invoice for one in finalized]
    placed = [(one, position, line) for one in finalized for position, line in enumerate(one.invoice.lines, start=1)]
    await invoicing.insert_invoices(
        connection,
        tenant_ids=[statement.tenant for statement in statements],
        invoice_ids=[one.invoice_id for one in finalized],
        statement_ids=[statement.statement_id for statement in statements],
        customer_ids=[statement.customer for statement in statements],
        subscription_ids=[statement.subscription for statement in statements],
        plan_ids=[statement.plan for statement in statements],
        plan_versions=[statement.plan_version for statement in statements],
        series_positions=[one.series_position for one in finalized],
        currencies=[statement.currency for statement in statements],
        timezones=[statement.timezone for statement in statements],
        tax_percents=[Decimal(statement.tax_percent) for statement in statements],
        issued_ats=[one.issued_at for one in finalized],
        subtotals_minor=[invoice.subtotal_minor for invoice in invoices],
        taxes_minor=[invoice.tax_minor for invoice in invoices],
        totals_minor=[invoice.total_minor for invoice in invoices],
        credits_applied_minor=[invoice.credit_applied_minor for invoice in invoices],
        amounts_due_minor=[invoice.amount_due_minor for invoice in invoices],
        command_ids=[statement.command_id for statement in statements],
        correlation_ids=[statement.correlation_id for statement in statements],
        journal_positions=[statement.position for statement in statements],
        tzdata=[statement.tzdata for statement in statements],
        line_tenant_ids=[one.statement.tenant for one, _, _ in placed],
        line_invoice_ids=[one.invoice_id for one, _, _ in placed],
        positions=[position for _, position, _ in placed],
        kinds=[line.kind.value for _, _, line in placed],
        price_ids=[line.price for _, _, line in placed],
        line_groups=[msgspec.json.encode(line.group, order="sorted").decode() for _, _, line in placed],
        quantities=[Decimal(line.quantity) for _, _, line in placed],
        amounts_minor=[line.amount_minor for _, _, line in placed],
        period_starts=[_instant(line.period_start_us) for _, _, line in placed],
        period_ends=[_instant(line.period_end_us) for _, _, line in placed],
        taxables=[line.taxable for _, _, line in placed],
        events=[line.events for _, _, line in placed],
        discounts_minor=[line.discount_minor for _, _, line in placed],
        events_digests=[line.events_digest for _, _, line in placed],
    )


async def _insert_ledger(connection: Connection, finalized: Sequence[Finalized]) -> None:
    if not finalized:
        return
    placed = [(one, position, posting) for one in finalized for position, posting in enumerate(one.postings, start=1)]
    await ledger.insert_entries(
        connection,
        tenant_ids=[one.statement.tenant for one in finalized],
        transaction_ids=[one.transaction_id for one in finalized],
        customer_ids=[one.statement.customer for one in finalized],
        invoice_ids=[one.invoice_id for one in finalized],
        currencies=[one.statement.currency for one in finalized],
        posted_ats=[one.issued_at for one in finalized],
        posting_tenant_ids=[one.statement.tenant for one, _, _ in placed],
        posting_transaction_ids=[one.transaction_id for one, _, _ in placed],
        positions=[position for _, position, _ in placed],
        accounts=[posting.account for _, _, posting in placed],
        amounts_minor=[posting.amount_minor for _, _, posting in placed],
    )


async def _insert_grants(connection: Connection, finalized: Sequence[Finalized]) -> None:
    given = [(one, one.invoice.grant) for one in finalized if one.invoice.grant]
    if not given:
        return
    await credit.insert_grants(
        connection,
        tenant_ids=[one.statement.tenant for one, _ in given],
        grant_ids=[grant.grant_id for _, grant in given],
        customer_ids=[one.statement.customer for one, _ in given],
        currencies=[one.statement.currency for one, _ in given],
        amounts_minor=[grant.left_minor for _, grant in given],
        priorities=[grant.priority for _, grant in given],
        granted_ats=[one.issued_at for one, _ in given],
        expires_ats=[None for _ in given],
        invoice_ids=[one.invoice_id for one, _ in given],
    )


async def _insert_burns(connection: Connection, finalized: Sequence[Finalized]) -> None:
    burned = [(one, burn) for one in finalized for burn in one.invoice.burns]
    if not burned:
        return
    await invoicing.burn_credit(
        connection,
        tenant_ids=[one.statement.tenant for one, _ in burned],
        invoice_ids=[one.invoice_id for one, _ in burned],
        grant_ids=[burn.grant_id for _, burn in burned],
        amounts_minor=[burn.amount_minor for _, burn in burned],
    )
