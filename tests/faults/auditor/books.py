"""The ledger: what every invoice must post, against the topic of postings and the trial balance."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from tests.faults.auditor.facts import BalanceRow, InvoiceRow, Record
from tests.faults.auditor.finding import Finding
from tests.faults.auditor.recount import ExpectedInvoice
from tests.faults.auditor.told import TenantTold
from tests.oracle.numbers import DIGITS

_Posted = dict[str, Decimal]
NOTHING = Decimal(0)


def postings_of(invoice: ExpectedInvoice) -> _Posted:
    """What an invoice posts, debits above 0: what is due, what credit paid or got, each price's revenue, the tax."""
    posted: Counter[str] = Counter()
    posted["accounts_receivable"] += invoice.amount_due  # type: ignore[assignment]  # counts are decimals here
    posted["customer_credit"] += invoice.credit_applied - invoice.credited  # type: ignore[assignment]
    posted["tax_payable"] -= invoice.tax  # type: ignore[assignment]
    for line in invoice.lines:
        posted[f"revenue:{line.price}"] -= line.amount  # type: ignore[assignment]
    return {account: Decimal(amount) for account, amount in posted.items() if amount}


def check_balances(
    expected: Sequence[ExpectedInvoice], tenants: Sequence[TenantTold], rows: Sequence[BalanceRow]
) -> Iterator[Finding]:
    """Debits and credits are equal, and each account has what the invoices and grants come to."""
    wanted: dict[tuple[str, str, str], list[Decimal]] = defaultdict(lambda: [NOTHING, NOTHING])
    for invoice in expected:
        for account, amount in postings_of(invoice).items():
            wanted[invoice.tenant, invoice.currency, account][amount < 0] += abs(amount)
    for tenant in tenants:
        for amount in _granted(tenant):
            currency = str(tenant.document["currency"])
            wanted[tenant.code, currency, "prepayments"][0] += amount
            wanted[tenant.code, currency, "customer_credit"][1] += amount
    found = {(row.tenant, row.currency, row.account): [row.debit, row.credit] for row in rows}
    for name in sorted(found.keys() | wanted.keys()):
        have, right = found.get(name, [NOTHING, NOTHING]), wanted.get(name, [NOTHING, NOTHING])
        if have != right:
            detail = f"debit and credit are {have[0]} and {have[1]}; {right[0]} and {right[1]} are right"
            yield Finding("I05", name[0], f"account {name[2]} in {name[1]}", detail)
    sums: dict[tuple[str, str], Decimal] = defaultdict(lambda: NOTHING)
    for row in rows:
        sums[row.tenant, row.currency] += row.debit - row.credit
    for (code, currency), difference in sums.items():
        if difference:
            yield Finding("I05", code, f"trial balance in {currency}", f"debits exceed credits by {difference}")


def _granted(tenant: TenantTold) -> Iterator[Decimal]:
    for effect in tenant.effects:
        if effect.asked.what == "grant":
            yield Decimal(effect.asked.amount)


def check_postings(
    expected: Sequence[ExpectedInvoice], rows: Sequence[InvoiceRow], bus: Sequence[Record]
) -> Iterator[Finding]:
    """Each invoice with an amount has one transaction in the topic of the ledger, and that sums to zero."""
    transactions: dict[str, dict[str, dict[str, int]]] = defaultdict(dict)
    for record in bus:
        if record.kind != "LedgerPosted":
            continue
        told = record.fields
        sides: Counter[str] = Counter()
        for side in told["postings"]:
            sides[side["account"]] += int(side["amount_minor"])
        if sum(sides.values()):
            detail = f"its postings sum to {sum(sides.values())}: {dict(sides)}"
            yield Finding("I05", str(told["tenant_id"]), f"transaction {told['transaction_id']}", detail)
        if told["invoice_id"] is not None:
            transactions[str(told["invoice_id"])][str(told["transaction_id"])] = dict(sides)
    want = {(one.tenant, one.customer, one.subscription, one.issued_at): one for one in expected}
    for row in rows:
        invoice = want.get((row.tenant, row.customer, row.subscription, row.issued_at))
        if invoice is None:
            continue
        digits = DIGITS[row.currency]
        right = {account: int(amount.scaleb(digits)) for account, amount in postings_of(invoice).items()}
        have = list(transactions.get(row.invoice_id, {}).values())
        if have != ([right] if right else []):
            yield Finding("I06", row.tenant, row.number, f"the ledger has {have}; one transaction of {right} is right")
