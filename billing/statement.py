"""What rating says: statements of rated lines, running totals, and what became of an entry."""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from billing.entry import Usage


class LineKind(StrEnum):
    """Why a line stands on its statement; the order of the members is the order of the lines.

    At an ordinary close usage, true-ups and fees stand together, in the order of the plan's prices.
    """

    ADJUSTMENT = "adjustment"
    """What late or voided usage changes of a window, or of a commitment's term, that was billed before:
    f(all) - f(already billed)."""
    UNUSED_FEE = "unused_fee"
    """The part of a fee paid in advance that a change or a cancellation leaves unused (negative)."""
    USAGE = "usage"
    TRUE_UP = "true_up"
    """What a term came short of its commitment."""
    FEE = "fee"
    CHARGE = "charge"
    """Owed once: a plan's one-off price, or a charge that was added."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One amount that is owed: `amount_minor` is all that is owed for it before tax.

    Without a coupon it is rounded once. Coupons took `discount_minor` off: the two together are what it was before.
    """

    kind: LineKind
    price: str
    group: dict[str, str]
    quantity: str
    amount_minor: int
    period_start_us: int
    period_end_us: int
    taxable: bool
    events: int
    """How many usage events stand behind the line; 0 for fees."""
    events_digest: bytes = b""
    """Which: 24 bytes (`billing.account.identity.events_digest`); empty for fees."""
    discount_minor: int = 0

    @property
    def adjustment(self) -> bool:
        """Whether the line corrects a window that was billed before."""
        return self.kind is LineKind.ADJUSTMENT


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The rated lines of one command, in the order of the invoice.

    Every command has one, without lines where nothing is owed: then no invoice is drawn, and still it is known that
    the command was rated. Where the subscription is none that is known, plan, currency and zone are empty.
    `statement_id` is a function of the account, the subscription and the command alone, so a
    refolded journal names the same statements.
    """

    statement_id: str
    tenant: str
    customer: str
    subscription: str
    plan: str
    plan_version: int
    currency: str
    timezone: str
    tax_percent: str
    issued_at_us: int
    command_id: str
    correlation_id: str
    position: int
    lines: tuple[Line, ...]
    tzdata: str = ""
    """The version of the tz database that its boundaries were counted with, such as `2026b`."""
    refusal: str = ""
    """Why the command was refused, and changed nothing; empty where it took effect."""


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """Quantity and amount so far of one price, group and window."""

    tenant: str
    customer: str
    subscription: str
    price: str
    group: dict[str, str]
    period_start_us: int
    period_end_us: int
    quantity: str
    amount_minor: int
    currency: str
    position: int


class Duplicate(msgspec.Struct, frozen=True):
    """The same event again: counted, without effect. `first` is the position of its first arrival."""

    first: int


class Conflict(msgspec.Struct, frozen=True):
    """The id of an earlier event with other content: a dead letter with both positions, never billed."""

    first: int


class Voided(msgspec.Struct, frozen=True):
    """The event had been voided before it arrived: without effect."""

    by: int


class Parked(msgspec.Struct, frozen=True):
    """The account has no subscription yet: kept in order, applied when one starts."""


class Refused(msgspec.Struct, frozen=True):
    """Usage that can't be billed: a dead letter. `reason` is a short code, `detail` says what to do."""

    reason: str
    detail: str
    usage: Usage | None = None
    position: int | None = None
    """Set where the refused entry is an earlier, parked one and not the entry that was applied."""


class Repeated(msgspec.Struct, frozen=True):
    """A command that was applied before: without effect."""


Outcome: TypeAlias = Statement | Duplicate | Conflict | Voided | Parked | Refused | Repeated
