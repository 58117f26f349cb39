"""Draws what came out: invoices as a person reads them, the trial balance."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal

import psycopg
from psycopg.rows import class_row
from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table


@dataclass(frozen=True, slots=True)
class ShownInvoice:
    """The head of an invoice, from `report.invoices`."""

    tenant: str
    customer: str
    subscription: str
    number: str
    currency: str
    issued_at: datetime
    subtotal: Decimal
    tax: Decimal
    total: Decimal
    credit_applied: Decimal
    amount_due: Decimal


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line, from `report.invoice_lines`."""

    price: str
    line_group: dict[str, str]
    quantity: Decimal
    amount: Decimal
    period_start: datetime
    period_end: datetime
    adjustment: bool
    discount: Decimal


@dataclass(frozen=True, slots=True)
class ShownBalance:
    """A row of `report.trial_balance`."""

    tenant: str
    currency: str
    account: str
    debit: Decimal
    credit: Decimal


INVOICES = """
SELECT tenant, customer, subscription, number, currency, issued_at, subtotal, tax, total, credit_applied, amount_due
FROM report.invoices ORDER BY tenant, customer, issued_at
"""
LINES = """
SELECT price, line_group, quantity, amount, period_start, period_end, adjustment, discount
FROM report.invoice_lines WHERE tenant = %s AND number = %s ORDER BY position
"""
BALANCE = "SELECT tenant, currency, account, debit, credit FROM report.trial_balance ORDER BY tenant, currency, account"


def invoices(connection: psycopg.Connection) -> list[ShownInvoice]:
    """Every invoice there is."""
    with connection.cursor(row_factory=class_row(ShownInvoice)) as cursor:
        return cursor.execute(INVOICES).fetchall()


def invoice_panel(
    connection: psycopg.Connection, invoice: ShownInvoice, names: dict[str, str], zone: tzinfo
) -> RenderableType:
    """One invoice on paper, its days as the tenant's clocks on the wall showed them."""
    with connection.cursor(row_factory=class_row(ShownLine)) as cursor:
        lines = cursor.execute(LINES, (invoice.tenant, invoice.number)).fetchall()
    table = Table(box=box.SIMPLE_HEAD, expand=True, pad_edge=False)
    for heading, justify in (("charge", "left"), ("period", "left"), ("quantity", "right"), ("amount", "right")):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # rich's Literal
    for line in lines:
        group = f" [dim]{', '.join(line.line_group.values())}[/]" if line.line_group else ""
        late = " [yellow](late)[/]" if line.adjustment else ""
        start, end = line.period_start.astimezone(zone), line.period_end.astimezone(zone)
        period = f"{start:%d %b} to {end:%d %b %Y}"
        less = f" [dim]({line.discount:,f} off)[/]" if line.discount else ""
        table.add_row(f"{line.price}{group}{late}{less}", period, f"{line.quantity:,f}", f"{line.amount:,f}")
    table.add_section()
    for label, amount in (("subtotal", invoice.subtotal), ("tax", invoice.tax), ("total", invoice.total)):
        table.add_row(f"[bold]{label}[/]", "", "", f"[bold]{amount:,f}[/]")
    if invoice.credit_applied:
        table.add_row("credit", "", "", f"{-invoice.credit_applied:,f}")
    table.add_row("[bold]to pay[/]", "", invoice.currency, f"[bold]{invoice.amount_due:,f}[/]")
    head = f"From [bold]{invoice.tenant}[/]   To [bold]{names.get(invoice.customer, invoice.customer)}[/]"
    return Panel(
        Group(
            head, f"Issued {invoice.issued_at.astimezone(zone):%d %B %Y}   Subscription {invoice.subscription}", table
        ),
        title=f"[bold]Invoice {invoice.number}[/]",
        title_align="left",
        width=84,
    )


def trial_balance(connection: psycopg.Connection) -> tuple[RenderableType, bool]:
    """The table, and whether debits equal credits for every tenant and currency."""
    with connection.cursor(row_factory=class_row(ShownBalance)) as cursor:
        rows = cursor.execute(BALANCE).fetchall()
    table = Table(title="Trial balance", box=box.SIMPLE_HEAD, title_justify="left")
    for heading in ("tenant", "account"):
        table.add_column(heading)
    for heading in ("debit", "credit"):
        table.add_column(heading, justify="right")
    difference: defaultdict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for number, row in enumerate(rows):
        if number and row.tenant != rows[number - 1].tenant:
            table.add_section()
        table.add_row(row.tenant, row.account, f"{row.debit:,f}", f"{row.credit:,f}")
        difference[row.tenant, row.currency] += row.debit - row.credit
    table.add_section()
    debit, credit = sum(r.debit for r in rows), sum(r.credit for r in rows)
    table.add_row("[bold]all[/]", "", f"[bold]{debit:,f}[/]", f"[bold]{credit:,f}[/]")
    return table, bool(rows) and not any(difference.values())
