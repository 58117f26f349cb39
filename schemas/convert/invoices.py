"""What an invoice tells: itself, its double entry, and the credit that it gives."""

from collections.abc import Sequence
from uuid import UUID

from billing.invoice import Invoice
from billing.ledger import Posting
from billing.statement import Line, Statement
from schemas import records
from schemas.convert.instants import written


def invoice_from_domain(invoice: Invoice, *, invoice_id: UUID, number: str) -> records.InvoiceFinalized:
    """Returns the record that tells of an invoice under its number."""
    statement = invoice.statement
    return records.InvoiceFinalized(
        invoice_id=str(invoice_id),
        tenant_id=statement.tenant,
        customer_id=statement.customer,
        subscription_id=statement.subscription,
        number=number,
        statement_id=statement.statement_id,
        currency=statement.currency,
        issued_at=written(statement.issued_at_us),
        subtotal_minor=invoice.subtotal_minor,
        tax_minor=invoice.tax_minor,
        total_minor=invoice.total_minor,
        credit_applied_minor=invoice.credit_applied_minor,
        amount_due_minor=invoice.amount_due_minor,
        lines=tuple(_line(line) for line in invoice.lines),
        tzdata=statement.tzdata,
    )


def invoice_posted(
    statement: Statement, postings: Sequence[Posting], *, invoice_id: UUID, transaction_id: UUID
) -> records.LedgerPosted:
    """Returns the record that tells of the double entry of the statement's invoice."""
    return records.LedgerPosted(
        transaction_id=str(transaction_id),
        tenant_id=statement.tenant,
        customer_id=statement.customer,
        invoice_id=str(invoice_id),
        currency=statement.currency,
        posted_at=written(statement.issued_at_us),
        postings=postings_from_domain(postings),
    )


def postings_from_domain(postings: Sequence[Posting]) -> tuple[records.Posting, ...]:
    """Returns the records that write the sides of a transaction."""
    return tuple(records.Posting(account=side.account, amount_minor=side.amount_minor) for side in postings)


def _line(line: Line) -> records.InvoiceLine:
    return records.InvoiceLine(
        kind=records.InvoiceLineKind(line.kind),
        price=line.price,
        line_group=line.group,
        quantity=line.quantity,
        amount_minor=line.amount_minor,
        period_start=written(line.period_start_us),
        period_end=written(line.period_end_us),
        taxable=line.taxable,
        events=line.events,
        discount_minor=line.discount_minor,
        events_digest=line.events_digest,
    )
