"""Invoices of one small tenant, in memory, and the credit that pays them."""

from dataclasses import replace

from billing.credit import Grant, balance
from billing.currency import Currency
from billing.entry import CustomerId
from billing.instant import instant
from billing.invoice import Invoice, draw
from billing.money import Money
from billing.statement import Line, Statement
from streams.conformance.compare import IssuedInvoice, IssuedLine


class Issuing:
    """Draws an invoice of every statement that has lines. `invoices` are in the order of issue."""

    def __init__(self, currency: Currency) -> None:
        self._currency = currency
        self._grants: dict[CustomerId, list[Grant]] = {}
        self.invoices: list[IssuedInvoice] = []

    def grant(self, customer: CustomerId, amount: str, priority: int, expires_us: int | None) -> None:
        """Gives a customer prepaid money, in major units.

        Raises:
            InvalidDefinition: no amount of the currency, or a negative one.
        """
        grants = self._grants.setdefault(customer, [])
        amount_minor = Money.of(amount, self._currency).minor
        grants.append(Grant(f"granted:{len(grants)}", amount_minor, priority, expires_us))

    def issue(self, statement: Statement) -> None:
        """Issues the invoice of a statement with lines, and burns the credit that pays it."""
        if not statement.lines:
            return
        grants = self._grants.setdefault(CustomerId(statement.customer), [])
        invoice = draw(statement, grants)
        paid = {burn.grant_id: burn.amount_minor for burn in invoice.burns}
        left = [replace(grant, left_minor=grant.left_minor - paid.get(grant.grant_id, 0)) for grant in grants]
        self._grants[CustomerId(statement.customer)] = left if invoice.grant is None else [*left, invoice.grant]
        self.invoices.append(self._issued(invoice))

    def credit(self, at_us: int) -> dict[str, str]:
        """Returns what credit each customer has left at this instant, in major units."""
        return {customer: self._major(balance(grants, at_us)) for customer, grants in self._grants.items()}

    def _issued(self, invoice: Invoice) -> IssuedInvoice:
        statement = invoice.statement
        return IssuedInvoice(
            customer=statement.customer,
            subscription=statement.subscription,
            issued_at=instant(statement.issued_at_us),
            subtotal=self._major(invoice.subtotal_minor),
            tax=self._major(invoice.tax_minor),
            total=self._major(invoice.total_minor),
            credit_applied=self._major(invoice.credit_applied_minor),
            amount_due=self._major(invoice.amount_due_minor),
            lines=[self._issued_line(line) for line in invoice.lines],
        )

    def _issued_line(self, line: Line) -> IssuedLine:
        return IssuedLine(
            price=line.price,
            group=line.group,
            quantity=line.quantity,
            amount=self._major(line.amount_minor),
            start=instant(line.period_start_us),
            end=instant(line.period_end_us),
            adjustment=line.adjustment,
            kind=line.kind.value,
            discount=self._major(line.discount_minor),
        )

    def _major(self, minor: int) -> str:
        return f"{Money(minor, self._currency).major():f}"
