"""Toys that invoice.

Each toy is a small system that comes in two ways: as it should be, and with the mistake that its name tells.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal

from billing import invariants as judged
from billing.invariants import Finding
from billing.invoice import Invoice, draw
from billing.ledger import Posting, postings
from billing.statement import Line, LineKind, Statement


def statement(*amounts_minor: int, tax_percent: str = "10") -> Statement:
    """Of one line for each amount."""
    return Statement(
        statement_id="st",
        tenant="acme",
        customer="c",
        subscription="s",
        plan="pro",
        plan_version=1,
        currency="USD",
        timezone="UTC",
        tax_percent=tax_percent,
        issued_at_us=0,
        command_id="cmd",
        correlation_id="",
        position=0,
        lines=tuple(
            Line(
                kind=LineKind.USAGE,
                price=f"p{place}",
                group={},
                quantity="1",
                amount_minor=amount,
                period_start_us=0,
                period_end_us=1,
                taxable=True,
                events=1,
            )
            for place, amount in enumerate(amounts_minor)
        ),
    )


def fact_of(invoice: Invoice) -> judged.InvoiceFact:
    """The invoice as the database has it."""
    return judged.InvoiceFact(
        tenant="acme",
        number="INV-000001",
        currencies=(invoice.statement.currency,),
        lines=len(invoice.lines),
        lines_minor=sum(line.amount_minor for line in invoice.lines),
        taxable_minor=sum(line.amount_minor for line in invoice.lines if line.taxable),
        tax_percent=Decimal(invoice.statement.tax_percent),
        subtotal_minor=invoice.subtotal_minor,
        tax_minor=invoice.tax_minor,
        total_minor=invoice.total_minor,
        credited_minor=invoice.credited_minor,
        burned_minor=sum(burn.amount_minor for burn in invoice.burns),
        credit_applied_minor=invoice.credit_applied_minor,
        amount_due_minor=invoice.amount_due_minor,
    )


def tax_rounded_by_the_line(*, sound: bool) -> Iterator[Finding]:
    """Three times half a cent make two cents of tax, and not three."""
    fact = fact_of(draw(statement(5, 5, 5), ()))
    tax = fact.tax_minor if sound else sum((5 * 10 + 50) // 100 for _ in range(3))
    total = fact.subtotal_minor + tax
    return judged.invoices_add_up([fact._replace(tax_minor=tax, total_minor=total, amount_due_minor=total)])


def tax_rounded_half_to_even(*, sound: bool) -> Iterator[Finding]:
    """Half a cent is rounded down before an even one."""
    fact = fact_of(draw(statement(5), ()))
    tax = fact.tax_minor if sound else round(Decimal(5 * 10) / 100)
    total = fact.subtotal_minor + tax
    return judged.invoices_add_up([fact._replace(tax_minor=tax, total_minor=total, amount_due_minor=total)])


def a_sink_that_takes_doubt_for_failure(*, sound: bool) -> Iterator[Finding]:
    """The commit went through, the answer was lost, and it draws another invoice."""
    invoices: dict[str, list[str]] = defaultdict(list)

    def draw_once_more(statement_id: str) -> None:
        if not sound or not invoices[statement_id]:
            invoices[statement_id].append(f"INV-{sum(map(len, invoices.values())) + 1:06}")

    for statement_id in ("january", "february"):
        draw_once_more(statement_id)
        draw_once_more(statement_id)  # the answer to the first commit never came
    return judged.one_invoice_per_period(
        judged.PeriodFact("acme", "s", period, "CycleClosed", True, tuple(numbers))
        for period, numbers in invoices.items()
    )


def a_sink_that_skips_a_customer(*, sound: bool) -> Iterator[Finding]:
    """Whatever fails is swallowed, and the next is taken."""
    facts = []
    for customer in ("c1", "c2", "c3"):
        try:
            if customer == "c2" and not sound:
                raise TimeoutError  # noqa: TRY301 - what a driver raises
            facts.append(judged.PeriodFact("acme", customer, "2026-02-01", "CycleClosed", True, (f"INV-{customer}",)))
        except TimeoutError:
            facts.append(judged.PeriodFact("acme", customer, "2026-02-01", "CycleClosed", True, ()))
    return judged.one_invoice_per_period(facts)


def postings_without_the_tax(*, sound: bool) -> Iterator[Finding]:
    """Receivable is the total, and the tax is owed to nobody."""
    sides = postings(draw(statement(1_000), ()))
    posted = sides if sound else [side for side in sides if side.account != "tax_payable"]
    return judged.ledger_balances(_of_transaction("t", posted))


def a_balance_that_is_kept_beside(*, sound: bool) -> Iterator[Finding]:
    """Two who spend at once both read the same balance and write it back."""
    balance, read = 100, []
    entries = [Posting("customer_credit", -100), Posting("prepayments", 100)]
    for _ in range(2):
        read.append(balance)
        balance = (balance if sound else read[0]) - 30
        entries += [Posting("customer_credit", 30), Posting("accounts_receivable", -30)]
    return judged.ledger_balances(
        _of_transaction("t", entries), [judged.BalanceFact("acme", "USD", "customer_credit", -balance)]
    )


def _of_transaction(name: str, sides: object) -> Iterator[judged.PostingFact]:
    assert isinstance(sides, (list, tuple))
    return (judged.PostingFact("acme", name, "USD", side.account, side.amount_minor) for side in sides)


class Database:
    """Rows that are there once their transaction commits."""

    def __init__(self) -> None:
        self.committed: Counter[str] = Counter()
        self._open: list[str] = []

    def insert(self, row: str) -> None:
        """The row is written."""
        self._open.append(row)

    def commit(self) -> None:
        """What was written stays."""
        self.committed.update(self._open)
        self._open.clear()

    def rollback(self) -> None:
        """What was written was never there."""
        self._open.clear()


def outbox_row_outside_the_transaction(*, sound: bool) -> Iterator[Finding]:
    """The event is written on a connection of its own, and tells of an invoice that was rolled back."""
    rows, elsewhere = Database(), Database()
    for name, deadlocks in (("INV-1", False), ("INV-2", True), ("INV-3", False)):
        events = rows if sound else elsewhere
        rows.insert(f"invoice {name}")
        rows.insert(f"transaction {name}")
        events.insert(f"told {name}")
        events.insert(f"posted {name}")
        elsewhere.commit()
        rows.rollback() if deadlocks else rows.commit()
    found = rows.committed + elsewhere.committed
    return judged.invoice_ledger_and_outbox_agree(
        judged.IssueFact(
            "acme",
            name,
            found[f"invoice {name}"],
            True,
            found[f"transaction {name}"],
            found[f"told {name}"],
            found[f"posted {name}"],
        )
        for name in sorted({row.partition(" ")[2] for row in found})
    )


def numbers_from_a_sequence(*, sound: bool) -> Iterator[Finding]:
    """A sequence is not rolled back with the invoice that took its number."""
    last, facts = 0, []
    for rolled_back in (False, True, False):
        number = last + 1
        if not rolled_back:
            facts.append(judged.NumberFact("acme", "", number, f"INV-{number:06}"))
        if not rolled_back or not sound:
            last = number
    return judged.numbers_are_gapless(facts, [judged.SeriesFact("acme", "", last)])


def numbers_by_counting(*, sound: bool) -> Iterator[Finding]:
    """Two count the invoices that there are, and both take the next number."""
    numbers: list[int] = []
    for _ in range(2):
        counted = len(numbers)
        numbers += [counted + 1, counted + (2 if sound else 1)]
    return judged.numbers_are_gapless(judged.NumberFact("acme", "", number, f"INV-{number:06}") for number in numbers)
