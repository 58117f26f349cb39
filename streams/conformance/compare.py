"""Issued invoices beside expected ones: every field that is expected is compared, as text."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

import msgspec

from streams.conformance.expected import InvoiceExpected, LineExpected, StoryExpected


class IssuedLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line as it was issued; `amount` is after the discount that coupons took off. Both are in major units."""

    price: str
    group: dict[str, str]
    quantity: str
    amount: str
    start: datetime
    end: datetime
    adjustment: bool
    kind: str
    discount: str


class IssuedInvoice(msgspec.Struct, frozen=True, kw_only=True):
    """An invoice as it was issued; amounts in major units with the currency's digits."""

    customer: str
    subscription: str
    issued_at: datetime
    subtotal: str
    tax: str
    total: str
    credit_applied: str
    amount_due: str
    lines: list[IssuedLine]


def compare(expect: StoryExpected, invoices: Sequence[IssuedInvoice], credit: Mapping[str, str]) -> Iterator[str]:
    """Yields one text for each difference, with the path of the field; nothing where all is as expected."""
    if expect.invoices is not None:
        if len(expect.invoices) != len(invoices):
            yield f"invoices: expected {len(expect.invoices)}, got {len(invoices)}"
        for number, (wanted, issued) in enumerate(zip(expect.invoices, invoices, strict=False)):
            yield from _fields(f"invoices[{number}]", wanted, issued)
    for customer, wanted_credit in (expect.credit or {}).items():
        yield from difference(f"credit.{customer}", wanted_credit, credit.get(customer, "0"))


def difference(path: str, wanted: object, found: object) -> Iterator[str]:
    """Yields a text where the two are not the same value; numbers may be written with more or fewer zeros."""
    if wanted is not None and _value(wanted) != _value(found):
        yield f"{path}: expected {_shown(wanted)}, got {_shown(found)}"


def _fields(path: str, wanted: InvoiceExpected | LineExpected, found: IssuedInvoice | IssuedLine) -> Iterator[str]:
    for field in wanted.__struct_fields__:
        expected, issued = getattr(wanted, field), getattr(found, field)
        if field == "lines" and isinstance(wanted, InvoiceExpected) and isinstance(found, IssuedInvoice):
            yield from _lines(f"{path}.lines", wanted.lines, found.lines)
        else:
            yield from difference(f"{path}.{field}", expected, issued)


def _lines(path: str, wanted: Sequence[LineExpected] | None, found: Sequence[IssuedLine]) -> Iterator[str]:
    if wanted is None:
        return
    if len(wanted) != len(found):
        shown = ", ".join(f"{line.price} {line.quantity} {line.amount}" for line in found) or "none"
        yield f"{path}: expected {len(wanted)}, got {len(found)} ({shown})"
    for number, (one, other) in enumerate(zip(wanted, found, strict=False)):
        yield from _fields(f"{path}[{number}]", one, other)


def _value(written: object) -> object:
    if not isinstance(written, str):
        return written
    try:
        return Decimal(written)
    except InvalidOperation:
        return written


def _shown(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
