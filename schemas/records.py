"""The records of the wire, one class for each Avro record.

Generated from `schemas/**/*.avsc` by `tools/generate_records.py`: change those, then run it.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self

import msgspec

from schemas import wire
from schemas.wire import Record


class CouponSaved(Record, frozen=True, kw_only=True):
    """A coupon was created or changed."""

    FULL_NAME: ClassVar[str] = "beaas.catalog.CouponSaved"

    tenant_id: str
    """The tenant's code."""
    coupon: str
    """The coupon's code."""
    definition: str
    """Its definition, JSON."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "CouponSaved.tenant_id"),
            "coupon": wire.text(self.coupon, "CouponSaved.coupon"),
            "definition": wire.text(self.definition, "CouponSaved.definition"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            coupon=fields["coupon"],
            definition=fields["definition"],
        )


class MeterSaved(Record, frozen=True, kw_only=True):
    """A meter was created or changed."""

    FULL_NAME: ClassVar[str] = "beaas.catalog.MeterSaved"

    tenant_id: str
    """The tenant's code."""
    meter: str
    """The meter's code."""
    definition: str
    """Its definition, JSON."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "MeterSaved.tenant_id"),
            "meter": wire.text(self.meter, "MeterSaved.meter"),
            "definition": wire.text(self.definition, "MeterSaved.definition"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            meter=fields["meter"],
            definition=fields["definition"],
        )


class PlanVersionPublished(Record, frozen=True, kw_only=True):
    """A plan has a new version."""

    FULL_NAME: ClassVar[str] = "beaas.catalog.PlanVersionPublished"

    tenant_id: str
    """The tenant's code."""
    plan: str
    """The plan's code."""
    plan_version: int
    """From 1."""
    billing_period: str
    """ISO 8601."""
    prices: str
    """The prices in order: a JSON array."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "PlanVersionPublished.tenant_id"),
            "plan": wire.text(self.plan, "PlanVersionPublished.plan"),
            "plan_version": wire.whole(self.plan_version, "PlanVersionPublished.plan_version", 32),
            "billing_period": wire.text(self.billing_period, "PlanVersionPublished.billing_period"),
            "prices": wire.text(self.prices, "PlanVersionPublished.prices"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            plan=fields["plan"],
            plan_version=fields["plan_version"],
            billing_period=fields["billing_period"],
            prices=fields["prices"],
        )


class TenantSaved(Record, frozen=True, kw_only=True):
    """A tenant was created or changed."""

    FULL_NAME: ClassVar[str] = "beaas.catalog.TenantSaved"

    tenant_id: str
    """The tenant's code."""
    currency: str
    """ISO 4217 code."""
    timezone: str
    """IANA name."""
    tax_percent: str
    """A decimal."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "TenantSaved.tenant_id"),
            "currency": wire.text(self.currency, "TenantSaved.currency"),
            "timezone": wire.text(self.timezone, "TenantSaved.timezone"),
            "tax_percent": wire.text(self.tax_percent, "TenantSaved.tax_percent"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            currency=fields["currency"],
            timezone=fields["timezone"],
            tax_percent=fields["tax_percent"],
        )


class CreditGranted(Record, frozen=True, kw_only=True):
    """A customer was given credit."""

    FULL_NAME: ClassVar[str] = "beaas.credit.CreditGranted"

    grant_id: str
    """The grant."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    currency: str
    """ISO 4217 code."""
    amount_minor: int
    """In minor units."""
    priority: int
    """Lower burns first."""
    expires_at: datetime | None = None
    """Null: never."""
    granted_at: datetime
    """When."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "grant_id": wire.text(self.grant_id, "CreditGranted.grant_id"),
            "tenant_id": wire.text(self.tenant_id, "CreditGranted.tenant_id"),
            "customer_id": wire.text(self.customer_id, "CreditGranted.customer_id"),
            "currency": wire.text(self.currency, "CreditGranted.currency"),
            "amount_minor": wire.minor(self.amount_minor, "CreditGranted.amount_minor", 76),
            "priority": wire.whole(self.priority, "CreditGranted.priority", 32),
            "expires_at": None if self.expires_at is None else wire.micros(self.expires_at, "CreditGranted.expires_at"),
            "granted_at": wire.micros(self.granted_at, "CreditGranted.granted_at"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            grant_id=fields["grant_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            currency=fields["currency"],
            amount_minor=wire.amount(fields["amount_minor"], "CreditGranted.amount_minor", 76),
            priority=fields["priority"],
            expires_at=None
            if fields["expires_at"] is None
            else wire.instant(fields["expires_at"], "CreditGranted.expires_at"),
            granted_at=wire.instant(fields["granted_at"], "CreditGranted.granted_at"),
        )


class CustomerSaved(Record, frozen=True, kw_only=True):
    """A customer was created or changed."""

    FULL_NAME: ClassVar[str] = "beaas.customer.CustomerSaved"

    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer's code."""
    name: str
    """Its name."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "CustomerSaved.tenant_id"),
            "customer_id": wire.text(self.customer_id, "CustomerSaved.customer_id"),
            "name": wire.text(self.name, "CustomerSaved.name"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            name=fields["name"],
        )


class Header(Record, frozen=True, kw_only=True):
    """One header."""

    FULL_NAME: ClassVar[str] = "beaas.deadletter.Header"

    key: str
    """Name."""
    value: bytes | None = None
    """Value."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "key": wire.text(self.key, "Header.key"),
            "value": None if self.value is None else wire.octets(self.value, "Header.value"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            key=fields["key"],
            value=None if fields["value"] is None else wire.octets_read(fields["value"]),
        )


class DeadLetter(Record, frozen=True, kw_only=True):
    """A record that could not be used, with its bytes and why."""

    FULL_NAME: ClassVar[str] = "beaas.deadletter.DeadLetter"

    reason: str
    """A short code."""
    detail: str
    """What is wrong and what to do."""
    tenant_id: str | None = None
    """Where it could be read."""
    customer_id: str | None = None
    """Where it could be read."""
    source_topic: str
    """Where it stood."""
    source_partition: int
    """Where it stood."""
    source_offset: int
    """Where it stood."""
    key: bytes | None = None
    """Its key, as it was."""
    value: bytes | None = None
    """Its value, as it was; null for a tombstone."""
    headers: tuple[Header, ...] = ()
    """Its headers, as they were."""
    first_position: int | None = None
    """For a conflict: where the first event with this id stands in the journal."""
    received_at: datetime
    """When the broker received it."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "reason": wire.text(self.reason, "DeadLetter.reason"),
            "detail": wire.text(self.detail, "DeadLetter.detail"),
            "tenant_id": None if self.tenant_id is None else wire.text(self.tenant_id, "DeadLetter.tenant_id"),
            "customer_id": None if self.customer_id is None else wire.text(self.customer_id, "DeadLetter.customer_id"),
            "source_topic": wire.text(self.source_topic, "DeadLetter.source_topic"),
            "source_partition": wire.whole(self.source_partition, "DeadLetter.source_partition", 32),
            "source_offset": wire.whole(self.source_offset, "DeadLetter.source_offset", 64),
            "key": None if self.key is None else wire.octets(self.key, "DeadLetter.key"),
            "value": None if self.value is None else wire.octets(self.value, "DeadLetter.value"),
            "headers": wire.records(self.headers, "DeadLetter.headers", Header),
            "first_position": None
            if self.first_position is None
            else wire.whole(self.first_position, "DeadLetter.first_position", 64),
            "received_at": wire.micros(self.received_at, "DeadLetter.received_at"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            reason=fields["reason"],
            detail=fields["detail"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            source_topic=fields["source_topic"],
            source_partition=fields["source_partition"],
            source_offset=fields["source_offset"],
            key=None if fields["key"] is None else wire.octets_read(fields["key"]),
            value=None if fields["value"] is None else wire.octets_read(fields["value"]),
            headers=tuple(Header.from_wire(item) for item in fields["headers"]),
            first_position=fields["first_position"],
            received_at=wire.instant(fields["received_at"], "DeadLetter.received_at"),
        )


class DeadLetterRedriven(Record, frozen=True, kw_only=True):
    """A dead letter was put back: written in the same transaction as the record, into the letter's own partition."""

    FULL_NAME: ClassVar[str] = "beaas.deadletter.DeadLetterRedriven"

    letter_partition: int
    """Where the letter stands on this topic."""
    letter_offset: int
    """Where the letter stands on this topic."""
    reason: str
    """The letter's."""
    tenant_id: str | None = None
    """The letter's."""
    customer_id: str | None = None
    """The letter's."""
    target_topic: str
    """Where it was put back."""
    target_partition: int
    """Where it was put back."""
    target_offset: int
    """Where it was put back."""
    edited: bool = False
    """Whether another value was put back than the letter holds."""
    run_id: str
    """Which run of the command did it."""
    redriven_at: datetime
    """When, by the clock of whoever ran it."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "letter_partition": wire.whole(self.letter_partition, "DeadLetterRedriven.letter_partition", 32),
            "letter_offset": wire.whole(self.letter_offset, "DeadLetterRedriven.letter_offset", 64),
            "reason": wire.text(self.reason, "DeadLetterRedriven.reason"),
            "tenant_id": None if self.tenant_id is None else wire.text(self.tenant_id, "DeadLetterRedriven.tenant_id"),
            "customer_id": None
            if self.customer_id is None
            else wire.text(self.customer_id, "DeadLetterRedriven.customer_id"),
            "target_topic": wire.text(self.target_topic, "DeadLetterRedriven.target_topic"),
            "target_partition": wire.whole(self.target_partition, "DeadLetterRedriven.target_partition", 32),
            "target_offset": wire.whole(self.target_offset, "DeadLetterRedriven.target_offset", 64),
            "edited": wire.truth(self.edited, "DeadLetterRedriven.edited"),
            "run_id": wire.text(self.run_id, "DeadLetterRedriven.run_id"),
            "redriven_at": wire.micros(self.redriven_at, "DeadLetterRedriven.redriven_at"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            letter_partition=fields["letter_partition"],
            letter_offset=fields["letter_offset"],
            reason=fields["reason"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            target_topic=fields["target_topic"],
            target_partition=fields["target_partition"],
            target_offset=fields["target_offset"],
            edited=fields["edited"],
            run_id=fields["run_id"],
            redriven_at=wire.instant(fields["redriven_at"], "DeadLetterRedriven.redriven_at"),
        )


class InvoiceLineKind(StrEnum):
    """Why a line stands on its bill, in the order of the lines."""

    ADJUSTMENT = "adjustment"
    UNUSED_FEE = "unused_fee"
    USAGE = "usage"
    TRUE_UP = "true_up"
    FEE = "fee"
    CHARGE = "charge"


class InvoiceLine(Record, frozen=True, kw_only=True):
    """One charge, rounded once, less what coupons take off."""

    FULL_NAME: ClassVar[str] = "beaas.invoice.InvoiceLine"

    kind: InvoiceLineKind
    """Why the line stands here."""
    price: str
    """The price's code."""
    line_group: dict[str, str]
    """The values that the meter groups by."""
    quantity: str
    """A decimal."""
    amount_minor: int
    """In minor units, before tax, after the discount."""
    period_start: datetime
    """The window's first moment."""
    period_end: datetime
    """The window's end, not part of it."""
    taxable: bool
    """Whether tax is owed on it."""
    events: int
    """How many usage events stand behind it."""
    discount_minor: int = 0
    """What coupons took off, in minor units; amount and discount are what it was before."""
    events_digest: bytes = b""
    """Which usage events: 24 bytes, whatever their order; empty for fees."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "kind": wire.symbol(self.kind, "InvoiceLine.kind", InvoiceLineKind),
            "price": wire.text(self.price, "InvoiceLine.price"),
            "line_group": wire.texts(self.line_group, "InvoiceLine.line_group"),
            "quantity": wire.text(self.quantity, "InvoiceLine.quantity"),
            "amount_minor": wire.minor(self.amount_minor, "InvoiceLine.amount_minor", 76),
            "period_start": wire.micros(self.period_start, "InvoiceLine.period_start"),
            "period_end": wire.micros(self.period_end, "InvoiceLine.period_end"),
            "taxable": wire.truth(self.taxable, "InvoiceLine.taxable"),
            "events": wire.whole(self.events, "InvoiceLine.events", 64),
            "discount_minor": wire.minor(self.discount_minor, "InvoiceLine.discount_minor", 76),
            "events_digest": wire.octets(self.events_digest, "InvoiceLine.events_digest"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            kind=InvoiceLineKind(fields["kind"]),
            price=fields["price"],
            line_group=fields["line_group"],
            quantity=fields["quantity"],
            amount_minor=wire.amount(fields["amount_minor"], "InvoiceLine.amount_minor", 76),
            period_start=wire.instant(fields["period_start"], "InvoiceLine.period_start"),
            period_end=wire.instant(fields["period_end"], "InvoiceLine.period_end"),
            taxable=fields["taxable"],
            events=fields["events"],
            discount_minor=wire.amount(fields["discount_minor"], "InvoiceLine.discount_minor", 76),
            events_digest=wire.octets_read(fields["events_digest"]),
        )


class InvoiceFinalized(Record, frozen=True, kw_only=True):
    """An invoice is final; it never changes again."""

    FULL_NAME: ClassVar[str] = "beaas.invoice.InvoiceFinalized"

    invoice_id: str
    """The invoice."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    number: str
    """Gapless in the tenant's series."""
    statement_id: str
    """What it was drawn from."""
    currency: str
    """ISO 4217 code."""
    issued_at: datetime
    """The moment of the close."""
    subtotal_minor: int
    """Sum of the lines."""
    tax_minor: int
    """Tax, rounded once."""
    total_minor: int
    """Subtotal and tax, never below 0."""
    credit_applied_minor: int
    """Paid by credit."""
    amount_due_minor: int
    """What is left to pay."""
    lines: tuple[InvoiceLine, ...]
    """In the invoice's order."""
    tzdata: str = ""
    """The version of the tz database that its boundaries were counted with."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "invoice_id": wire.text(self.invoice_id, "InvoiceFinalized.invoice_id"),
            "tenant_id": wire.text(self.tenant_id, "InvoiceFinalized.tenant_id"),
            "customer_id": wire.text(self.customer_id, "InvoiceFinalized.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "InvoiceFinalized.subscription_id"),
            "number": wire.text(self.number, "InvoiceFinalized.number"),
            "statement_id": wire.text(self.statement_id, "InvoiceFinalized.statement_id"),
            "currency": wire.text(self.currency, "InvoiceFinalized.currency"),
            "issued_at": wire.micros(self.issued_at, "InvoiceFinalized.issued_at"),
            "subtotal_minor": wire.minor(self.subtotal_minor, "InvoiceFinalized.subtotal_minor", 76),
            "tax_minor": wire.minor(self.tax_minor, "InvoiceFinalized.tax_minor", 76),
            "total_minor": wire.minor(self.total_minor, "InvoiceFinalized.total_minor", 76),
            "credit_applied_minor": wire.minor(self.credit_applied_minor, "InvoiceFinalized.credit_applied_minor", 76),
            "amount_due_minor": wire.minor(self.amount_due_minor, "InvoiceFinalized.amount_due_minor", 76),
            "lines": wire.records(self.lines, "InvoiceFinalized.lines", InvoiceLine),
            "tzdata": wire.text(self.tzdata, "InvoiceFinalized.tzdata"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            invoice_id=fields["invoice_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            number=fields["number"],
            statement_id=fields["statement_id"],
            currency=fields["currency"],
            issued_at=wire.instant(fields["issued_at"], "InvoiceFinalized.issued_at"),
            subtotal_minor=wire.amount(fields["subtotal_minor"], "InvoiceFinalized.subtotal_minor", 76),
            tax_minor=wire.amount(fields["tax_minor"], "InvoiceFinalized.tax_minor", 76),
            total_minor=wire.amount(fields["total_minor"], "InvoiceFinalized.total_minor", 76),
            credit_applied_minor=wire.amount(
                fields["credit_applied_minor"], "InvoiceFinalized.credit_applied_minor", 76
            ),
            amount_due_minor=wire.amount(fields["amount_due_minor"], "InvoiceFinalized.amount_due_minor", 76),
            lines=tuple(InvoiceLine.from_wire(item) for item in fields["lines"]),
            tzdata=fields["tzdata"],
        )


class Posting(Record, frozen=True, kw_only=True):
    """One side."""

    FULL_NAME: ClassVar[str] = "beaas.ledger.Posting"

    account: str
    """Such as accounts_receivable or revenue:calls."""
    amount_minor: int
    """Debits positive, credits negative."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "account": wire.text(self.account, "Posting.account"),
            "amount_minor": wire.minor(self.amount_minor, "Posting.amount_minor", 76),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            account=fields["account"],
            amount_minor=wire.amount(fields["amount_minor"], "Posting.amount_minor", 76),
        )


class LedgerPosted(Record, frozen=True, kw_only=True):
    """A ledger transaction: its postings sum to zero."""

    FULL_NAME: ClassVar[str] = "beaas.ledger.LedgerPosted"

    transaction_id: str
    """The ledger transaction."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    invoice_id: str | None = None
    """The invoice that caused it, if one did."""
    currency: str
    """ISO 4217 code."""
    posted_at: datetime
    """The moment of what caused it."""
    postings: tuple[Posting, ...]
    """At least two."""
    grant_id: str | None = None
    """The grant of prepaid credit that caused it, if one did."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "transaction_id": wire.text(self.transaction_id, "LedgerPosted.transaction_id"),
            "tenant_id": wire.text(self.tenant_id, "LedgerPosted.tenant_id"),
            "customer_id": wire.text(self.customer_id, "LedgerPosted.customer_id"),
            "invoice_id": None if self.invoice_id is None else wire.text(self.invoice_id, "LedgerPosted.invoice_id"),
            "currency": wire.text(self.currency, "LedgerPosted.currency"),
            "posted_at": wire.micros(self.posted_at, "LedgerPosted.posted_at"),
            "postings": wire.records(self.postings, "LedgerPosted.postings", Posting),
            "grant_id": None if self.grant_id is None else wire.text(self.grant_id, "LedgerPosted.grant_id"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            transaction_id=fields["transaction_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            invoice_id=fields["invoice_id"],
            currency=fields["currency"],
            posted_at=wire.instant(fields["posted_at"], "LedgerPosted.posted_at"),
            postings=tuple(Posting.from_wire(item) for item in fields["postings"]),
            grant_id=fields["grant_id"],
        )


class LineKind(StrEnum):
    """Why a line stands on its bill, in the order of the lines."""

    ADJUSTMENT = "adjustment"
    UNUSED_FEE = "unused_fee"
    USAGE = "usage"
    TRUE_UP = "true_up"
    FEE = "fee"
    CHARGE = "charge"


class Line(Record, frozen=True, kw_only=True):
    """One charge, rounded once, less what coupons take off."""

    FULL_NAME: ClassVar[str] = "beaas.rating.Line"

    kind: LineKind
    """Why the line stands here."""
    price: str
    """The price's code."""
    line_group: dict[str, str]
    """The values that the meter groups by."""
    quantity: str
    """A decimal."""
    amount_minor: int
    """In minor units, before tax, after the discount."""
    period_start: datetime
    """The window's first moment."""
    period_end: datetime
    """The window's end, not part of it."""
    taxable: bool
    """Whether tax is owed on it."""
    events: int
    """How many usage events stand behind it."""
    discount_minor: int = 0
    """What coupons took off, in minor units; amount and discount are what it was before."""
    events_digest: bytes = b""
    """Which usage events: 24 bytes, whatever their order; empty for fees."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "kind": wire.symbol(self.kind, "Line.kind", LineKind),
            "price": wire.text(self.price, "Line.price"),
            "line_group": wire.texts(self.line_group, "Line.line_group"),
            "quantity": wire.text(self.quantity, "Line.quantity"),
            "amount_minor": wire.minor(self.amount_minor, "Line.amount_minor", 76),
            "period_start": wire.micros(self.period_start, "Line.period_start"),
            "period_end": wire.micros(self.period_end, "Line.period_end"),
            "taxable": wire.truth(self.taxable, "Line.taxable"),
            "events": wire.whole(self.events, "Line.events", 64),
            "discount_minor": wire.minor(self.discount_minor, "Line.discount_minor", 76),
            "events_digest": wire.octets(self.events_digest, "Line.events_digest"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            kind=LineKind(fields["kind"]),
            price=fields["price"],
            line_group=fields["line_group"],
            quantity=fields["quantity"],
            amount_minor=wire.amount(fields["amount_minor"], "Line.amount_minor", 76),
            period_start=wire.instant(fields["period_start"], "Line.period_start"),
            period_end=wire.instant(fields["period_end"], "Line.period_end"),
            taxable=fields["taxable"],
            events=fields["events"],
            discount_minor=wire.amount(fields["discount_minor"], "Line.discount_minor", 76),
            events_digest=wire.octets_read(fields["events_digest"]),
        )


class StatementClosed(Record, frozen=True, kw_only=True):
    """The rated lines of one close, in the order of the invoice."""

    FULL_NAME: ClassVar[str] = "beaas.rating.StatementClosed"

    statement_id: str
    """A function of the account, the subscription and the command."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    plan: str
    """The plan's code."""
    plan_version: int
    """The plan's version."""
    currency: str
    """ISO 4217 code."""
    timezone: str
    """IANA name."""
    tax_percent: str
    """A decimal."""
    issued_at: datetime
    """The moment of the close."""
    command_id: str
    """The journal command that closed it: its cause."""
    correlation_id: str = ""
    """What it belongs to."""
    journal_partition: int
    """Where that command stands."""
    journal_offset: int
    """Where that command stands."""
    lines: tuple[Line, ...]
    """Empty where nothing is owed: then no invoice is drawn."""
    tzdata: str = ""
    """The version of the tz database that its boundaries were counted with."""
    refusal: str = ""
    """Why the command was refused, and changed nothing; empty where it took effect."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "statement_id": wire.text(self.statement_id, "StatementClosed.statement_id"),
            "tenant_id": wire.text(self.tenant_id, "StatementClosed.tenant_id"),
            "customer_id": wire.text(self.customer_id, "StatementClosed.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "StatementClosed.subscription_id"),
            "plan": wire.text(self.plan, "StatementClosed.plan"),
            "plan_version": wire.whole(self.plan_version, "StatementClosed.plan_version", 32),
            "currency": wire.text(self.currency, "StatementClosed.currency"),
            "timezone": wire.text(self.timezone, "StatementClosed.timezone"),
            "tax_percent": wire.text(self.tax_percent, "StatementClosed.tax_percent"),
            "issued_at": wire.micros(self.issued_at, "StatementClosed.issued_at"),
            "command_id": wire.text(self.command_id, "StatementClosed.command_id"),
            "correlation_id": wire.text(self.correlation_id, "StatementClosed.correlation_id"),
            "journal_partition": wire.whole(self.journal_partition, "StatementClosed.journal_partition", 32),
            "journal_offset": wire.whole(self.journal_offset, "StatementClosed.journal_offset", 64),
            "lines": wire.records(self.lines, "StatementClosed.lines", Line),
            "tzdata": wire.text(self.tzdata, "StatementClosed.tzdata"),
            "refusal": wire.text(self.refusal, "StatementClosed.refusal"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            statement_id=fields["statement_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            plan=fields["plan"],
            plan_version=fields["plan_version"],
            currency=fields["currency"],
            timezone=fields["timezone"],
            tax_percent=fields["tax_percent"],
            issued_at=wire.instant(fields["issued_at"], "StatementClosed.issued_at"),
            command_id=fields["command_id"],
            correlation_id=fields["correlation_id"],
            journal_partition=fields["journal_partition"],
            journal_offset=fields["journal_offset"],
            lines=tuple(Line.from_wire(item) for item in fields["lines"]),
            tzdata=fields["tzdata"],
            refusal=fields["refusal"],
        )


class ChargeAdded(Record, frozen=True, kw_only=True):
    """One charge: on an invoice at once, or on the next one."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.ChargeAdded"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """When it was added."""
    correlation_id: str = ""
    """What this command belongs to."""
    code: str
    """What its line has for a price."""
    amount: str
    """A decimal in major units, not 0; below 0 it is given back."""
    quantity: str = "1"
    """A decimal above 0."""
    taxable: bool = True
    """Whether tax is owed on it."""
    at_once: bool = False
    """Whether it has an invoice now."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "ChargeAdded.command_id"),
            "tenant_id": wire.text(self.tenant_id, "ChargeAdded.tenant_id"),
            "customer_id": wire.text(self.customer_id, "ChargeAdded.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "ChargeAdded.subscription_id"),
            "at": wire.micros(self.at, "ChargeAdded.at"),
            "correlation_id": wire.text(self.correlation_id, "ChargeAdded.correlation_id"),
            "code": wire.text(self.code, "ChargeAdded.code"),
            "amount": wire.text(self.amount, "ChargeAdded.amount"),
            "quantity": wire.text(self.quantity, "ChargeAdded.quantity"),
            "taxable": wire.truth(self.taxable, "ChargeAdded.taxable"),
            "at_once": wire.truth(self.at_once, "ChargeAdded.at_once"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "ChargeAdded.at"),
            correlation_id=fields["correlation_id"],
            code=fields["code"],
            amount=fields["amount"],
            quantity=fields["quantity"],
            taxable=fields["taxable"],
            at_once=fields["at_once"],
        )


class Coupon(Record, frozen=True, kw_only=True):
    """A discount: one of `percent_off` and `amount_off` is given."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.Coupon"

    code: str
    """The coupon's code."""
    percent_off: str | None = None
    """A decimal, of each line."""
    amount_off: str | None = None
    """A decimal in major units, once a period."""
    periods: int | None = None
    """How many billing periods, the one that it begins in counted; null: without end."""
    prices: tuple[str, ...] = ()
    """The codes of the prices whose lines it is for; none: all."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "code": wire.text(self.code, "Coupon.code"),
            "percent_off": None if self.percent_off is None else wire.text(self.percent_off, "Coupon.percent_off"),
            "amount_off": None if self.amount_off is None else wire.text(self.amount_off, "Coupon.amount_off"),
            "periods": None if self.periods is None else wire.whole(self.periods, "Coupon.periods", 32),
            "prices": wire.strings(self.prices, "Coupon.prices"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            code=fields["code"],
            percent_off=fields["percent_off"],
            amount_off=fields["amount_off"],
            periods=fields["periods"],
            prices=tuple(fields["prices"]),
        )


class CouponApplied(Record, frozen=True, kw_only=True):
    """From `at` on the coupon is in force."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.CouponApplied"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """When it was applied."""
    correlation_id: str = ""
    """What this command belongs to."""
    coupon: Coupon
    """The coupon as it was then."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "CouponApplied.command_id"),
            "tenant_id": wire.text(self.tenant_id, "CouponApplied.tenant_id"),
            "customer_id": wire.text(self.customer_id, "CouponApplied.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "CouponApplied.subscription_id"),
            "at": wire.micros(self.at, "CouponApplied.at"),
            "correlation_id": wire.text(self.correlation_id, "CouponApplied.correlation_id"),
            "coupon": wire.nested(self.coupon, "CouponApplied.coupon", Coupon),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "CouponApplied.at"),
            correlation_id=fields["correlation_id"],
            coupon=Coupon.from_wire(fields["coupon"]),
        )


class CouponRemoved(Record, frozen=True, kw_only=True):
    """From `at` on the coupon is in force no more."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.CouponRemoved"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """When it was removed."""
    correlation_id: str = ""
    """What this command belongs to."""
    code: str
    """The coupon's code."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "CouponRemoved.command_id"),
            "tenant_id": wire.text(self.tenant_id, "CouponRemoved.tenant_id"),
            "customer_id": wire.text(self.customer_id, "CouponRemoved.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "CouponRemoved.subscription_id"),
            "at": wire.micros(self.at, "CouponRemoved.at"),
            "correlation_id": wire.text(self.correlation_id, "CouponRemoved.correlation_id"),
            "code": wire.text(self.code, "CouponRemoved.code"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "CouponRemoved.at"),
            correlation_id=fields["correlation_id"],
            code=fields["code"],
        )


class CycleClosed(Record, frozen=True, kw_only=True):
    """The period that ends at `at` is over."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.CycleClosed"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """The moment that counts."""
    correlation_id: str = ""
    """What this command belongs to."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "CycleClosed.command_id"),
            "tenant_id": wire.text(self.tenant_id, "CycleClosed.tenant_id"),
            "customer_id": wire.text(self.customer_id, "CycleClosed.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "CycleClosed.subscription_id"),
            "at": wire.micros(self.at, "CycleClosed.at"),
            "correlation_id": wire.text(self.correlation_id, "CycleClosed.correlation_id"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "CycleClosed.at"),
            correlation_id=fields["correlation_id"],
        )


class FormerZone(Record, frozen=True, kw_only=True):
    """A zone before, and the wall time up to which boundaries fall in it."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.FormerZone"

    timezone: str
    """IANA name."""
    until: str
    """The last wall time that is read in it: ISO 8601 without an offset."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "timezone": wire.text(self.timezone, "FormerZone.timezone"),
            "until": wire.text(self.until, "FormerZone.until"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            timezone=fields["timezone"],
            until=fields["until"],
        )


class Terms(Record, frozen=True, kw_only=True):
    """All that pricing a subscription needs."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.Terms"

    plan: str
    """The plan's code."""
    plan_version: int
    """The plan's version, from 1."""
    billing_period: str
    """ISO 8601, such as P1M."""
    currency: str
    """ISO 4217 code."""
    timezone: str
    """IANA name; boundaries fall on its wall time."""
    tax_percent: str
    """A decimal."""
    meters: str
    """The meters that the prices use: a JSON array of definitions as in the catalogue."""
    prices: str
    """The prices in the plan's order: a JSON array of definitions as in the catalogue."""
    former_zones: tuple[FormerZone, ...] = ()
    """The zones before `timezone`, oldest first; none where it never changed."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "plan": wire.text(self.plan, "Terms.plan"),
            "plan_version": wire.whole(self.plan_version, "Terms.plan_version", 32),
            "billing_period": wire.text(self.billing_period, "Terms.billing_period"),
            "currency": wire.text(self.currency, "Terms.currency"),
            "timezone": wire.text(self.timezone, "Terms.timezone"),
            "tax_percent": wire.text(self.tax_percent, "Terms.tax_percent"),
            "meters": wire.text(self.meters, "Terms.meters"),
            "prices": wire.text(self.prices, "Terms.prices"),
            "former_zones": wire.records(self.former_zones, "Terms.former_zones", FormerZone),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            plan=fields["plan"],
            plan_version=fields["plan_version"],
            billing_period=fields["billing_period"],
            currency=fields["currency"],
            timezone=fields["timezone"],
            tax_percent=fields["tax_percent"],
            meters=fields["meters"],
            prices=fields["prices"],
            former_zones=tuple(FormerZone.from_wire(item) for item in fields["former_zones"]),
        )


class PlanChanged(Record, frozen=True, kw_only=True):
    """From `at` on the subscription is priced by other terms; its periods' boundaries stay."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.PlanChanged"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """When it changes."""
    correlation_id: str = ""
    """What this command belongs to."""
    terms: Terms
    """All that pricing needs."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "PlanChanged.command_id"),
            "tenant_id": wire.text(self.tenant_id, "PlanChanged.tenant_id"),
            "customer_id": wire.text(self.customer_id, "PlanChanged.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "PlanChanged.subscription_id"),
            "at": wire.micros(self.at, "PlanChanged.at"),
            "correlation_id": wire.text(self.correlation_id, "PlanChanged.correlation_id"),
            "terms": wire.nested(self.terms, "PlanChanged.terms", Terms),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "PlanChanged.at"),
            correlation_id=fields["correlation_id"],
            terms=Terms.from_wire(fields["terms"]),
        )


class QuantityChanged(Record, frozen=True, kw_only=True):
    """From `at` on a recurring price is owed so many times, whatever its plan says."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.QuantityChanged"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """When it changes."""
    correlation_id: str = ""
    """What this command belongs to."""
    price: str
    """The price's code."""
    quantity: str
    """A decimal, at least 0."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "QuantityChanged.command_id"),
            "tenant_id": wire.text(self.tenant_id, "QuantityChanged.tenant_id"),
            "customer_id": wire.text(self.customer_id, "QuantityChanged.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "QuantityChanged.subscription_id"),
            "at": wire.micros(self.at, "QuantityChanged.at"),
            "correlation_id": wire.text(self.correlation_id, "QuantityChanged.correlation_id"),
            "price": wire.text(self.price, "QuantityChanged.price"),
            "quantity": wire.text(self.quantity, "QuantityChanged.quantity"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "QuantityChanged.at"),
            correlation_id=fields["correlation_id"],
            price=fields["price"],
            quantity=fields["quantity"],
        )


class SubscriptionCanceled(Record, frozen=True, kw_only=True):
    """At `at` the subscription ends; what is owed until then is stated at once."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.SubscriptionCanceled"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """The moment that counts."""
    correlation_id: str = ""
    """What this command belongs to."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "SubscriptionCanceled.command_id"),
            "tenant_id": wire.text(self.tenant_id, "SubscriptionCanceled.tenant_id"),
            "customer_id": wire.text(self.customer_id, "SubscriptionCanceled.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "SubscriptionCanceled.subscription_id"),
            "at": wire.micros(self.at, "SubscriptionCanceled.at"),
            "correlation_id": wire.text(self.correlation_id, "SubscriptionCanceled.correlation_id"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "SubscriptionCanceled.at"),
            correlation_id=fields["correlation_id"],
        )


class SubscriptionPaused(Record, frozen=True, kw_only=True):
    """From `at` on nothing is owed until it is resumed."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.SubscriptionPaused"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """The moment that counts."""
    correlation_id: str = ""
    """What this command belongs to."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "SubscriptionPaused.command_id"),
            "tenant_id": wire.text(self.tenant_id, "SubscriptionPaused.tenant_id"),
            "customer_id": wire.text(self.customer_id, "SubscriptionPaused.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "SubscriptionPaused.subscription_id"),
            "at": wire.micros(self.at, "SubscriptionPaused.at"),
            "correlation_id": wire.text(self.correlation_id, "SubscriptionPaused.correlation_id"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "SubscriptionPaused.at"),
            correlation_id=fields["correlation_id"],
        )


class SubscriptionResumed(Record, frozen=True, kw_only=True):
    """From `at` on the paused subscription is billed again."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.SubscriptionResumed"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """The moment that counts."""
    correlation_id: str = ""
    """What this command belongs to."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "SubscriptionResumed.command_id"),
            "tenant_id": wire.text(self.tenant_id, "SubscriptionResumed.tenant_id"),
            "customer_id": wire.text(self.customer_id, "SubscriptionResumed.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "SubscriptionResumed.subscription_id"),
            "at": wire.micros(self.at, "SubscriptionResumed.at"),
            "correlation_id": wire.text(self.correlation_id, "SubscriptionResumed.correlation_id"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "SubscriptionResumed.at"),
            correlation_id=fields["correlation_id"],
        )


class SubscriptionStarted(Record, frozen=True, kw_only=True):
    """From `at` on the subscription is measured and billed by its terms."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.SubscriptionStarted"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """When it starts."""
    correlation_id: str = ""
    """What this command belongs to."""
    anchor: datetime
    """The instant its periods are counted from."""
    terms: Terms
    """All that pricing needs."""
    trial_end: datetime | None = None
    """Until then usage is measured and not billed."""
    coupons: tuple[Coupon, ...] = ()
    """In force from the start on."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "SubscriptionStarted.command_id"),
            "tenant_id": wire.text(self.tenant_id, "SubscriptionStarted.tenant_id"),
            "customer_id": wire.text(self.customer_id, "SubscriptionStarted.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "SubscriptionStarted.subscription_id"),
            "at": wire.micros(self.at, "SubscriptionStarted.at"),
            "correlation_id": wire.text(self.correlation_id, "SubscriptionStarted.correlation_id"),
            "anchor": wire.micros(self.anchor, "SubscriptionStarted.anchor"),
            "terms": wire.nested(self.terms, "SubscriptionStarted.terms", Terms),
            "trial_end": None
            if self.trial_end is None
            else wire.micros(self.trial_end, "SubscriptionStarted.trial_end"),
            "coupons": wire.records(self.coupons, "SubscriptionStarted.coupons", Coupon),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "SubscriptionStarted.at"),
            correlation_id=fields["correlation_id"],
            anchor=wire.instant(fields["anchor"], "SubscriptionStarted.anchor"),
            terms=Terms.from_wire(fields["terms"]),
            trial_end=None
            if fields["trial_end"] is None
            else wire.instant(fields["trial_end"], "SubscriptionStarted.trial_end"),
            coupons=tuple(Coupon.from_wire(item) for item in fields["coupons"]),
        )


class SubscriptionStateChanged(Record, frozen=True, kw_only=True):
    """A subscription moved from one state to another."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.SubscriptionStateChanged"

    tenant_id: str
    """The tenant's code."""
    subscription_id: str
    """The subscription."""
    customer_id: str
    """Its customer."""
    plan: str
    """Its plan."""
    plan_version: int
    """The plan's version."""
    state_before: str | None = None
    """The state it left; null for a new one."""
    state: str
    """pending, trialing, active, paused or canceled."""
    at: datetime
    """When the move takes effect."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "SubscriptionStateChanged.tenant_id"),
            "subscription_id": wire.text(self.subscription_id, "SubscriptionStateChanged.subscription_id"),
            "customer_id": wire.text(self.customer_id, "SubscriptionStateChanged.customer_id"),
            "plan": wire.text(self.plan, "SubscriptionStateChanged.plan"),
            "plan_version": wire.whole(self.plan_version, "SubscriptionStateChanged.plan_version", 32),
            "state_before": None
            if self.state_before is None
            else wire.text(self.state_before, "SubscriptionStateChanged.state_before"),
            "state": wire.text(self.state, "SubscriptionStateChanged.state"),
            "at": wire.micros(self.at, "SubscriptionStateChanged.at"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            subscription_id=fields["subscription_id"],
            customer_id=fields["customer_id"],
            plan=fields["plan"],
            plan_version=fields["plan_version"],
            state_before=fields["state_before"],
            state=fields["state"],
            at=wire.instant(fields["at"], "SubscriptionStateChanged.at"),
        )


class ZoneChanged(Record, frozen=True, kw_only=True):
    """The boundaries after the open period fall in another zone; the terms are those agreed, with it and the former."""

    FULL_NAME: ClassVar[str] = "beaas.subscription.ZoneChanged"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    at: datetime
    """When it changes."""
    correlation_id: str = ""
    """What this command belongs to."""
    terms: Terms
    """All that pricing needs."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "ZoneChanged.command_id"),
            "tenant_id": wire.text(self.tenant_id, "ZoneChanged.tenant_id"),
            "customer_id": wire.text(self.customer_id, "ZoneChanged.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "ZoneChanged.subscription_id"),
            "at": wire.micros(self.at, "ZoneChanged.at"),
            "correlation_id": wire.text(self.correlation_id, "ZoneChanged.correlation_id"),
            "terms": wire.nested(self.terms, "ZoneChanged.terms", Terms),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            at=wire.instant(fields["at"], "ZoneChanged.at"),
            correlation_id=fields["correlation_id"],
            terms=Terms.from_wire(fields["terms"]),
        )


class UsageParked(Record, frozen=True, kw_only=True):
    """How much usage of an account waits for its first subscription; the newest replaces the older."""

    FULL_NAME: ClassVar[str] = "beaas.usage.UsageParked"

    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    events: int
    """Parked events; 0 once they were applied."""
    reason: str
    """Why they wait."""
    as_of: datetime
    """When this was flushed."""
    journal_position: int = -1
    """The journal offset of the account's newest entry then; of two, the greater is the newer."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "UsageParked.tenant_id"),
            "customer_id": wire.text(self.customer_id, "UsageParked.customer_id"),
            "events": wire.whole(self.events, "UsageParked.events", 64),
            "reason": wire.text(self.reason, "UsageParked.reason"),
            "as_of": wire.micros(self.as_of, "UsageParked.as_of"),
            "journal_position": wire.whole(self.journal_position, "UsageParked.journal_position", 64),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            events=fields["events"],
            reason=fields["reason"],
            as_of=wire.instant(fields["as_of"], "UsageParked.as_of"),
            journal_position=fields["journal_position"],
        )


class UsageRecorded(Record, frozen=True, kw_only=True):
    """One thing that a customer did, as its producer wrote it."""

    FULL_NAME: ClassVar[str] = "beaas.usage.UsageRecorded"

    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The tenant's own name for the customer."""
    id: str
    """Unique for (tenant, customer, source), for ever."""
    source: str = ""
    """What made the event."""
    type: str
    """What a meter's `event` names."""
    occurred_at: datetime
    """When it happened; decides the period."""
    properties: dict[str, str] = msgspec.field(default_factory=dict)
    """What meters measure; numbers as decimal strings."""
    subscription_id: str | None = None
    """Only where a customer has several and the producer knows which."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "UsageRecorded.tenant_id"),
            "customer_id": wire.text(self.customer_id, "UsageRecorded.customer_id"),
            "id": wire.text(self.id, "UsageRecorded.id"),
            "source": wire.text(self.source, "UsageRecorded.source"),
            "type": wire.text(self.type, "UsageRecorded.type"),
            "occurred_at": wire.micros(self.occurred_at, "UsageRecorded.occurred_at"),
            "properties": wire.texts(self.properties, "UsageRecorded.properties"),
            "subscription_id": None
            if self.subscription_id is None
            else wire.text(self.subscription_id, "UsageRecorded.subscription_id"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            id=fields["id"],
            source=fields["source"],
            type=fields["type"],
            occurred_at=wire.instant(fields["occurred_at"], "UsageRecorded.occurred_at"),
            properties=fields["properties"],
            subscription_id=fields["subscription_id"],
        )


class UsageTotal(Record, frozen=True, kw_only=True):
    """Quantity and amount so far of one price, group and window; the newest replaces the older."""

    FULL_NAME: ClassVar[str] = "beaas.usage.UsageTotal"

    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    subscription_id: str
    """The subscription."""
    price: str
    """The price's code."""
    line_group: dict[str, str]
    """The values that the meter groups by."""
    period_start: datetime
    """The window's first moment."""
    period_end: datetime
    """The window's end, not part of it."""
    quantity: str
    """The measured quantity, a decimal."""
    amount_minor: int
    """What it costs so far, in minor units."""
    currency: str
    """ISO 4217 code."""
    journal_position: int
    """The journal offset of the newest entry counted."""
    as_of: datetime
    """When the total was flushed."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "tenant_id": wire.text(self.tenant_id, "UsageTotal.tenant_id"),
            "customer_id": wire.text(self.customer_id, "UsageTotal.customer_id"),
            "subscription_id": wire.text(self.subscription_id, "UsageTotal.subscription_id"),
            "price": wire.text(self.price, "UsageTotal.price"),
            "line_group": wire.texts(self.line_group, "UsageTotal.line_group"),
            "period_start": wire.micros(self.period_start, "UsageTotal.period_start"),
            "period_end": wire.micros(self.period_end, "UsageTotal.period_end"),
            "quantity": wire.text(self.quantity, "UsageTotal.quantity"),
            "amount_minor": wire.minor(self.amount_minor, "UsageTotal.amount_minor", 76),
            "currency": wire.text(self.currency, "UsageTotal.currency"),
            "journal_position": wire.whole(self.journal_position, "UsageTotal.journal_position", 64),
            "as_of": wire.micros(self.as_of, "UsageTotal.as_of"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            subscription_id=fields["subscription_id"],
            price=fields["price"],
            line_group=fields["line_group"],
            period_start=wire.instant(fields["period_start"], "UsageTotal.period_start"),
            period_end=wire.instant(fields["period_end"], "UsageTotal.period_end"),
            quantity=fields["quantity"],
            amount_minor=wire.amount(fields["amount_minor"], "UsageTotal.amount_minor", 76),
            currency=fields["currency"],
            journal_position=fields["journal_position"],
            as_of=wire.instant(fields["as_of"], "UsageTotal.as_of"),
        )


class UsageVoided(Record, frozen=True, kw_only=True):
    """One usage event is taken back, whether it has arrived already or not."""

    FULL_NAME: ClassVar[str] = "beaas.usage.UsageVoided"

    command_id: str
    """Unique; a repeat changes nothing."""
    tenant_id: str
    """The tenant's code."""
    customer_id: str
    """The customer."""
    source: str
    """The voided event's source."""
    id: str
    """The voided event's id."""
    at: datetime
    """When it was voided."""

    def to_wire(self) -> dict[str, object]:
        """Returns the fields as the Avro writer takes them; raises `Unencodable`."""
        return {
            "command_id": wire.text(self.command_id, "UsageVoided.command_id"),
            "tenant_id": wire.text(self.tenant_id, "UsageVoided.tenant_id"),
            "customer_id": wire.text(self.customer_id, "UsageVoided.customer_id"),
            "source": wire.text(self.source, "UsageVoided.source"),
            "id": wire.text(self.id, "UsageVoided.id"),
            "at": wire.micros(self.at, "UsageVoided.at"),
        }

    @classmethod
    def from_wire(cls, fields: Mapping[str, Any]) -> Self:
        """Returns the record of resolved fields; raises `UndecodableRecord`."""
        return cls(
            command_id=fields["command_id"],
            tenant_id=fields["tenant_id"],
            customer_id=fields["customer_id"],
            source=fields["source"],
            id=fields["id"],
            at=wire.instant(fields["at"], "UsageVoided.at"),
        )


RECORDS: Final[Mapping[str, type[Record]]] = MappingProxyType(
    {
        record.FULL_NAME: record
        for record in (
            CouponSaved,
            MeterSaved,
            PlanVersionPublished,
            TenantSaved,
            CreditGranted,
            CustomerSaved,
            DeadLetter,
            DeadLetterRedriven,
            InvoiceFinalized,
            LedgerPosted,
            StatementClosed,
            ChargeAdded,
            CouponApplied,
            CouponRemoved,
            CycleClosed,
            PlanChanged,
            QuantityChanged,
            SubscriptionCanceled,
            SubscriptionPaused,
            SubscriptionResumed,
            SubscriptionStarted,
            SubscriptionStateChanged,
            ZoneChanged,
            UsageParked,
            UsageRecorded,
            UsageTotal,
            UsageVoided,
        )
    }
)
"""The records that are written by themselves, by full name."""
