"""What makes a line, by what it is of: usage, a fee, a commitment, or what is owed once."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from billing.account.coupons import Taken
from billing.account.tariff import Served
from billing.currency import Currency
from billing.entry import Usage
from billing.meter import Meter, Value
from billing.price import CommitmentPrice, RecurringPrice, UsagePrice
from billing.statement import Line
from billing.step import Exact, Step


class Contribution(NamedTuple):
    """One event behind a line: where it stands in the journal, and what the meter read from it."""

    position: int
    usage: Usage
    value: Value
    """None for a count: the event itself counts."""


class Billed(NamedTuple):
    """What an earlier statement said of the same window and group, or of the same term, before coupons."""

    statement_id: str
    issued_at_us: int
    quantity: str
    amount_minor: int


class Share(NamedTuple):
    """What falls to one group of those that are priced together: minor units."""

    group: tuple[str, ...]
    quantity: Decimal
    amount_minor: int


@dataclass(frozen=True, slots=True)
class Together:
    """Groups that are priced together: what all of them come to, and what falls to each."""

    quantity: Decimal
    amount_minor: int
    shares: tuple[Share, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageWhy:
    """A line of usage, or an adjustment of one: what was measured, and how that was priced.

    `steps` price `priced`, the quantity of the line or that of all groups together, and sum to `exact`.
    """

    price: UsagePrice
    meter: Meter
    events: int
    events_digest: bytes
    carried: Decimal | None
    quantity: Decimal
    priced: Decimal
    steps: tuple[Step, ...]
    exact: Exact
    amount_minor: int
    """What all of it comes to by now: of groups priced together, the share."""
    together: Together | None
    before: tuple[Billed, ...]
    """What was billed of it before; empty for what is no adjustment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeeWhy:
    """A fee, or a part of one that is given back: amount x quantity x periods."""

    price: RecurringPrice
    quantity: Decimal
    served: tuple[Served, ...]
    periods: Fraction
    exact: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitmentWhy:
    """What a term came short of its commitment: `committed_minor` less `counted_minor`, not below 0."""

    price: CommitmentPrice
    term_us: int
    served_us: int
    committed_minor: int
    counted_minor: int
    shortfall_minor: int
    before: tuple[Billed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargeWhy:
    """What is owed once: amount x quantity; `of_plan` where the plan has it, else it was added."""

    amount: Decimal
    quantity: Decimal
    of_plan: bool
    exact: Exact


Why: TypeAlias = UsageWhy | FeeWhy | CommitmentWhy | ChargeWhy


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One line, why it says so, and what does not hold of it; `plan` priced it."""

    place: int
    """From 0."""
    line: Line
    currency: Currency
    plan: str
    plan_version: int
    why: Why
    owed_minor: int
    """What `why` comes to for this line, before coupons."""
    taken: tuple[Taken, ...]
    findings: tuple[str, ...]
