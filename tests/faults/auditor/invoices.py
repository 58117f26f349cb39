"""What is issued against what must be: in the views, in the topic of statements and in that of invoices."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from tests.faults.auditor.facts import InvoiceRow, LineRow, Record, TotalRow
from tests.faults.auditor.finding import Finding
from tests.faults.auditor.recount import ExpectedInvoice, ExpectedLine, ExpectedTotal
from tests.faults.auditor.usage_id import MODULUS, number_of
from tests.faults.history.log import Content
from tests.oracle.numbers import DIGITS

_Name = tuple[str, str, str, datetime]
_AMOUNTS: Final = ("currency", "subtotal", "tax", "total", "credit_applied", "amount_due")
_LINE: Final = tuple(field.name for field in fields(ExpectedLine))


def check_invoices(
    expected: Sequence[ExpectedInvoice],
    rows: Sequence[InvoiceRow],
    lines: Sequence[LineRow],
    contents: Sequence[Content],
) -> Iterator[Finding]:
    """Each expected invoice is there once, says the same, and there is no other."""
    by_number: dict[tuple[str, str], list[LineRow]] = defaultdict(list)
    for line in sorted(lines, key=lambda one: one.position):
        by_number[line.tenant, line.number].append(line)
    found: dict[_Name, list[InvoiceRow]] = defaultdict(list)
    for row in rows:
        found[row.tenant, row.customer, row.subscription, row.issued_at].append(row)
    who = _Culprits(contents)
    for want in expected:
        have = found.pop((want.tenant, want.customer, want.subscription, want.issued_at), [])
        if not have:
            yield Finding(
                "I03", want.tenant, want.name, f"there is no invoice; it must come to {want.total} {want.currency}"
            )
        if len(have) > 1:
            numbers = ", ".join(row.number for row in have)
            yield Finding("I03", want.tenant, want.name, f"was invoiced {len(have)} times: {numbers}")
        for row in have:
            yield from _compare(want, row, by_number[row.tenant, row.number], who)
    for all_ in found.values():
        for row in all_:
            subject = f"{row.number} of {row.subscription} at {row.issued_at.isoformat()}"
            yield Finding(
                "I03",
                row.tenant,
                subject,
                f"is unexpected: it comes to {row.total} {row.currency}, and nothing was due",
            )


def _compare(want: ExpectedInvoice, row: InvoiceRow, lines: Sequence[LineRow], who: "_Culprits") -> Iterator[Finding]:
    subject = f"{row.number}, {want.name}"
    for name in _AMOUNTS:
        if getattr(row, name) != getattr(want, name):
            yield Finding(
                "I04", want.tenant, subject, f"{name} is {getattr(row, name)}, {getattr(want, name)} is right"
            )
    if row.total != max(row.subtotal + row.tax, Decimal(0)) or row.subtotal != sum(line.amount for line in lines):
        yield Finding("I04", want.tenant, subject, "its total is not the sum of its lines and its tax")
    if len(lines) != len(want.lines):
        yield Finding("I01", want.tenant, subject, f"has {len(lines)} lines, {len(want.lines)} are right")
    for place, (line, wanted) in enumerate(zip(lines, want.lines, strict=False), start=1):
        yield from _compare_line(
            want, f"{subject}, line {place} ({wanted.price} {dict(wanted.group)})", line, wanted, who
        )


def _compare_line(
    want: ExpectedInvoice, subject: str, line: LineRow, wanted: ExpectedLine, who: "_Culprits"
) -> Iterator[Finding]:
    for name in _LINE:
        have, right = getattr(line, name), getattr(wanted, name)
        if have == right:
            continue
        detail = f"{name} is {have}, {right} is right"
        if name == "events_digest":
            detail = who.named((have - right) % MODULUS)
        yield Finding("I01" if name in {"quantity", "events", "events_digest"} else "I04", want.tenant, subject, detail)


class _Culprits:
    """Finds the event that a digest has too much or too little, where it is one."""

    def __init__(self, contents: Sequence[Content]) -> None:
        self._contents = contents
        self._names: dict[int, Content] = {}

    def named(self, difference: int) -> str:
        """What the difference of two digests tells."""
        if not self._names:
            self._names = {number_of(one): one for one in self._contents}
        for sign, number in (("counts", difference), ("does not count", -difference % MODULUS)):
            if number in self._names:
                one = self._names[number]
                return f"{sign} usage {one.source}/{one.id} of {one.customer}, and that is wrong"
        return f"counts other events than it should; the digests differ by {difference:#x}"


def check_statements(expected: Sequence[ExpectedInvoice], statements: Sequence[Record]) -> Iterator[Finding]:
    """Rating has said each invoice's amount once; a statement without lines is none."""
    said: dict[_Name, list[tuple[str, int]]] = defaultdict(list)
    for record in statements:
        told = record.fields
        if told["lines"]:
            name = told["tenant_id"], told["customer_id"], told["subscription_id"], told["issued_at"]
            said[name].append((record.place, sum(int(line["amount_minor"]) for line in told["lines"])))
    for want in expected:
        have = said.pop((want.tenant, want.customer, want.subscription, want.issued_at), [])
        right = [int(want.subtotal.scaleb(DIGITS[want.currency]))]  # in minor units
        if [amount for _, amount in have] != right:
            stated = ", ".join(f"{amount} at {place}" for place, amount in have) or "nothing"
            detail = f"the topic of statements says {stated}; {right[0]} once is right"
            yield Finding("I03", want.tenant, want.name, detail)
    for name, all_ in said.items():
        places = ", ".join(place for place, _ in all_)
        yield Finding("I03", name[0], f"{name[2]} at {name[3].isoformat()}", f"was stated at {places}, and was not due")


def check_announced(rows: Sequence[InvoiceRow], bus: Sequence[Record]) -> Iterator[Finding]:
    """The topic of invoices tells of each invoice, and of no other; a repeat says the same."""
    said: dict[str, set[tuple[object, ...]]] = defaultdict(set)
    tenants: dict[str, str] = {}
    for record in bus:
        if record.kind == "InvoiceFinalized":
            one = record.fields
            tenants[str(one["invoice_id"])] = str(one["tenant_id"])
            said[str(one["invoice_id"])].add(_amounts(one))
    for row in rows:
        have = said.pop(row.invoice_id, set())
        digits = DIGITS[row.currency]
        minor = tuple(int(amount.scaleb(digits)) for amount in (row.subtotal, row.tax, row.total, row.credit_applied))
        right = (row.number, row.currency, *minor)
        if have != {right}:
            detail = f"the topic of invoices says {sorted(map(str, have)) or 'nothing'}; {right} is right"
            yield Finding("I06", row.tenant, row.number, detail)
    for invoice in said:
        yield Finding("I06", tenants[invoice], f"invoice {invoice}", "is in the topic of invoices and not in the view")


def _amounts(one: Mapping[str, Any]) -> tuple[object, ...]:
    names = ("subtotal_minor", "tax_minor", "total_minor", "credit_applied_minor")
    return one["number"], one["currency"], *(int(one[name]) for name in names)


def check_totals(expected: Sequence[ExpectedTotal], rows: Sequence[TotalRow]) -> Iterator[Finding]:
    """The view of usage says what was used, wherever something was; and nothing where nothing was."""
    found = {(row.tenant, row.customer, row.subscription, row.price, row.group, row.start): row for row in rows}
    for want in expected:
        name = want.tenant, want.customer, want.subscription, want.price, want.group, want.start
        row = found.pop(name, None)
        subject = f"{want.subscription} {want.price} {dict(want.group)} from {want.start.isoformat()}"
        if row is None:
            if want.events:
                yield Finding("I01", want.tenant, subject, f"usage_totals has no row; {want.quantity} is right")
        elif (row.quantity, row.amount) != (want.quantity, want.amount):
            detail = f"usage_totals says {row.quantity} for {row.amount}; {want.quantity} for {want.amount} is right"
            yield Finding("I01", want.tenant, subject, detail)
    for row in found.values():
        if row.quantity or row.amount:
            subject = f"{row.subscription} {row.price} {dict(row.group)} from {row.start.isoformat()}"
            detail = f"usage_totals says {row.quantity} for {row.amount}, and nothing was used"
            yield Finding("I01", row.tenant, subject, detail)


def check_numbers(rows: Sequence[InvoiceRow]) -> Iterator[Finding]:
    """A tenant's numbers are 1, 2, 3 …, each once."""
    by_tenant: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_tenant[row.tenant].append(int(row.number.removeprefix("INV-")))
    for tenant, numbers in by_tenant.items():
        twice = [number for number, times in Counter(numbers).items() if times > 1]
        gaps = sorted({*range(1, max(numbers) + 1)} - {*numbers})
        if twice or gaps:
            yield Finding("I15", tenant, "the series of numbers", f"misses {gaps} and has {twice} twice")
