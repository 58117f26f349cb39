"""What stands in the books, as facts: one row or one invoice makes one fact each."""

import json
from collections.abc import Iterator
from hashlib import blake2b
from uuid import UUID

from billing.invariants import InvoiceFact, IssueFact
from connectors.postgres.issued import IssuedInvoice
from connectors.postgres.queries.issued import IssuedLines, IssuedPostings
from schemas.records import InvoiceFinalized, InvoiceLine, InvoiceLineKind, LedgerPosted, Posting
from schemas.wire import Record

_UUID7_MS = 80  # RFC 9562: the first 48 of 128 bits are milliseconds


def made_s(issued: IssuedInvoice) -> int:
    """Returns when the invoice was drawn, in seconds since 1970: ids tell the time."""
    return uuid7_s(issued.row.invoice_id)


def uuid7_s(name: UUID) -> int:
    """Returns when the id was made, in seconds since 1970."""
    return (name.int >> _UUID7_MS) // 1000


def sums(issued: IssuedInvoice) -> InvoiceFact:
    """Returns the invoice and the sums of what it is made of."""
    row = issued.row
    currencies = {row.currency, *(one.currency for one in issued.transactions)}
    return InvoiceFact(
        tenant=row.tenant_id,
        number=row.number,
        currencies=tuple(sorted(currencies)),
        lines=len(issued.lines),
        lines_minor=sum(int(line.amount_minor) for line in issued.lines),
        taxable_minor=sum(int(line.amount_minor) for line in issued.lines if line.taxable),
        tax_percent=row.tax_percent,
        subtotal_minor=int(row.subtotal_minor),
        tax_minor=int(row.tax_minor),
        total_minor=int(row.total_minor),
        credited_minor=sum(int(grant.amount_minor) for grant in issued.grants),
        burned_minor=sum(int(burn.amount_minor) for burn in issued.burns),
        credit_applied_minor=int(row.credit_applied_minor),
        amount_due_minor=int(row.amount_due_minor),
    )


def issue(issued: IssuedInvoice, *, told: int | None, posted: int | None) -> IssueFact:
    """Returns what there is of the invoice, with the numbers of its events where they are known."""
    row = issued.row
    amounts = (
        row.tax_minor,
        row.amount_due_minor,
        row.credit_applied_minor,
        *(one.amount_minor for one in issued.grants),
    )
    earned: dict[str, int] = {}
    for line in issued.lines:
        earned[line.price_id] = earned.get(line.price_id, 0) + int(line.amount_minor)
    moves = any(amounts) or any(earned.values())
    return IssueFact(row.tenant_id, row.number, 1, moves, len(issued.transactions), told, posted)


def final_events(issued: IssuedInvoice) -> Iterator[tuple[str, str, bytes]]:
    """Yields kind, id and digest of the events that tell of the invoice, as its rows would have them."""
    row = issued.row
    finalized = InvoiceFinalized(
        invoice_id=str(row.invoice_id),
        tenant_id=row.tenant_id,
        customer_id=row.customer_id,
        subscription_id=row.subscription_id,
        number=row.number,
        statement_id=row.statement_id,
        currency=row.currency,
        issued_at=row.issued_at,
        subtotal_minor=int(row.subtotal_minor),
        tax_minor=int(row.tax_minor),
        total_minor=int(row.total_minor),
        credit_applied_minor=int(row.credit_applied_minor),
        amount_due_minor=int(row.amount_due_minor),
        lines=tuple(map(_line, issued.lines)),
        tzdata=row.tzdata,
    )
    yield "invoice", str(row.invoice_id), digest_of(finalized)
    for one in issued.transactions:
        posted = LedgerPosted(
            transaction_id=str(one.transaction_id),
            tenant_id=row.tenant_id,
            customer_id=one.customer_id,
            invoice_id=str(row.invoice_id),
            currency=one.currency,
            posted_at=one.posted_at,
            postings=tuple(map(_posting, _of(issued.postings, one.transaction_id))),
            grant_id=one.grant_id,
        )
        yield "ledger", str(one.transaction_id), digest_of(posted)


def digest_of(record: Record) -> bytes:
    """Returns 16 bytes of all that a record says, in whatever order its maps are."""
    return blake2b(json.dumps(record.to_wire(), sort_keys=True, default=bytes.hex).encode(), digest_size=16).digest()


def _of(postings: tuple[IssuedPostings, ...], transaction: UUID) -> Iterator[IssuedPostings]:
    return (one for one in postings if one.transaction_id == transaction)


def _line(row: IssuedLines) -> InvoiceLine:
    return InvoiceLine(
        kind=InvoiceLineKind(row.kind),
        price=row.price_id,
        line_group=json.loads(row.line_group),
        quantity=f"{row.quantity:f}",
        amount_minor=int(row.amount_minor),
        period_start=row.period_start,
        period_end=row.period_end,
        taxable=row.taxable,
        events=row.events,
        discount_minor=int(row.discount_minor),
        events_digest=row.events_digest,
    )


def _posting(row: IssuedPostings) -> Posting:
    return Posting(account=row.account, amount_minor=int(row.amount_minor))
