"""What there is to judge, gathered once: records of topics and rows of views. Checks are functions of these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """A committed record of a topic; `kind` is its record's name, and `fields` what it says, where it could be read."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    kind: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Topic, partition and offset."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def event(self) -> str:
        """The id of the outbox's event that it is; "" of what the relay has not written."""
        return next((value.decode() for name, value in self.headers if name == "ce_id" and value), "")


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """A row of `report.invoices`."""

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
    invoice_id: str


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row of `report.invoice_lines`; events and their digest are of `beaas.invoice_lines`."""

    tenant: str
    number: str
    position: int
    price: str
    group: tuple[tuple[str, str], ...]
    quantity: Decimal
    amount: Decimal
    start: datetime
    end: datetime
    adjustment: bool
    discount: Decimal
    kind: str
    events: int
    digest: bytes

    @property
    def events_digest(self) -> int:
        """The digest as the number that it is."""
        return int.from_bytes(self.digest, "big")


@dataclass(frozen=True, slots=True)
class BalanceRow:
    """A row of `report.trial_balance`."""

    tenant: str
    currency: str
    account: str
    debit: Decimal
    credit: Decimal


@dataclass(frozen=True, slots=True)
class TotalRow:
    """A row of `report.usage_totals`."""

    tenant: str
    customer: str
    subscription: str
    price: str
    group: tuple[tuple[str, str], ...]
    start: datetime
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class LetterRow:
    """A row of `report.dead_letters`."""

    tenant: str | None
    reason: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row of the outbox that is still kept; `sequence` is the order of an aggregate's events."""

    sequence: int
    id: str
    topic: str
    key: str


@dataclass(slots=True)
class Facts:
    """All of it; topics are named without their prefix."""

    usage: list[Record] = field(default_factory=list)
    journal: list[Record] = field(default_factory=list)
    statements: list[Record] = field(default_factory=list)
    letters: list[Record] = field(default_factory=list)
    bus: list[Record] = field(default_factory=list)
    """Of the topics that only the relay writes, the invoices and the ledger's postings among them."""
    invoices: list[InvoiceRow] = field(default_factory=list)
    lines: list[LineRow] = field(default_factory=list)
    balances: list[BalanceRow] = field(default_factory=list)
    totals: list[TotalRow] = field(default_factory=list)
    letter_rows: list[LetterRow] = field(default_factory=list)
    outbox: list[OutboxRow] = field(default_factory=list)
    behind: list[str] = field(default_factory=list)
    """What had not caught up when the facts were gathered."""
