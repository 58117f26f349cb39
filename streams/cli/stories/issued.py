"""Invoices and credit as the views of `report` say them, in the terms of the conformance format."""

from collections import defaultdict

import msgspec

from connectors.postgres.pool import Connection
from connectors.postgres.queries import report
from streams.conformance.compare import IssuedInvoice, IssuedLine


async def issued_invoices(connection: Connection, tenant: str) -> list[IssuedInvoice]:
    """Returns the tenant's invoices in the order of their numbers."""
    invoices = await report.invoices_of(connection, tenant=tenant)
    lines = defaultdict(list)
    for line in await report.invoice_lines_of(connection, tenant=tenant):
        lines[line.number].append(_line(line))
    return [_invoice(invoice, lines[invoice.number]) for invoice in invoices]


async def credit_left(connection: Connection, tenant: str) -> dict[str, str]:
    """Returns what credit the tenant's customers have left, in major units."""
    return {row.customer: f"{row.balance:f}" for row in await report.credit_of(connection, tenant=tenant)}


def _invoice(row: report.InvoicesOf, lines: list[IssuedLine]) -> IssuedInvoice:
    return IssuedInvoice(
        customer=row.customer,
        subscription=row.subscription,
        issued_at=row.issued_at,
        subtotal=f"{row.subtotal:f}",
        tax=f"{row.tax:f}",
        total=f"{row.total:f}",
        credit_applied=f"{row.credit_applied:f}",
        amount_due=f"{row.amount_due:f}",
        lines=lines,
    )


def _line(row: report.InvoiceLinesOf) -> IssuedLine:
    return IssuedLine(
        price=row.price,
        group=msgspec.json.decode(row.line_group, type=dict[str, str]),
        quantity=f"{row.quantity:f}",
        amount=f"{row.amount:f}",
        start=row.period_start,
        end=row.period_end,
        adjustment=row.adjustment,
        kind=row.kind,
        discount=f"{row.discount:f}",
    )
