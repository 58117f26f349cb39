"""What cases expect: a field that is not named is not compared."""

from datetime import datetime

import msgspec

from billing.statement import LineKind


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Refuses unknown fields."""


class PriceExpected(_Strict):
    """The amount of the line."""

    amount: str


class MeterExpected(_Strict):
    """The quantity of the window."""

    quantity: str


class PeriodExpected(_Strict):
    """The bounds of the period."""

    start: datetime | None = None
    end: datetime | None = None


class LineExpected(_Strict):
    """What is expected of a line."""

    price: str | None = None
    group: dict[str, str] | None = None
    quantity: str | None = None
    amount: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    adjustment: bool | None = None
    kind: LineKind | None = None
    discount: str | None = None


class InvoiceExpected(_Strict):
    """What is expected of an invoice."""

    customer: str | None = None
    subscription: str | None = None
    issued_at: datetime | None = None
    subtotal: str | None = None
    tax: str | None = None
    total: str | None = None
    credit_applied: str | None = None
    amount_due: str | None = None
    lines: list[LineExpected] | None = None


class StoryExpected(_Strict):
    """Invoices in the order of issue, and the credit that is left."""

    invoices: list[InvoiceExpected] | None = None
    credit: dict[str, str] | None = None
