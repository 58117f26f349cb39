"""The double-entry side of an invoice: every transaction sums to zero."""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from billing.errors import Defect
from billing.invoice import Invoice

RECEIVABLE: Final = "accounts_receivable"
TAX_PAYABLE: Final = "tax_payable"
CUSTOMER_CREDIT: Final = "customer_credit"
PREPAYMENTS: Final = "prepayments"
REVENUE: Final = "revenue:"


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of a transaction: a positive amount is a debit, a negative one a credit."""

    account: str
    amount_minor: int


def postings(invoice: Invoice) -> tuple[Posting, ...]:
    """Returns the transaction of an invoice; no posting is 0, and the sum is.

    What is due is receivable, what credit paid leaves the customer's credit, each price earns its lines, and the tax is
    payable. A negative sum goes to the customer's credit.
    """
    earned: Counter[str] = Counter()
    for line in invoice.lines:
        earned[line.price] += line.amount_minor
    return _balanced(
        Posting(RECEIVABLE, invoice.amount_due_minor),
        Posting(CUSTOMER_CREDIT, invoice.credit_applied_minor - invoice.credited_minor),
        *(Posting(REVENUE + price, -amount) for price, amount in earned.items()),
        Posting(TAX_PAYABLE, -invoice.tax_minor),
    )


def prepayment(amount_minor: int) -> tuple[Posting, ...]:
    """Returns the transaction of credit that a customer has paid for in advance."""
    return _balanced(Posting(PREPAYMENTS, amount_minor), Posting(CUSTOMER_CREDIT, -amount_minor))


def _balanced(*sides: Posting) -> tuple[Posting, ...]:
    if sum(side.amount_minor for side in sides):
        raise Defect(f"a transaction must sum to zero, this does not: {sides}")
    return tuple(side for side in sides if side.amount_minor)
