"""I03 to I06 and I15: invoices, their sums, their numbers and the ledger."""

from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

from billing.invariants.finding import Finding


class PeriodFact(NamedTuple):
    """The close of one period of one subscription, and the invoices that were drawn for it."""

    tenant: str
    subscription: str
    period: str
    """Its end."""
    kind: str
    """What closed it; commands of one kind at one moment are told apart by their ids."""
    owed: bool | None
    """Whether something is owed, so that there must be an invoice; None where nobody knows."""
    invoices: tuple[str, ...]
    """Their numbers."""
    unstated: bool = False
    """Whether no statement stands behind them where one would have to."""


def one_invoice_per_period(periods: Iterable[PeriodFact]) -> Iterator[Finding]:
    """I03: a close has exactly one invoice, or none where nothing is owed; no other invoice is there.

    Args:
        periods: those of one (tenant, subscription, period, kind) stand together; there may be several.
    """
    for (tenant, subscription, period, kind), facts in groupby(periods, key=itemgetter(0, 1, 2, 3)):
        owed: bool | None = None
        numbers: list[str] = []
        unstated: list[str] = []
        for fact in facts:
            numbers += fact.invoices
            owed = fact.owed if owed is None else owed
            if fact.unstated:
                unstated += fact.invoices
        subject = f"{subscription} until {period}, {kind}"
        for number in unstated:
            yield Finding(
                "I03", tenant, subject, f"no statement stands behind {number}. Find who wrote it, or altered it"
            )
        if len(numbers) > 1:
            drawn = ", ".join(numbers)
            yield Finding("I03", tenant, subject, f"{len(numbers)} invoices in place of one: {drawn}. Credit the rest")
        elif owed and not numbers:
            yield Finding("I03", tenant, subject, "something is owed and there is no invoice: is the sink running?")
        elif owed is False and numbers:
            yield Finding("I03", tenant, subject, f"nothing is owed and there is an invoice: {numbers[0]}")


class InvoiceFact(NamedTuple):
    """An invoice as it stands, and the sums of what it is made of; amounts are integers of minor units."""

    tenant: str
    number: str
    currencies: tuple[str, ...]
    """Every currency that the invoice, its ledger transaction and its credit are in, each once."""
    lines: int
    lines_minor: int
    """The sum of the lines."""
    taxable_minor: int
    """The sum of the lines that are taxed."""
    tax_percent: Decimal
    subtotal_minor: int
    tax_minor: int
    total_minor: int
    credited_minor: int
    """What a negative sum gave to the customer's credit."""
    burned_minor: int
    """What grants paid of it, by the grants."""
    credit_applied_minor: int
    """What grants paid of it, by the invoice."""
    amount_due_minor: int


_AMOUNTS: Final = tuple(name for name in InvoiceFact._fields if name.endswith("_minor"))


def invoices_add_up(invoices: Iterable[InvoiceFact]) -> Iterator[Finding]:
    """I04: total = lines + tax - credit, in one currency and in integers; tax is rounded once, half away from zero."""
    for invoice in invoices:
        see = f": beaas explain {invoice.number} --tenant {invoice.tenant}" if invoice.tenant else ""
        for problem in _unsound(invoice):
            yield Finding(
                "I04",
                invoice.tenant,
                invoice.number,
                f"{problem}. Its rows were written by wrong code or by hand{see}",
            )


def _unsound(invoice: InvoiceFact) -> Iterator[str]:
    inexact = [name for name in _AMOUNTS if type(getattr(invoice, name)) is not int]
    if inexact:
        yield f"{', '.join(inexact)}: not an integer number of minor units"
        return
    if len(invoice.currencies) != 1:
        yield f"an invoice has one currency, this has {', '.join(invoice.currencies) or 'none'}"
    if not invoice.lines:
        yield "it has no lines"
    tax = _tax_minor(invoice.taxable_minor, invoice.tax_percent)
    net = invoice.total_minor - invoice.credited_minor
    yield from _unequal("its lines sum to {} and its subtotal is {}", invoice.lines_minor, invoice.subtotal_minor)
    yield from _unequal("{} tax is owed on its taxed lines and its tax is {}", tax, invoice.tax_minor)
    yield from _unequal("subtotal and tax are {} and total less credited is {}", _gross(invoice), net)
    yield from _unequal("grants paid {} and the invoice says {}", invoice.burned_minor, invoice.credit_applied_minor)
    paid = invoice.credit_applied_minor + invoice.amount_due_minor
    yield from _unequal("credit and amount due are {} and the total is {}", paid, invoice.total_minor)
    if min(invoice.total_minor, invoice.credited_minor) != 0:
        yield f"of total {invoice.total_minor} and credited {invoice.credited_minor} one is 0 and none is negative"
    if min(invoice.credit_applied_minor, invoice.amount_due_minor) < 0:
        yield f"credit {invoice.credit_applied_minor} and amount due {invoice.amount_due_minor}: none is negative"


def _gross(invoice: InvoiceFact) -> int:
    return invoice.subtotal_minor + invoice.tax_minor


def _unequal(text: str, one: int, other: int) -> Iterator[str]:
    if one != other:
        yield text.format(one, other)


def _tax_minor(taxable_minor: int, percent: Decimal) -> int:
    """Written again on purpose: a check that rounds by the function it checks sees nothing."""
    exact = abs(taxable_minor) * Fraction(percent) / 100
    rounded = (2 * exact.numerator + exact.denominator) // (2 * exact.denominator)
    return rounded if taxable_minor >= 0 else -rounded


class PostingFact(NamedTuple):
    """One side of a ledger transaction: debits are positive, credits negative, in minor units."""

    tenant: str
    transaction: str
    currency: str
    account: str
    amount_minor: int


class BalanceFact(NamedTuple):
    """What another place than the ledger says that an account of it comes to, in minor units."""

    tenant: str
    currency: str
    account: str
    balance_minor: int
    posted_minor: int | None = None
    """What the account's postings come to, where whoever asks has summed them; None: the fold of those given."""


class EntryFact(NamedTuple):
    """A ledger transaction and its postings, of which one may be there without the other."""

    tenant: str
    transaction: str
    transactions: int
    """Transactions of this id."""
    postings: int


def ledger_balances(
    postings: Iterable[PostingFact], balances: Iterable[BalanceFact] = (), entries: Iterable[EntryFact] = ()
) -> Iterator[Finding]:
    """I05: every transaction is there with postings that sum to zero in each currency; balances are their fold.

    Args:
        postings: those of one transaction stand together; the accounts are kept, the transactions are not.
        balances: judged once all postings are read; each account at most once.
        entries: transactions that may lack their postings, or the other way round.
    """
    folded: Counter[tuple[str, str, str]] = Counter()
    for (tenant, transaction), sides in groupby(postings, key=itemgetter(0, 1)):
        sums: Counter[str] = Counter()
        for side in sides:
            sums[side.currency] += side.amount_minor
            folded[tenant, side.currency, side.account] += side.amount_minor
        for currency, left in sums.items():
            if left:
                detail = f"its postings in {currency} sum to {left} and not to 0. Find who wrote it, and reverse it"
                yield Finding("I05", tenant, f"transaction {transaction}", detail)
    for balance in balances:
        found = balance.posted_minor
        if found is None:
            found = folded[balance.tenant, balance.currency, balance.account]
        if found != balance.balance_minor:
            yield Finding(
                "I05",
                balance.tenant,
                f"account {balance.account}",
                f"its postings come to {found} {balance.currency} (minor units) and its balance is said to be "
                f"{balance.balance_minor}. Find the entry that only one of them has",
            )
    for entry in entries:
        if entry.transactions != 1 or not entry.postings:
            detail = f"{entry.transactions} transactions with {entry.postings} postings in place of 1 with its postings"
            remedy = "They are written in one transaction and never deleted: find who did, and restore what is gone"
            yield Finding("I05", entry.tenant, f"transaction {entry.transaction}", f"{detail}. {remedy}")


class IssueFact(NamedTuple):
    """What there is of one invoice id: rows and events; None where it is no longer known."""

    tenant: str
    invoice: str
    """Its number, or its id where there is no invoice."""
    finalized: int
    """Invoices with this id."""
    moves_money: bool
    """Whether any amount is not 0, so that there must be a ledger transaction."""
    transactions: int
    told: int | None
    """Events that say that it is final."""
    posted: int | None
    """Events that say that its transaction is posted."""
    stray_lines: int = 0
    """Lines that name it, where there is no invoice of this id."""


def invoice_ledger_and_outbox_agree(issues: Iterable[IssueFact]) -> Iterator[Finding]:
    """I06: a final invoice has its ledger transaction and its events, and none of these is there without it."""
    for issue in issues:
        due = int(issue.finalized > 0 and issue.moves_money)
        expected = [
            ("invoices", 1, issue.finalized),
            ("lines", 0, issue.stray_lines),
            ("ledger transactions", due, issue.transactions),
        ]
        if issue.told is not None:
            expected.append(("events that it is final", int(issue.finalized > 0), issue.told))
        if issue.posted is not None:
            expected.append(("events of its transaction", due, issue.posted))
        wrong = [f"{found} {what} in place of {right}" for what, right, found in expected if found != right]
        if wrong:
            detail = f"{', '.join(wrong)}. They are written in one transaction: find who wrote outside it"
            yield Finding("I06", issue.tenant, issue.invoice, detail)


class NumberFact(NamedTuple):
    """An invoice's number in its series; positions count from 1."""

    tenant: str
    series: str
    position: int
    number: str


class SeriesFact(NamedTuple):
    """How far a series says that it has come."""

    tenant: str
    series: str
    last: int


def numbers_are_gapless(numbers: Iterable[NumberFact], ends: Iterable[SeriesFact] = ()) -> Iterator[Finding]:
    """I15: the numbers of each series are unique, rise and have no gap, from 1 to where the series says it stands.

    Args:
        numbers: in the order of issue, or of position where that is not known; series may be mixed.
        ends: judged once all numbers are read.
    """
    reached: dict[tuple[str, str], int] = {}
    for fact in numbers:
        before = reached.get((fact.tenant, fact.series), 0)
        if fact.position != before + 1:
            what = "stands twice or out of order" if fact.position <= before else "leaves a gap"
            detail = f"number {fact.position} follows {before}: it {what}. Find the invoice that is gone or repeated"
            yield Finding("I15", fact.tenant, fact.number, detail)
        reached[fact.tenant, fact.series] = max(before, fact.position)
    for end in ends:
        found = reached.get((end.tenant, end.series), 0)
        if found != end.last:
            detail = f"the series stands at {end.last} and its last invoice is {found}. Find the invoices that are gone"
            yield Finding("I15", end.tenant, f"series {end.series}".strip(), detail)
