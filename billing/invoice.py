"""Invoices: what a statement comes to, with tax and credit."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from billing.credit import Burn, Grant, burn
from billing.currency import currency
from billing.money import round_to_minor
from billing.quantity import parse_quantity
from billing.statement import Line, Statement


@dataclass(frozen=True, slots=True)
class Invoice:
    """A statement with its tax and how it is paid; all amounts are minor units of `statement.currency`.

    `subtotal + tax == total - credited`, and `total == credit_applied + amount_due`: at most one of `total` and
    `credited` is not 0.
    """

    statement: Statement
    subtotal_minor: int
    tax_minor: int
    total_minor: int
    """What is to be paid; 0 where subtotal and tax are negative together."""
    credited_minor: int
    """What a negative sum gives to the customer's credit."""
    burns: tuple[Burn, ...]
    amount_due_minor: int

    @property
    def lines(self) -> tuple[Line, ...]:
        """The lines, in order."""
        return self.statement.lines

    @property
    def credit_applied_minor(self) -> int:
        """What credit pays of the total."""
        return sum(one.amount_minor for one in self.burns)

    @property
    def grant(self) -> Grant | None:
        """The credit that a negative sum leaves: priority 0, never expires; None where there is none."""
        if not self.credited_minor:
            return None
        return Grant(f"statement:{self.statement.statement_id}", self.credited_minor)


def draw(statement: Statement, grants: Sequence[Grant]) -> Invoice:
    """Returns the invoice of a statement, paid as far as `grants` reach at its moment of issue.

    A negative sum is issued with total 0, and the rest goes to the customer's credit.
    """
    subtotal = sum(line.amount_minor for line in statement.lines)
    tax = _tax(statement)
    total = max(subtotal + tax, 0)
    burns = burn(grants, total, statement.issued_at_us)
    return Invoice(
        statement=statement,
        subtotal_minor=subtotal,
        tax_minor=tax,
        total_minor=total,
        credited_minor=total - subtotal - tax,
        burns=burns,
        amount_due_minor=total - sum(one.amount_minor for one in burns),
    )


def _tax(statement: Statement) -> int:
    """`tax_percent` of the sum of the taxable lines, rounded once, half away from zero."""
    money = currency(statement.currency)
    taxable = sum(line.amount_minor for line in statement.lines if line.taxable)
    percent = Fraction(parse_quantity(statement.tax_percent))
    return round_to_minor(Fraction(taxable, 10**money.exponent) * percent / 100, money)
